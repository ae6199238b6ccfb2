import CFarm
import FarmTestSupport
import Testing

@testable import FarmCore

/// The condition of every farm of up to three members, against the definitions of the contract's list of terms.
@Suite struct ConditionTests {
    struct Kind: CaseIterable {
        var admin: Admin
        var up: Bool
        var room: Room
        enum Room: CaseIterable { case unlimited, below, at, above }

        static let allCases: [Kind] = [Admin.on, .drain, .off].flatMap { admin in
            [true, false].flatMap { up in Room.allCases.map { Kind(admin: admin, up: up, room: $0) } }
        }

        func write(_ row: MemberRow) {
            row.publish(MemberState(word: 0).with(admin: admin).with(downByFailures: !up))
            switch room {
            case .unlimited: (row.pointee.max_inflight, row.pointee.inflight) = (0, 1_000_000)
            case .below: (row.pointee.max_inflight, row.pointee.inflight) = (5, 4)
            case .at: (row.pointee.max_inflight, row.pointee.inflight) = (5, 5)
            case .above: (row.pointee.max_inflight, row.pointee.inflight) = (5, 6)
            }
        }
    }

    /// "available: admin is on, health is up"; "ok: some member is available", where one at its limit will not do;
    /// "full: some are, but each is at its maxinflight"; "offline: none is, and every member is off or draining";
    /// "down: none is, for any other reason".
    static func model(_ farm: [Kind]) -> Condition {
        let available = farm.filter { $0.admin == .on && $0.up }
        if available.contains(where: { $0.room == .unlimited || $0.room == .below }) { return .ok }
        if !available.isEmpty { return .full }
        return !farm.isEmpty && farm.allSatisfy { $0.admin != .on } ? .offline : .down
    }

    @Test(arguments: 0...3) func everyFarm(of count: Int) {
        let rows = Rows(count: count)
        var wrong: [[Kind]] = []
        var seen: Set<Condition> = []
        var farms: [[Kind]] = [[]]
        for _ in 0..<count { farms = farms.flatMap { farm in Kind.allCases.map { farm + [$0] } } }
        for farm in farms {
            for (at, kind) in farm.enumerated() { kind.write(rows[at]) }
            let condition = Condition.of(UnsafeBufferPointer(rows.members))
            seen.insert(condition)
            if condition != Self.model(farm) { wrong.append(farm) }
        }
        #expect(wrong.isEmpty)
        #expect(seen == (count == 0 ? [.down] : [.ok, .full, .offline, .down]))
    }

    @Test func rawValuesAreTheInterfaces() {
        #expect([Condition.ok, .full, .offline, .down].map(\.rawValue) == [0, 1, 2, 3])
        #expect([Condition.ok, .full, .offline, .down].map { "\($0.name)" } == ["ok", "full", "offline", "down"])
    }

    /// A repair may take a count below zero for a moment; that is not a full member.
    @Test func aCountBelowZeroIsRoom() {
        let rows = Rows(count: 1)
        rows[0].pointee.max_inflight = 1
        rows[0].pointee.inflight = UInt32(bitPattern: -1)
        #expect(Condition.of(UnsafeBufferPointer(rows.members)) == .ok)
    }
}
