import CFarm
import FarmTestSupport
import Testing

@testable import FarmCore

/// `FarmSet panic=`: "while fewer than that part of the members not administratively off or draining are available, all of
/// that part below their maxinflight are used and the condition is ok".
@Suite struct AdmissionTests {
    private static let percentages: [UInt32] = [0, 1, 10, 20, 25, 33, 34, 50, 51, 66, 67, 75, 80, 99, 100]

    /// All that requests which fail everywhere come to, one after the other.
    private func served(_ test: TestFarm, now: UInt64 = 1_000) -> Set<Int> {
        var tried: [UInt32] = []
        while let choice = test.choose(tried: tried, now: now) {
            test.giveBack(choice)
            tried.append(UInt32(choice.index))
        }
        return Set(tried.map { Int($0) })
    }

    private func make(_ algorithm: Algorithm, _ count: Int, panic: UInt32, down: Int = 0) -> TestFarm {
        let test = TestFarm(algorithm, weights: [UInt32](repeating: 1, count: count), panic: panic)
        for at in 0..<down {
            test.setState(at, admin: .on, down: true)
            test.rows[at].pointee.retry_at = .max
        }
        return test
    }

    /// Every percentage of farms of one to six members, of which none to all are down.
    @Test(arguments: Algorithm.allCases) func theBoundary(_ algorithm: Algorithm) {
        var wrong: [String] = []
        for percent in Self.percentages {
            for count in 1...6 {
                for down in 0...count {
                    let test = make(algorithm, count, panic: percent, down: down)
                    // In whole numbers: of `count` members, at least so many must be available.
                    let isPanic = Double(count - down) / Double(count) < Double(percent) / 100 - 1e-12
                    let expected = isPanic ? Set(0..<count) : Set(down..<count)
                    let seen = served(test)
                    if seen != expected { wrong.append("\(percent) %, \(down) of \(count): \(seen)") }
                    let condition = test.farm.condition(now: 1_000)
                    if condition != (isPanic || down < count ? .ok : .down) {
                        wrong.append("\(percent) %, \(down) of \(count): \(condition)")
                    }
                }
            }
        }
        #expect(wrong.isEmpty, "\(wrong.prefix(5))")
    }

    /// Who is taken out is neither counted nor used.
    @Test(arguments: [Admin.drain, .off]) func whoIsTakenOutIsNotOfThem(_ admin: Admin) {
        let test = make(.random, 4, panic: 50, down: 1)
        test.setState(2, admin: admin)
        test.setState(3, admin: admin, down: true)
        // One of two is available: not fewer than half.
        #expect(served(test) == [1])
        test.setState(1, admin: .on, down: true)
        test.rows[1].pointee.retry_at = .max
        #expect(served(test) == [0, 1], "none of two")
        for at in 0..<2 { test.setState(at, admin: admin) }
        #expect(served(test).isEmpty)
        #expect(test.farm.condition(now: 1_000) == .offline)
    }

    @Test(arguments: [Admin.drain, .off]) func aFarmThatIsTakenOutServesNobodyInPanic(_ admin: Admin) {
        let test = make(.random, 2, panic: 100, down: 2)
        test.rows.farm.pointee.admin = admin.rawValue
        test.farm.changed()
        #expect(served(test).isEmpty)
        #expect(test.farm.condition(now: 1_000) == .offline)
    }

    /// Neither failures, nor a monitor, nor silence keep a member out then; its limit does.
    @Test(arguments: Algorithm.allCases) func whateverKeptThemOut(_ algorithm: Algorithm) {
        let test = TestFarm(
            algorithm, weights: [1, 1, 1, 1, 1], freshness: Freshness(expect: 100, ignores: false), panic: 50)
        for at in 0..<5 { test.rows[at].pointee.updated_us = 950 }
        test.rows[0].publish(MemberState(word: FARM_DOWN_BY_FAILURES))
        test.rows[0].pointee.retry_at = .max
        test.rows[1].publish(MemberState(word: FARM_DOWN_BY_MONITOR))
        test.rows[2].pointee.updated_us = 1
        test.rows[3].publish(MemberState(word: FARM_DOWN_BY_FAILURES | FARM_DOWN_BY_MONITOR))
        test.rows[3].pointee.max_inflight = 2
        test.rows[3].pointee.inflight = 2
        test.farm.changed()
        #expect(served(test) == [0, 1, 2, 4])
        test.rows[2].pointee.updated_us = 950
        test.rows[1].publish(MemberState(word: 0))
        test.farm.changed()
        #expect(served(test) == [1, 2, 4], "three of five are enough")
    }

    /// While another thread makes the next view, the old one is not believed that there still is a panic.
    @Test(arguments: Algorithm.allCases) func anOldPanicIsNotBelieved(_ algorithm: Algorithm) {
        let test = make(algorithm, 4, panic: 60, down: 2)
        #expect(served(test) == [0, 1, 2, 3])
        test.setState(1, admin: .on, down: false)
        test.farm.changed()
        test.farm.rebuilding.pointee = 1
        #expect(served(test) == [1, 2, 3])
        test.setState(1, admin: .on, down: true)
        test.rows[1].pointee.retry_at = .max
        test.farm.changed()
        #expect(served(test) == [0, 1, 2, 3], "and one that has begun is seen by the rows")
        test.farm.rebuilding.pointee = 0
        #expect(served(test) == [0, 1, 2, 3])
    }

    /// Silence alone: a farm whose members all fell silent goes on with all of them.
    @Test func silence() {
        let test = TestFarm(.roundrobin, weights: [1, 1], freshness: Freshness(expect: 100, ignores: false), panic: 50)
        for at in 0..<2 { test.rows[at].pointee.updated_us = 950 }
        #expect(served(test, now: 1_049) == [0, 1])
        #expect(test.farm.condition(now: 1_051) == .ok)
        #expect(served(test, now: 1_051) == [0, 1], "and the view finds out by itself")
        test.rows[0].pointee.updated_us = 1_051
        test.farm.changed()
        #expect(served(test, now: 1_051) == [0])
    }

    @Test(arguments: Algorithm.allCases) func tiersDoNotMatter(_ algorithm: Algorithm) {
        let test = make(algorithm, 4, panic: 60, down: 3)
        for at in 0..<4 { test.rows[at].pointee.tier = UInt32(at) }
        test.farm.changed()
        var seen: Set<Int> = []
        for _ in 0..<400 {
            guard let choice = test.choose(now: 1_000) else { continue }
            seen.insert(choice.index)
            test.giveBack(choice)
        }
        #expect(seen == [0, 1, 2, 3])
    }

    /// All at their limits: in panic as without, "full" is for those that are available, "down" for none.
    @Test(arguments: [(0, Condition.down), (1, .full)]) func allFull(_ available: Int, _ expected: Condition) {
        let test = make(.random, 4, panic: 50, down: 4 - available)
        for at in 0..<4 {
            test.rows[at].pointee.max_inflight = 1
            test.rows[at].pointee.inflight = 1
        }
        test.farm.changed()
        #expect(served(test).isEmpty)
        #expect(test.farm.condition(now: 1_000) == expected)
        test.rows[0].pointee.inflight = 0
        #expect(test.farm.condition(now: 1_000) == .ok)
        #expect(served(test) == [0])
    }

    /// A limit says nothing of whether a member is available: a farm that is busy is in no panic.
    @Test func aFullMemberIsAvailable() {
        let test = make(.random, 2, panic: 100)
        test.rows[0].pointee.max_inflight = 1
        test.rows[0].pointee.inflight = 1
        test.rows[0].pointee.tier = 0
        test.rows[1].pointee.tier = 1
        test.farm.changed()
        #expect(served(test) == [1])
        #expect(!test.farm.admission(now: 1_000).isPanic)
    }

    /// In panic the shares say so, too.
    @Test func shares() {
        let test = make(.random, 4, panic: 50, down: 3)
        var shares = Shares(test.farm, now: 1_000)
        #expect((0..<4).map { shares.share(of: $0) } == [0.25, 0.25, 0.25, 0.25])
        shares.deallocate()
    }
}
