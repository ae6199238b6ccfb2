/// The payload of the cookie by which the module itself ties a client to a member: `farm=app&mode=safe&member=app1&exp=…`.
///
/// The count of clients that are tied to a member counts different instructions, so each must be one of its own, and the
/// format has no field for that. Which letters of words and names stand as `%XX` is therefore drawn: to who reads the form it
/// is the same text.
public enum OwnInstruction {
    public typealias Bytes = UnsafeBufferPointer<UInt8>

    /// The longest payload: two names of 63 letters and the words of the form, each letter as three bytes, and the rest.
    public static let longest = 3 * (2 * 63 + 4 + 17) + 24

    /// Hands the bytes of the payload on, one after the other. `bits` are random.
    public static func write(farm: Bytes, member: Bytes, expires: UInt64, bits: UInt64, _ byte: (UInt8) -> Void) {
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
        func digit(_ value: UInt8) -> UInt8 { value < 10 ? 0x30 + value : 0x37 + value }
        func number(_ value: UInt64) {
            if value >= 10 { number(value / 10) }
            byte(0x30 + UInt8(value % 10))
        }
        word("farm")
        byte(0x3D)
        for letter in farm { varied(letter) }
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
