/// Text that people write for other people to read.
public enum PlainText {
    /// Whether it is well-formed UTF-8 (RFC 3629) without a control character, of either set (C0, DEL, C1).
    public static func isPlain(_ text: UnsafeBufferPointer<UInt8>) -> Bool {
        var at = 0
        while at < text.count {
            let length = characterLength(text, at)
            guard length > 0 else { return false }
            let lead = text[at]
            if length == 1 && (lead < 0x20 || lead == 0x7F) { return false }
            if length == 2 && lead == 0xC2 && text[at + 1] < 0xA0 { return false }
            at += length
        }
        return true
    }

    /// As much of the beginning of a text as is plain, in at most `longest` bytes.
    public static func beginning(
        of text: UnsafeBufferPointer<UInt8>, longest: Int
    ) -> UnsafeBufferPointer<UInt8> {
        var end = 0
        while end < text.count {
            let length = characterLength(text, end)
            let next = UnsafeBufferPointer(rebasing: text[end..<min(text.count, end + max(1, length))])
            guard end + length <= longest, isPlain(next) else { break }
            end += length
        }
        return UnsafeBufferPointer(rebasing: text[..<end])
    }

    /// Bytes of the character at a place; 0 when there is none that is well formed.
    private static func characterLength(_ text: UnsafeBufferPointer<UInt8>, _ at: Int) -> Int {
        let lead = text[at]
        if lead < 0x80 { return 1 }
        let length: Int
        // What the second byte may be: it rules out overlong forms, surrogates and what is beyond Unicode.
        let second: ClosedRange<UInt8>
        switch lead {
        case 0xC2...0xDF: (length, second) = (2, 0x80...0xBF)
        case 0xE0: (length, second) = (3, 0xA0...0xBF)
        case 0xED: (length, second) = (3, 0x80...0x9F)
        case 0xE1...0xEF: (length, second) = (3, 0x80...0xBF)
        case 0xF0: (length, second) = (4, 0x90...0xBF)
        case 0xF1...0xF3: (length, second) = (4, 0x80...0xBF)
        case 0xF4: (length, second) = (4, 0x80...0x8F)
        default: return 0
        }
        guard at + length <= text.count, second.contains(text[at + 1]) else { return 0 }
        for next in at + 2..<max(at + 2, at + length) where text[next] & 0xC0 != 0x80 { return 0 }
        return length
    }
}
