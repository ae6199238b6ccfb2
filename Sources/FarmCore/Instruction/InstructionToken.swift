/// The value of an instruction cookie: `v1.KID.PAYLOAD.MAC`, taken apart. Nothing of it is believed before its MAC is found
/// right.
public struct InstructionToken {
    public typealias Bytes = UnsafeBufferPointer<UInt8>

    /// Names the key.
    public let key: Bytes
    /// What the MAC is over: all before the last dot.
    public let signed: Bytes
    /// base64url.
    public let payload: Bytes
    /// base64url, 43 digits.
    public let mac: Bytes

    /// Bytes of a MAC, HMAC-SHA256 (RFC 2104).
    public static let macCount = 32
    /// The longest value that can be right: version, key, payload, MAC and dots.
    static let longest = 2 + 1 + 16 + 1 + (Instruction.longest * 4 + 2) / 3 + 1 + 43

    /// Nil when it has not that form.
    public init?(_ value: Bytes) {
        guard value.count <= Self.longest, value.count > 3, value[0] == 0x76, value[1] == 0x31, value[2] == 0x2E else {
            return nil
        }
        // The MAC has always as many digits, so its dot has its place; a dot in the payload is no digit of base64url.
        var second = 3
        while second < min(value.count, 20) && value[second] != 0x2E { second += 1 }
        let third = value.count - 44
        guard second > 3, third > second + 1, value[second] == 0x2E, value[third] == 0x2E else { return nil }
        key = Bytes(rebasing: value[3..<second])
        payload = Bytes(rebasing: value[(second + 1)..<third])
        mac = Bytes(rebasing: value[(third + 1)...])
        signed = Bytes(rebasing: value[..<third])
        guard Names.isKey(key), Base64URL.decodedCount(payload.count).map({ $0 <= Instruction.longest }) == true else {
            return nil
        }
    }

    /// The MAC that it has; nil when it is not well formed.
    public func readMAC(into room: UnsafeMutableBufferPointer<UInt8>) -> Bytes? { Base64URL.decode(mac, into: room) }

    /// The bytes of the payload, in `room`; nil when they are not well formed. They mean nothing before the MAC was found
    /// right.
    public func readPayload(into room: UnsafeMutableBufferPointer<UInt8>) -> UnsafeMutableBufferPointer<UInt8>? {
        guard let text = Base64URL.decode(payload, into: room) else { return nil }
        return UnsafeMutableBufferPointer(rebasing: room[..<text.count])
    }
}

extension Names {
    /// Whether `name` may name a key: `[A-Za-z0-9_-]{1,16}`.
    public static func isKey(_ name: UnsafeBufferPointer<UInt8>) -> Bool { name.count <= 16 && isFarm(name) }
}
