/// A farm, or a member of one, as it is written on the command line: `FARM` or `FARM/MEMBER`.
public struct Target: Equatable, Sendable {
    public let farm: String
    public let member: String?

    public init(farm: String, member: String? = nil) {
        self.farm = farm
        self.member = member
    }

    /// Reads `FARM` or `FARM/MEMBER`; throws what is wrong with it.
    public init(parsing text: String) throws {
        let parts = text.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
        guard Grammar.isFarm(parts[0]) else {
            throw Failure(
                .usage,
                "a farm's name has 1 to 63 letters, digits, '_' and '-', not '\(parts[0])'; write FARM or FARM/MEMBER")
        }
        guard parts.count < 2 || Grammar.isMember(parts[1]) else {
            throw Failure(
                .usage, "a member's name has 1 to 63 letters, digits and '_.:-', not '\(parts[1])'; write FARM/MEMBER")
        }
        self.init(farm: parts[0], member: parts.count < 2 ? nil : parts[1])
    }

    /// As it is written.
    public var text: String { member.map { "\(farm)/\($0)" } ?? farm }
}
