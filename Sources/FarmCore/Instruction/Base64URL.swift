/// base64url without padding (RFC 4648, section 5), read strictly: one text for one sequence of bytes.
public enum Base64URL {
    public typealias Bytes = UnsafeBufferPointer<UInt8>

    /// How many bytes so many digits stand for; nil when no bytes have so many.
    static func decodedCount(_ digits: Int) -> Int? { digits % 4 == 1 ? nil : digits / 4 * 3 + max(0, digits % 4 - 1) }

    /// Decodes into `room`, which is large enough; nil when a digit is none of the alphabet's, or bits are left over.
    static func decode(_ text: Bytes, into room: UnsafeMutableBufferPointer<UInt8>) -> Bytes? {
        guard let count = decodedCount(text.count), count <= room.count else { return nil }
        var bits: UInt32 = 0
        var held = 0
        var written = 0
        for byte in text {
            guard let digit = value(byte) else { return nil }
            bits = bits << 6 | UInt32(digit)
            held += 6
            if held >= 8 {
                held -= 8
                room[written] = UInt8(truncatingIfNeeded: bits >> UInt32(held))
                written += 1
                bits &= (1 << UInt32(held)) - 1
            }
        }
        return bits == 0 ? Bytes(rebasing: room[..<written]) : nil
    }

    /// Hands the digits of `bytes` to `digit`, one after the other.
    public static func encode(_ bytes: Bytes, _ digit: (UInt8) -> Void) {
        var bits: UInt32 = 0
        var held: UInt32 = 0
        for byte in bytes {
            bits = bits << 8 | UInt32(byte)
            held += 8
            while held >= 6 {
                held -= 6
                digit(self.digit(UInt8(truncatingIfNeeded: bits >> held) & 63))
            }
            bits &= (1 << held) - 1
        }
        if held > 0 { digit(self.digit(UInt8(truncatingIfNeeded: bits << (6 - held)) & 63)) }
    }

    private static func value(_ byte: UInt8) -> UInt8? {
        switch byte {
        case 0x41...0x5A: byte - 0x41
        case 0x61...0x7A: byte - 0x61 + 26
        case 0x30...0x39: byte - 0x30 + 52
        case 0x2D: 62
        case 0x5F: 63
        default: nil
        }
    }

    private static func digit(_ value: UInt8) -> UInt8 {
        switch value {
        case 0..<26: 0x41 + value
        case 26..<52: 0x61 + value - 26
        case 52..<62: 0x30 + value - 52
        case 62: 0x2D
        default: 0x5F
        }
    }
}
