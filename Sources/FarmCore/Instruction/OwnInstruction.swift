/// The payload of the cookie by which the module itself ties a client to a member: `farm=app&mode=safe&member=app1&exp=…`.
///
/// The count of clients that are tied to a member counts different instructions, so each must be one of its own, and the
/// format has no field for that. Which letters of words and names stand as `%XX` is therefore drawn: to who reads the form it
/// is the same text.
public enum OwnInstruction {
    public typealias Bytes = UnsafeBufferPointer<UInt8>

    /// The longest payload: two names of 63 letters and the words of the form, each letter as three bytes, and the rest.
    public static let longest = 3 * (2 * 63 + 4 + 17) + 24

    /// Whether a payload, as it is signed and before anything of it is decoded, is one that `write` has made: its fields stand
    /// in that order, and some letter of the form's own words as `%XX`, which no backend writes so. One in two million
    /// payloads of `write` has no such letter, and counts as a backend's.
    public static func isOne(_ payload: Bytes) -> Bool {
        var at = 0
        var escaped = 0
        func word(_ text: StaticString) -> Bool {
            for place in 0..<text.utf8CodeUnitCount {
                let letter = text.utf8Start[place]
                if at < payload.count && payload[at] == letter {
                    at += 1
                } else if at + 2 < payload.count && payload[at] == 0x25 && payload[at + 1] == digit(letter >> 4)
                    && payload[at + 2] == digit(letter & 15)
                {
                    at += 3
                    escaped += 1
                } else {
                    return false
                }
            }
            return true
        }
        func mark(_ byte: UInt8) -> Bool {
            guard at < payload.count, payload[at] == byte else { return false }
            at += 1
            return true
        }
        func value() {
            while at < payload.count && payload[at] != 0x26 { at += 1 }
        }
        guard word("farm"), mark(0x3D) else { return false }
        value()
        guard mark(0x26), word("member"), mark(0x3D) else { return false }
        value()
        guard mark(0x26), word("mode"), mark(0x3D), word("safe"), mark(0x26), word("exp"), mark(0x3D) else {
            return false
        }
        value()
        return escaped > 0 && at == payload.count
    }

    private static func digit(_ value: UInt8) -> UInt8 { value < 10 ? 0x30 + value : 0x37 + value }

    /// Hands the bytes of the payload on, one after the other. `bits` are random.
    /// Without a farm it is good for requests that are addressed to any.
    public static func write(farm: Bytes?, member: Bytes, expires: UInt64, bits: UInt64, _ byte: (UInt8) -> Void) {
        var left = bits
        func varied(_ name: UInt8) {
            defer { left = left >> 1 | left << 63 }
            guard left & 1 != 0 else { return byte(name) }
            byte(0x25)
            byte(digit(name >> 4))
            byte(digit(name & 15))
        }
        func word(_ text: StaticString) {
            for at in 0..<text.utf8CodeUnitCount { varied(text.utf8Start[at]) }
        }
        func number(_ value: UInt64) {
            if value >= 10 { number(value / 10) }
            byte(0x30 + UInt8(value % 10))
        }
        word("farm")
        byte(0x3D)
        if let farm {
            for letter in farm { varied(letter) }
        } else {
            byte(0x2A)
        }
        byte(0x26)
        word("member")
        byte(0x3D)
        for letter in member { varied(letter) }
        byte(0x26)
        word("mode")
        byte(0x3D)
        word("safe")
        byte(0x26)
        word("exp")
        byte(0x3D)
        // Twelve digits may be written, of which ten are needed for long.
        for _ in 0..<(left % 3) { byte(0x30) }
        number(expires)
    }
}
