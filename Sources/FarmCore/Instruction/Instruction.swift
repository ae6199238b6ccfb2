/// By what a backend steers later requests of a client: what stands in the payload of an instruction cookie. Names are parts
/// of the payload that was read.
public struct Instruction {
    public typealias Bytes = UnsafeBufferPointer<UInt8>

    /// The farm that the request was addressed to; nil: any (`*`).
    public private(set) var farm: Bytes?
    /// The farm to use instead.
    public private(set) var to: Bytes?
    /// The member of the resulting farm to use.
    public private(set) var member: Bytes?
    /// Never another member.
    public private(set) var isStrict = false
    /// Unix time in seconds; good until the end of that second.
    public private(set) var expires: UInt64 = 0
    /// The address of the client that it is good for.
    public private(set) var client: Bytes?

    /// The longest payload, in bytes.
    public static let longest = 512

    /// Reads a payload, which is decoded in place; nil when it is malformed. Fields may stand in any order, each once.
    public static func read(_ payload: UnsafeMutableBufferPointer<UInt8>) -> Instruction? {
        var instruction = Instruction()
        var seen = 0
        var reader = FormReader(payload)
        while true {
            switch reader.next() {
            case .badEscape:
                return nil
            case .pair(let name, let value, let hasEquals):
                guard hasEquals, let field = Field(name), seen & field.rawValue == 0, instruction.set(field, value)
                else {
                    return nil
                }
                seen |= field.rawValue
            case .end:
                let needed = Field.farm.rawValue | Field.exp.rawValue
                return seen & needed == needed ? instruction : nil
            }
        }
    }

    private enum Field: Int {
        case farm = 1
        case to = 2
        case member = 4
        case mode = 8
        case exp = 16
        case ip = 32

        init?(_ name: Bytes) {
            if Names.isWord(name, "farm") {
                self = .farm
            } else if Names.isWord(name, "to") {
                self = .to
            } else if Names.isWord(name, "member") {
                self = .member
            } else if Names.isWord(name, "mode") {
                self = .mode
            } else if Names.isWord(name, "exp") {
                self = .exp
            } else if Names.isWord(name, "ip") {
                self = .ip
            } else {
                return nil
            }
        }
    }

    private mutating func set(_ field: Field, _ value: Bytes) -> Bool {
        switch field {
        case .farm:
            if Names.isWord(value, "*") { return true }
            farm = value
            return Names.isFarm(value)
        case .to:
            to = value
            return Names.isFarm(value)
        case .member:
            member = value
            return Names.isMember(value)
        case .mode:
            isStrict = Names.isWord(value, "strict")
            return isStrict || Names.isWord(value, "safe")
        case .exp:
            // Seconds: what is longer was written in milliseconds.
            guard !value.isEmpty, value.count <= 12 else { return false }
            for byte in value {
                guard byte >= 0x30 && byte <= 0x39 else { return false }
                expires = expires * 10 + UInt64(byte - 0x30)
            }
            return true
        case .ip:
            client = value
            return !value.isEmpty && value.count <= 45 && value.allSatisfy { Self.isOfAddress($0) }
        }
    }

    private static func isOfAddress(_ byte: UInt8) -> Bool {
        (byte >= 0x30 && byte <= 0x39) || (byte | 0x20 >= 0x61 && byte | 0x20 <= 0x66) || byte == 0x2E || byte == 0x3A
    }
}
