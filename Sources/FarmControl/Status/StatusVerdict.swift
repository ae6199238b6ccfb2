/// What a monitor has to be told of a status: one line and an exit status, as monitoring plugins do.
public struct StatusVerdict: Equatable, Sendable {
    public let status: ExitStatus
    public let line: String

    /// Critical where a farm's condition is not ok, a warning where a member is not available. Of a single member: critical
    /// when it is not available. Throws when there is no such farm or member.
    public init(_ status: FarmsStatus, of target: Target? = nil) throws {
        let shown = try target.map { try status.find($0) }
        if let (farm, one) = shown, let member = one {
            let text =
                "\(farm.name)/\(member.name) admin \(member.admin.state), health \(member.health), fresh \(member.fresh)"
            self.status = farm.condition != "ok" ? .critical : member.isAvailable ? .done : .no
            line = Self.word(self.status) + ": " + text
            return
        }
        let farms = shown.map { [$0.0] } ?? status.farms
        let bad = farms.filter { $0.condition != "ok" }.map { "\($0.name) is \($0.condition)" }
        let missing = farms.flatMap { farm in
            farm.members.filter { !$0.isAvailable }.map { "\(farm.name)/\($0.name) (\(Self.why($0)))" }
        }
        self.status = !bad.isEmpty ? .critical : missing.isEmpty ? .done : .no
        let members = farms.map(\.members.count).reduce(0, +)
        var says = bad
        if !missing.isEmpty { says.append("not available: " + missing.joined(separator: ", ")) }
        if says.isEmpty {
            says.append("\(Figures.many(farms.count, "farm")), \(Figures.many(members, "member")), all available")
        }
        line = PrintableText.line(Self.word(self.status) + ": " + says.joined(separator: "; "))
    }

    /// Of a server that does not say.
    init(unknown failure: Failure) {
        status = .unknown
        line = Self.word(.unknown) + ": " + failure.message
    }

    private static func word(_ status: ExitStatus) -> String {
        switch status {
        case .done: "OK"
        case .no: "WARNING"
        case .unknown: "UNKNOWN"
        default: "CRITICAL"
        }
    }

    private static func why(_ member: MemberStatus) -> String {
        if member.admin.state != "on" { return "admin \(member.admin.state)" }
        if member.health != "up" { return "health \(member.health)" }
        return member.fresh == "in" ? "farm" : "fresh \(member.fresh)"
    }
}
