import CFarm
import FarmTestSupport
import Testing

@testable import FarmCore

/// What a member and its farm are, in every state that they can be in together, against a model that knows nothing but the
/// contract's words: administratively on, draining or off; up, or down by failures or by a monitor; in or out; its tier; its
/// room. Each row of the table is a farm.
///
/// Of one and of two members every farm there is; of three, each state of each member together with each state of each
/// other member (a Latin square), which is what two members can do to a third.
@Suite struct TruthTableTests {
    struct Kind: CaseIterable, Hashable, CustomStringConvertible {
        var admin: Admin
        var health: Health
        var isIn: Bool
        var tier: UInt32
        var room: Room

        enum Health: CaseIterable { case up, downByFailures, downByMonitor }
        enum Room: CaseIterable { case unlimited, full, some }

        static let allCases: [Kind] = [Admin.on, .drain, .off].flatMap { admin in
            Health.allCases.flatMap { health in
                [true, false].flatMap { isIn in
                    [UInt32(0), 1].flatMap { tier in
                        Room.allCases.map { Kind(admin: admin, health: health, isIn: isIn, tier: tier, room: $0) }
                    }
                }
            }
        }

        var description: String { "\(admin.name) \(health) \(isIn ? "in" : "out") tier \(tier) \(room)" }

        var hasRoom: Bool { room != .full }
        /// "available: admin is on, health is up and fresh is in", of a farm that is on.
        var isAvailable: Bool { admin == .on && health == .up && isIn }
        /// "drain: only requests already tied to it".
        var servesTied: Bool { admin != .off && health == .up && isIn && hasRoom }
        var inflight: UInt32 { room == .unlimited ? 7 : room == .full ? 5 : 4 }

        func write(_ row: MemberRow) {
            row.publish(
                MemberState(word: 0).with(admin: admin).with(downByFailures: health == .downByFailures)
                    .with(downByMonitor: health == .downByMonitor))
            row.pointee.retry_at = .max
            row.pointee.updated_us = isIn ? TruthTableTests.now - 10 : 1
            row.pointee.tier = tier
            row.pointee.max_inflight = room == .unlimited ? 0 : 5
            row.pointee.inflight = inflight
        }
    }

    static let now: UInt64 = 100_000
    private static let expect: UInt64 = 1_000

    // MARK: The contract's words

    static func condition(_ farm: [Kind], _ admin: Admin) -> Condition {
        guard admin == .on else { return .offline }
        let available = farm.filter(\.isAvailable)
        if !available.isEmpty { return available.allSatisfy { !$0.hasRoom } ? .full : .ok }
        return !farm.isEmpty && farm.allSatisfy { $0.admin != .on } ? .offline : .down
    }

    /// "a higher tier serves only while no lower one has an available member below its maxinflight".
    static func mayServe(_ farm: [Kind], _ admin: Admin, tried: [Int] = []) -> Set<Int> {
        guard admin == .on else { return [] }
        let willDo = farm.indices.filter { farm[$0].isAvailable && farm[$0].hasRoom && !tried.contains($0) }
        let tier = willDo.map { farm[$0].tier }.min()
        return Set(willDo.filter { farm[$0].tier == tier })
    }

    // MARK: The table

    static func farms(of count: Int) -> [[Kind]] {
        let kinds = Kind.allCases
        switch count {
        case 0: return [[]]
        case 1: return kinds.map { [$0] }
        case 2: return kinds.flatMap { one in kinds.map { [one, $0] } }
        default:
            return kinds.indices.flatMap { one in
                kinds.indices.map { [kinds[one], kinds[$0], kinds[(one + $0) % kinds.count]] }
            }
        }
    }

    /// What is wrong, row by row; the first few of it, for a message.
    private struct Faults {
        var count = 0
        var first: [String] = []
        mutating func add(_ row: [Kind], _ admin: Admin, _ what: String) {
            count += 1
            if first.count < 3 { first.append("farm \(admin.name) of \(row): \(what)") }
        }
    }

    private static func test(_ algorithm: Algorithm, _ count: Int) -> TestFarm {
        TestFarm(
            algorithm, weights: [UInt32](repeating: 1, count: count),
            freshness: Freshness(expect: expect, ignores: false))
    }

    private static func write(_ row: [Kind], _ admin: Admin, to test: TestFarm) {
        for (at, kind) in row.enumerated() { kind.write(test.rows[at]) }
        test.rows.farm.pointee.admin = admin.rawValue
        test.rows.farm.pointee.inflight = row.reduce(0) { $0 + $1.inflight }
        test.farm.changed()
    }

    /// Every farm of up to two members as a whole is on, draining and off; of three, each state takes its turn.
    private static func admins(_ count: Int, _ at: Int) -> [Admin] {
        let all = [Admin.on, .drain, .off]
        return count < 3 ? all : [at % 4 == 0 ? all[1 + at / 4 % 2] : .on]
    }

    @Test(arguments: 0...3) func conditionAndAvailability(ofFarmsOf count: Int) {
        let test = Self.test(.adaptive, count)
        var faults = Faults()
        var seen: Set<Condition> = []
        for (at, row) in Self.farms(of: count).enumerated() {
            for admin in Self.admins(count, at) {
                Self.write(row, admin, to: test)
                let condition = test.farm.condition(now: Self.now)
                let expected = Self.condition(row, admin)
                seen.insert(expected)
                if condition != expected { faults.add(row, admin, "\(condition), not \(expected)") }
                for (at, kind) in row.enumerated() {
                    let isAvailable = test.farm.isAvailable(test.rows[at], now: Self.now)
                    if isAvailable != (admin == .on && kind.isAvailable) {
                        faults.add(row, admin, "member \(at) is available: \(isAvailable)")
                    }
                }
            }
        }
        #expect(faults.count == 0, "\(faults.first)")
        #expect(seen == (count == 0 ? [.down, .offline] : [.ok, .full, .offline, .down]))
    }

    /// A request that fails at one member after the other: each is one that may serve it, until there is none.
    @Test(arguments: Algorithm.allCases, 0...3) func whoServes(_ algorithm: Algorithm, ofFarmsOf count: Int) {
        let test = Self.test(algorithm, count)
        var faults = Faults()
        for (at, row) in Self.farms(of: count).enumerated() {
            for admin in Self.admins(count, at) {
                Self.write(row, admin, to: test)
                var tried: [Int] = []
                while tried.count <= count {
                    let mayServe = Self.mayServe(row, admin, tried: tried)
                    guard let choice = test.choose(tried: tried.map { UInt32($0) }, now: Self.now) else {
                        if !mayServe.isEmpty { faults.add(row, admin, "nobody after \(tried), not \(mayServe)") }
                        break
                    }
                    test.giveBack(choice)
                    if !mayServe.contains(choice.index) || choice.isTied || choice.isTrial {
                        faults.add(row, admin, "\(choice) after \(tried), not \(mayServe)")
                        break
                    }
                    tried.append(choice.index)
                }
            }
        }
        #expect(faults.count == 0, "\(faults.first)")
    }

    /// Requests that are tied to a member: it serves them while it is on or draining, works and has room; so it does while
    /// the farm drains. Otherwise they are balanced as if they named nobody.
    @Test(arguments: Algorithm.allCases, 1...3) func whoServesTheTied(_ algorithm: Algorithm, ofFarmsOf count: Int) {
        let test = Self.test(algorithm, count)
        var faults = Faults()
        for (at, row) in Self.farms(of: count).enumerated() {
            for admin in Self.admins(count, at) {
                Self.write(row, admin, to: test)
                let named = at % count
                let isServed = admin != .off && row[named].servesTied
                let choice = test.choose(named: named, now: Self.now)
                let mayServe = isServed ? [named] : Self.mayServe(row, admin)
                if let choice {
                    test.giveBack(choice)
                    if !mayServe.contains(choice.index) || choice.isTied != isServed || choice.isTrial {
                        faults.add(row, admin, "\(choice) for \(named), not \(mayServe)")
                    }
                } else if !mayServe.isEmpty {
                    faults.add(row, admin, "nobody for \(named), not \(mayServe)")
                }
            }
        }
        #expect(faults.count == 0, "\(faults.first)")
    }

    /// Who may not serve gets nothing, and those who may get everything between them.
    @Test(arguments: Algorithm.allCases, 1...3) func shares(_ algorithm: Algorithm, ofFarmsOf count: Int) {
        let test = Self.test(algorithm, count)
        var faults = Faults()
        for (at, row) in Self.farms(of: count).enumerated() {
            for admin in Self.admins(count, at) {
                Self.write(row, admin, to: test)
                let mayServe = Self.mayServe(row, admin)
                var shares = Shares(test.farm, now: Self.now)
                let all = row.indices.map { shares.share(of: $0) }
                shares.deallocate()
                if !row.indices.allSatisfy({ mayServe.contains($0) || all[$0] == 0 }) {
                    faults.add(row, admin, "shares \(all), but only \(mayServe) may serve")
                }
                let sum = all.reduce(0, +)
                if (sum - (mayServe.isEmpty ? 0 : 1)).magnitude > 1e-9 { faults.add(row, admin, "shares \(all)") }
            }
        }
        #expect(faults.count == 0, "\(faults.first)")
    }

    /// "with ignore it stays in": then age takes nobody out.
    @Test(arguments: Algorithm.allCases) func nobodyIsOutWhereAgeIsIgnored(_ algorithm: Algorithm) {
        let test = TestFarm(algorithm, weights: [1], freshness: Freshness(expect: Self.expect, ignores: true))
        for kind in Kind.allCases {
            Self.write([kind], .on, to: test)
            var fresh = kind
            fresh.isIn = true
            #expect(test.farm.condition(now: Self.now) == Self.condition([fresh], .on), "\(kind)")
            let choice = test.choose(now: Self.now)
            #expect((choice != nil) == (fresh.isAvailable && fresh.hasRoom), "\(kind)")
            if let choice { test.giveBack(choice) }
        }
    }

    /// The table is as large as it says: every pair of states of every two members is in it.
    @Test func everyPairIsThere() {
        #expect(Kind.allCases.count == 108)
        let three = Self.farms(of: 3)
        for (one, other) in [(0, 1), (0, 2), (1, 2)] {
            #expect(Set(three.map { [$0[one], $0[other]] }).count == 108 * 108)
        }
    }
}
