/// The status as a table for people.
public struct StatusTable: Sendable {
    /// What members are sorted by.
    public enum Order: String, CaseIterable, Sendable {
        case name, inflight, load, p99, errors, share
    }

    private let status: FarmsStatus
    private let target: Target?
    private let order: Order?

    /// Of what `target` names; nil: of everything. Without an order members stand as in the configuration.
    public init(_ status: FarmsStatus, of target: Target? = nil, order: Order? = nil) {
        self.status = status
        self.target = target
        self.order = order
    }

    /// Throws when there is no such farm or member.
    public func lines(_ screen: Screen) throws -> [String] {
        let shown = try target.map { try status.find($0) }
        let farms = shown.map { [$0.0] } ?? status.farms
        guard !farms.isEmpty else { return ["no farm is configured"] }
        // One table, so that columns stand below each other in all farms.
        var lines: [String] = []
        for (at, farm) in farms.enumerated() {
            if at > 0 { lines.append("") }
            lines += head(farm, screen)
            var members = farm.members
            if let one = shown?.1 { members = [one] }
            guard !members.isEmpty else {
                lines.append("  no members")
                continue
            }
            lines += table(sorted(members)).lines(screen)
        }
        return lines
    }

    private func head(_ farm: FarmStatus, _ screen: Screen) -> [String] {
        let isGood = farm.condition == "ok"
        let rest = [
            farm.algorithm, "\(Figures.count(farm.available)) of \(farm.members.count) available",
            "\(Figures.number(farm.requestsPerSecond)) req/s", "\(Figures.count(farm.failovers)) failovers",
        ]
        let name = PrintableText.line(farm.name)
        let condition = PrintableText.line(farm.condition)
        let tail = "  " + rest.map(PrintableText.line).joined(separator: "  ")
        let room = screen.width.map { max(0, $0 - name.count - 2 - condition.count) } ?? tail.count
        var lines = [
            Paint.bold.on(name, screen.colour) + "  " + (isGood ? Paint.good : .bad).on(condition, screen.colour)
                + PrintableText.cut(tail, to: room)
        ]
        if farm.admin.state != "on" {
            let note = "the farm is " + AdminNoteText.text(farm.admin, now: status.now)
            lines += Table.wrapped(PrintableText.line(note), screen.width.map { max(10, $0 - 2) }).map {
                "  " + Paint.warning.on($0, screen.colour)
            }
        }
        return lines
    }

    private func table(_ members: [MemberStatus]) -> Table {
        var table = Table([
            .init("MEMBER", isRight: false, shortest: 10), .init("ADMIN", isRight: false),
            .init("HEALTH", isRight: false),
            .init("FRESH", isRight: false), .init("SHARE", sacrifice: 1), .init("REQ/S", sacrifice: 4),
            .init("INFLIGHT", sacrifice: 2), .init("LOAD", sacrifice: 5), .init("P50", sacrifice: 7),
            .init("P99", sacrifice: 3), .init("ERRORS", sacrifice: 6), .init("UPDATE", sacrifice: 8),
        ])
        table.rows = members.map { member in
            Table.Row(
                [
                    .init(member.name), .init(member.admin.state, member.admin.state == "on" ? .plain : .warning),
                    .init(member.health, member.health == "up" ? .good : .bad),
                    .init(member.fresh, member.fresh == "in" ? .plain : .warning), .init(Figures.percent(member.share)),
                    .init(Figures.number(member.requestsPerSecond)), .init(Figures.count(member.inflight)),
                    .init(Figures.number(member.load)), .init(Figures.milliseconds(member.p50)),
                    .init(Figures.milliseconds(member.p99)), .init(Figures.count(member.errors)),
                    .init(Figures.age(member.age)),
                ], notes: AdminNoteText.notes(member, now: status.now).map { .init($0, .dim) })
        }
        return table
    }

    /// Numbers from the largest, names from the first; what is unknown comes last.
    private func sorted(_ members: [MemberStatus]) -> [MemberStatus] {
        func key(_ member: MemberStatus) -> Double {
            switch order {
            case .inflight: member.inflight.map(Double.init) ?? -1
            case .load: member.load ?? -.infinity
            case .p99: member.p99 ?? -1
            case .errors: member.errors.map(Double.init) ?? -1
            case .share: member.share ?? -1
            case .name, nil: 0
            }
        }
        guard let order else { return members }
        return members.enumerated().sorted { one, other in
            if order == .name { return one.element.name < other.element.name }
            let (a, b) = (key(one.element), key(other.element))
            return a == b ? one.offset < other.offset : a > b
        }.map(\.element)
    }
}
