/// The grammars of the names an administrator writes. Bytes, not characters: names are ASCII by grammar, and a request's
/// host is compared without making a String.
public enum Names {
    /// The longest farm or member name, in bytes.
    public static let longest = 63

    /// Whether `name` may name a farm: `[A-Za-z0-9_-]{1,63}`.
    public static func isFarm(_ name: UnsafeBufferPointer<UInt8>) -> Bool {
        !name.isEmpty && name.count <= longest && name.allSatisfy { isAlphanumeric($0) || $0 == 0x5F || $0 == 0x2D }
    }

    /// Whether `name` may name a member: `[A-Za-z0-9_.:-]{1,63}`.
    public static func isMember(_ name: UnsafeBufferPointer<UInt8>) -> Bool {
        !name.isEmpty && name.count <= longest
            && name.allSatisfy { isAlphanumeric($0) || $0 == 0x5F || $0 == 0x2D || $0 == 0x2E || $0 == 0x3A }
    }

    /// The longest metric name, in bytes.
    public static let longestMetric = 32

    /// Whether `name` may name a metric: `[A-Za-z_][A-Za-z0-9_.]{0,31}`.
    public static func isMetric(_ name: UnsafeBufferPointer<UInt8>) -> Bool {
        guard !name.isEmpty, name.count <= longestMetric, beginsMetric(name[0]) else { return false }
        return name.allSatisfy { continuesMetric($0) }
    }

    static func beginsMetric(_ byte: UInt8) -> Bool { isLetter(byte) || byte == 0x5F }
    static func continuesMetric(_ byte: UInt8) -> Bool { isAlphanumeric(byte) || byte == 0x5F || byte == 0x2E }

    /// Whether `bytes` are that word.
    public static func isWord(_ bytes: UnsafeBufferPointer<UInt8>, _ word: StaticString) -> Bool {
        guard bytes.count == word.utf8CodeUnitCount else { return false }
        for at in 0..<bytes.count where bytes[at] != word.utf8Start[at] { return false }
        return true
    }

    /// A hash of `name` that ignores the case of ASCII letters: FNV-1a, 32 bits (draft-eastlake-fnv). Stable between
    /// processes, unlike Swift's Hasher.
    @inline(__always)
    public static func hashIgnoringCase(_ name: UnsafeBufferPointer<UInt8>) -> UInt32 {
        var hash: UInt32 = 2_166_136_261
        for byte in name { hash = (hash ^ UInt32(folded(byte))) &* 16_777_619 }
        return hash
    }

    /// Whether two names of a grammar above are equal but for the case of letters.
    @inline(__always)
    public static func equalIgnoringCase(_ a: UnsafeBufferPointer<UInt8>, _ b: UnsafeBufferPointer<UInt8>) -> Bool {
        guard a.count == b.count else { return false }
        for at in 0..<a.count where folded(a[at]) != folded(b[at]) { return false }
        return true
    }

    /// One case for the letters, without a branch: in the half of ASCII where letters are, the bit that is their case is
    /// set. Of what a name may hold that changes only `_`, into DEL, which no URL's host holds.
    @inline(__always)
    static func folded(_ byte: UInt8) -> UInt8 { byte | ((byte >> 1) & 0x20) }

    private static func isAlphanumeric(_ byte: UInt8) -> Bool { (byte >= 0x30 && byte <= 0x39) || isLetter(byte) }

    private static func isLetter(_ byte: UInt8) -> Bool {
        (byte >= 0x41 && byte <= 0x5A) || (byte >= 0x61 && byte <= 0x7A)
    }
}
