import CFarm

/// What becomes of an instruction cookie. Raw values are those of the counters in shared memory.
public enum InstructionResult: UInt32, CaseIterable {
    case accepted = 0
    case badMAC = 1
    case expired = 2
    case malformed = 3
    case unknownKey = 4
    case unknownTarget = 5
    case otherClient = 6

    /// As the status and the log call it.
    public var name: StaticString {
        switch self {
        case .accepted: "accepted"
        case .badMAC: "bad_mac"
        case .expired: "expired"
        case .malformed: "malformed"
        case .unknownKey: "unknown_key"
        case .unknownTarget: "unknown_target"
        case .otherClient: "other_client"
        }
    }
}
