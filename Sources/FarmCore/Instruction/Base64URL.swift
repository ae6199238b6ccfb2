/// base64url without padding (RFC 4648, section 5), read strictly: one text for one sequence of bytes.
public enum Base64URL {
    public typealias Bytes = UnsafeBufferPointer<UInt8>

    /// How many bytes so many digits stand for; nil when no bytes have so many.
    static func decodedCount(_ digits: Int) -> Int? { digits % 4 == 1 ? nil : digits / 4 * 3 + max(0, digits % 4 - 1) }

    /// Decodes into `room`, which is large enough; nil when a digit is none of the alphabet's, or bits are left over.
    static func decode(_ text: Bytes, into room: UnsafeMutableBufferPointer<UInt8>) -> Bytes? {
        guard let count = decodedCount(text.count), count <= room.count else { return nil }
        // Values are below 64; what is no digit sets a higher bit, which is looked at once, at the end.
        var strange: UInt32 = 0
        var read = 0
        var written = 0
        while read + 4 <= text.count {
            let (one, two) = (value(text[read]), value(text[read + 1]))
            let (three, four) = (value(text[read + 2]), value(text[read + 3]))
            strange |= one | two | three | four
            let bits = one << 18 | two << 12 | three << 6 | four
            room[written] = UInt8(truncatingIfNeeded: bits >> 16)
            room[written + 1] = UInt8(truncatingIfNeeded: bits >> 8)
            room[written + 2] = UInt8(truncatingIfNeeded: bits)
            read += 4
            written += 3
        }
        if read < text.count {
            var bits: UInt32 = 0
            for place in 0..<3 {
                let digit = read + place < text.count ? value(text[read + place]) : 0
                strange |= digit
                bits = bits << 6 | digit
            }
            // Two digits are one byte, three are two; no bit may be left.
            let bytes = text.count - read - 1
            if bits & (bytes == 1 ? 0x3FF : 3) != 0 { return nil }
            room[written] = UInt8(truncatingIfNeeded: bits >> 10)
            if bytes == 2 { room[written + 1] = UInt8(truncatingIfNeeded: bits >> 2) }
            written += bytes
        }
        return strange < 64 ? Bytes(rebasing: room[..<written]) : nil
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

    /// A digit's value; 64 and more for what is none.
    @inline(__always)
    private static func value(_ byte: UInt8) -> UInt32 {
        UInt32(values.utf8Start[Int(byte & 127)]) | UInt32(byte & 128)
    }

    /// By the byte, 7 bits; `@` (64) for what is no digit.
    private static var values: StaticString {
        """
        \u{40}\u{40}\u{40}\u{40}\u{40}\u{40}\u{40}\u{40}\u{40}\u{40}\u{40}\u{40}\u{40}\u{40}\u{40}\u{40}\
        \u{40}\u{40}\u{40}\u{40}\u{40}\u{40}\u{40}\u{40}\u{40}\u{40}\u{40}\u{40}\u{40}\u{40}\u{40}\u{40}\
        \u{40}\u{40}\u{40}\u{40}\u{40}\u{40}\u{40}\u{40}\u{40}\u{40}\u{40}\u{40}\u{40}\u{3E}\u{40}\u{40}\
        \u{34}\u{35}\u{36}\u{37}\u{38}\u{39}\u{3A}\u{3B}\u{3C}\u{3D}\u{40}\u{40}\u{40}\u{40}\u{40}\u{40}\
        \u{40}\u{0}\u{1}\u{2}\u{3}\u{4}\u{5}\u{6}\u{7}\u{8}\u{9}\u{A}\u{B}\u{C}\u{D}\u{E}\
        \u{F}\u{10}\u{11}\u{12}\u{13}\u{14}\u{15}\u{16}\u{17}\u{18}\u{19}\u{40}\u{40}\u{40}\u{40}\u{3F}\
        \u{40}\u{1A}\u{1B}\u{1C}\u{1D}\u{1E}\u{1F}\u{20}\u{21}\u{22}\u{23}\u{24}\u{25}\u{26}\u{27}\u{28}\
        \u{29}\u{2A}\u{2B}\u{2C}\u{2D}\u{2E}\u{2F}\u{30}\u{31}\u{32}\u{33}\u{40}\u{40}\u{40}\u{40}\u{40}
        """
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
