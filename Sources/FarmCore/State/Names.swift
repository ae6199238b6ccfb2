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

    /// A hash of `name` that ignores the case of ASCII letters: FNV-1a, 32 bits (draft-eastlake-fnv). Stable between
    /// processes, unlike Swift's Hasher.
    public static func hashIgnoringCase(_ name: UnsafeBufferPointer<UInt8>) -> UInt32 {
        var hash: UInt32 = 2_166_136_261
        for byte in name { hash = (hash ^ UInt32(lowercased(byte))) &* 16_777_619 }
        return hash
    }

    /// Whether two names are equal but for the case of ASCII letters.
    public static func equalIgnoringCase(_ a: UnsafeBufferPointer<UInt8>, _ b: UnsafeBufferPointer<UInt8>) -> Bool {
        guard a.count == b.count else { return false }
        for at in 0..<a.count where lowercased(a[at]) != lowercased(b[at]) { return false }
        return true
    }

    static func lowercased(_ byte: UInt8) -> UInt8 { byte >= 0x41 && byte <= 0x5A ? byte | 0x20 : byte }

    private static func isAlphanumeric(_ byte: UInt8) -> Bool {
        (byte >= 0x30 && byte <= 0x39) || (byte >= 0x41 && byte <= 0x5A) || (byte >= 0x61 && byte <= 0x7A)
    }
}
