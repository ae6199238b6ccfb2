/// What shows that a browser's form came from this server's own page: a number that other sites cannot read.
public enum Nonce {
    /// Whether a form-encoded text, not decoded yet, has the field `nonce` with this value, which needs no escapes. Takes
    /// the same time wherever the first difference is.
    public static func isIn(_ text: UnsafeBufferPointer<UInt8>, _ nonce: UnsafeBufferPointer<UInt8>) -> Bool {
        let name: StaticString = "nonce="
        let nameLength = name.utf8CodeUnitCount
        guard !nonce.isEmpty else { return false }
        var start = 0
        while start < text.count {
            var end = start
            while end < text.count && text[end] != 0x26 { end += 1 }
            if end - start == nameLength + nonce.count
                && (0..<nameLength).allSatisfy({ text[start + $0] == name.utf8Start[$0] })
            {
                var difference: UInt8 = 0
                for at in 0..<nonce.count { difference |= text[start + nameLength + at] ^ nonce[at] }
                if difference == 0 { return true }
            }
            start = end + 1
        }
        return false
    }
}
