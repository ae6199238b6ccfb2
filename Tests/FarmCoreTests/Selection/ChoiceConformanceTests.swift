import CFarm
import FarmTestSupport
import Testing

@testable import FarmCore

/// What every algorithm owes. A new case of `Algorithm` is tested by being there.
@Suite struct ChoiceConformanceTests {
    /// One member in every state, generated; whatever is chosen must be one that will do, and when one will do, one is
    /// chosen. Tiers: the lowest that has a member that will do.
    @Test(arguments: Algorithm.allCases) func choosesOnlyWhoWillDo(_ algorithm: Algorithm) {
        var numbers = Numbers(77)
        var wrong: [String] = []
        for round in 0..<1_500 {
            let count = Int.random(in: 0...9, using: &numbers)
            let test = TestFarm(
                algorithm, weights: (0..<count).map { _ in UInt32.random(in: 1...9, using: &numbers) },
                seed: UInt64(round))
            var tried: [UInt32] = []
            for at in 0..<count {
                let row = test.rows[at]
                row.pointee.tier = UInt32.random(in: 0...2, using: &numbers)
                test.rows.setState(
                    at, admin: [.on, .on, .on, .drain, .off].randomElement(using: &numbers)!,
                    down: Int.random(in: 0..<5, using: &numbers) == 0)
                row.pointee.retry_at = .max
                row.pointee.max_inflight = UInt32.random(in: 0...2, using: &numbers)
                row.pointee.inflight = UInt32.random(in: 0...2, using: &numbers)
                row.pointee.bytes_in = UInt64.random(in: 0...100_000, using: &numbers)
                row.pointee.latency = numbers.next() & 0x4FFF_FFFF_FFFF_FFFF
                if Int.random(in: 0..<3, using: &numbers) > 0 {
                    row.pointee.load = SharedDouble.word(Double.random(in: -1...9, using: &numbers))
                }
                if Int.random(in: 0..<4, using: &numbers) == 0 && tried.count < 4 { tried.append(UInt32(at)) }
                test.rows.farm.pointee.inflight += row.pointee.inflight
            }
            let willDo = (0..<count).filter { at in
                let row = test.rows[at].pointee
                return row.status == FARM_ADMIN_ON && !tried.contains(UInt32(at))
                    && (row.max_inflight == 0 || row.inflight < row.max_inflight)
            }
            let tier = willDo.map { test.rows[$0].pointee.tier }.min()
            let before = (0..<count).map { test.rows[$0].pointee.inflight }
            // An algorithm that wants a key gets one of its own, a hot one or none.
            let key = [TestFarm.Key.fresh, .hashed(1), .none].randomElement(using: &numbers)!
            let choice = test.choose(tried: tried, key: key, now: 1_000_000)
            if let choice {
                if !willDo.contains(choice.index) || test.rows[choice.index].pointee.tier != tier || choice.isTrial {
                    wrong.append("round \(round): \(choice) of \(willDo)")
                }
            } else if !willDo.isEmpty {
                wrong.append("round \(round): none of \(willDo)")
            }
            // Exactly one place, and only where it was chosen.
            for at in 0..<count {
                let places: UInt32 = at == choice?.index ? 1 : 0
                if test.rows[at].pointee.inflight != before[at] + places
                    || test.rows.inflight(at).ledger != Int32(places)
                {
                    wrong.append("round \(round): places at \(at)")
                }
            }
        }
        #expect(wrong.isEmpty)
    }

    /// The states a member can be in, alone in its farm.
    @Test(arguments: Algorithm.allCases) func aloneAndNotToBeHad(_ algorithm: Algorithm) {
        for admin in [Admin.on, .drain, .off] {
            for down in [false, true] where admin != .on || down {
                let test = TestFarm(algorithm, weights: [1])
                test.rows.setState(0, admin: admin, down: down)
                test.rows[0].pointee.retry_at = .max
                #expect(test.choose(now: 5) == nil)
            }
        }
        let test = TestFarm(algorithm, weights: [1])
        #expect(test.choose(tried: [0]) == nil)
        test.rows[0].pointee.max_inflight = 2
        #expect(test.choose() != nil)
        #expect(test.choose() != nil)
        #expect(test.choose() == nil)
    }

    /// A state that changed after the view was made: the row has the last word.
    @Test(arguments: Algorithm.allCases) func theRowDecidesNotTheView(_ algorithm: Algorithm) {
        let test = TestFarm(algorithm, weights: [1, 1, 1])
        test.giveBack(test.choose()!)
        test.rows.setState(0, admin: .off)
        test.rows.setState(2, admin: .on, down: true)
        for _ in 0..<50 { #expect(test.choose()?.index == 1) }
    }

    /// All but one of many are full: the one is found, though four draws hardly ever name it.
    @Test(arguments: Algorithm.allCases) func findsTheLastPlace(_ algorithm: Algorithm) {
        let test = TestFarm(algorithm, weights: [UInt32](repeating: 1, count: 500))
        for at in 0..<500 {
            test.rows[at].pointee.max_inflight = 1
            test.rows[at].pointee.inflight = at == 321 ? 0 : 1
        }
        #expect(test.choose()?.index == 321)
        #expect(test.choose() == nil)
    }

    @Test(arguments: Algorithm.allCases) func theNextTierOnlyWhenTheLowerIsUsedUp(_ algorithm: Algorithm) {
        let test = TestFarm(algorithm, weights: [1, 1, 1])
        test.rows[0].pointee.tier = 1
        test.rows[1].pointee.tier = 0
        test.rows[2].pointee.tier = 9
        test.rows[1].pointee.max_inflight = 2
        #expect((0..<2).map { _ in test.choose()?.index } == [1, 1])
        #expect((0..<5).map { _ in test.choose()?.index } == [0, 0, 0, 0, 0])
        test.giveBack(Choice(index: 1, isTrial: false))
        #expect(test.choose()?.index == 1, "back as soon as there is room")
        #expect(test.choose(tried: [1, 0])?.index == 2)
        #expect(test.choose(tried: [1, 0, 2]) == nil)
    }

    /// Before a request is refused the rows are asked, tier by tier: here another thread is still at the first view.
    @Test(arguments: Algorithm.allCases) func aMissingViewRefusesNobody(_ algorithm: Algorithm) {
        let test = TestFarm(algorithm, weights: [1, 1, 1, 1])
        for (at, tier) in ([2, 1, 0, 1] as [UInt32]).enumerated() { test.rows[at].pointee.tier = tier }
        test.rows.setState(2, admin: .off)
        test.rows[3].pointee.max_inflight = 1
        test.rows[3].pointee.inflight = 1
        test.farm.rebuilding.pointee = 1
        for _ in 0..<20 { #expect(test.choose()?.index == 1) }
        #expect(test.choose(tried: [1])?.index == 0)
        #expect(test.choose(tried: [1, 0]) == nil)
        #expect(test.rows.inflight(1) == (20, 20))
    }

    /// And here a member has come back that the view does not know yet.
    @Test(arguments: Algorithm.allCases) func aMemberThatIsBackIsUsedAtOnce(_ algorithm: Algorithm) {
        let test = TestFarm(algorithm, weights: [1, 1])
        for at in 0..<2 { test.rows.setState(at, admin: .off) }
        #expect(test.choose() == nil)
        test.rows.setState(1, admin: .on)
        #expect(test.choose()?.index == 1)
    }

    // MARK: Trials

    private func farmWithOneDue(_ algorithm: Algorithm, others: Int) -> TestFarm {
        let test = TestFarm(algorithm, weights: [UInt32](repeating: 1, count: others + 1), retry: 1_000)
        test.rows.setState(0, admin: .on, down: true)
        test.rows[0].pointee.retry_at = 1_000
        return test
    }

    @Test(arguments: Algorithm.allCases) func noTrialBeforeItsTime(_ algorithm: Algorithm) {
        let test = farmWithOneDue(algorithm, others: 2)
        for _ in 0..<20 { #expect(test.choose(now: 999)?.isTrial == false) }
    }

    @Test(arguments: Algorithm.allCases) func oneRequestTriesAMemberThatIsDue(_ algorithm: Algorithm) {
        let test = farmWithOneDue(algorithm, others: 2)
        #expect(test.choose(now: 1_000) == Choice(index: 0, isTrial: true))
        #expect(test.rows.inflight(0) == (1, 1))
        for _ in 0..<20 { #expect(test.choose(now: 1_001)!.index != 0) }
        for _ in 0..<20 { #expect(test.choose(now: 1_999)!.index != 0) }
        #expect(test.choose(now: 2_000) == Choice(index: 0, isTrial: true), "the trial is over after retry")
    }

    /// "by a request that may be repeated when `retry` has passed, by any other when 2 × `retry` has"
    @Test(arguments: Algorithm.allCases) func whatMayNotBeRepeatedTriesLater(_ algorithm: Algorithm) {
        let test = farmWithOneDue(algorithm, others: 2)
        for now: UInt64 in [1_000, 1_999] {
            for _ in 0..<20 { #expect(test.choose(trials: .whenOverdue, now: now)!.index != 0) }
        }
        #expect(test.choose(trials: .whenOverdue, now: 2_000) == Choice(index: 0, isTrial: true))
        for _ in 0..<20 { #expect(test.choose(trials: .whenOverdue, now: 2_000)!.index != 0) }
    }

    /// "while nobody is available, by any request"
    @Test(arguments: Algorithm.allCases) func withNobodyAvailableAnyRequestTries(_ algorithm: Algorithm) {
        let test = farmWithOneDue(algorithm, others: 2)
        test.setState(1, admin: .off)
        test.setState(2, admin: .off)
        #expect(test.choose(trials: .whenOverdue, now: 999) == nil)
        #expect(test.choose(trials: .whenOverdue, now: 1_000) == Choice(index: 0, isTrial: true))
    }

    /// "each such member at most once in `recover` and never while another trial of it has not yet connected"
    @Test(arguments: Algorithm.allCases, [Wish.Trials.whenOverdue, .whenDue])
    func withNobodyAvailableEachIsTriedAfterRecover(_ algorithm: Algorithm, _ trials: Wish.Trials) throws {
        let test = TestFarm(algorithm, weights: [1, 1, 1], retry: 10_000_000, recover: 1_000)
        for at in 0..<3 {
            test.rows.setState(at, admin: .on, down: true)
            test.rows[at].pointee.tried_at = 5_000 << 2
            test.rows[at].pointee.retry_at = 10_005_000
        }
        #expect(test.choose(trials: trials, now: 5_999) == nil)
        #expect(test.choose(trials: .never, now: 6_000) == nil)
        let choices = (0..<3).compactMap { _ in test.choose(trials: trials, now: 6_000) }
        #expect(Set(choices.map(\.index)) == [0, 1, 2])
        #expect(choices.allSatisfy { $0.isTrial && $0.isStranded && !$0.isTied })
        #expect(test.choose(trials: trials, now: 7_000) == nil, "none of them has connected")
        PassiveHealth.connected(test.rows[1], began: 6_000)
        #expect(test.choose(trials: trials, now: 6_999) == nil)
        #expect(test.choose(trials: trials, now: 7_000)?.index == 1)
        #expect(test.rows.inflight(0) == (1, 1) && test.rows.inflight(1) == (2, 2))
    }

    /// A member that is down is tried after `retry`, not after `recover`, while another one serves.
    @Test(arguments: Algorithm.allCases) func recoverIsForFarmsWithNobody(_ algorithm: Algorithm) {
        let test = TestFarm(algorithm, weights: [1, 1], retry: 10_000, recover: 1_000)
        test.rows.setState(0, admin: .on, down: true)
        test.rows[0].pointee.tried_at = 5_000 << 2
        test.rows[0].pointee.retry_at = 15_000
        for now in [UInt64(6_000), 14_999] { #expect(test.choose(now: now)?.index == 1) }
        #expect(test.choose(now: 15_000) == Choice(index: 0, isTrial: true))
    }

    /// Who only asks tries nobody, whatever the need.
    @Test(arguments: Algorithm.allCases) func whoOnlyAsksTriesNobody(_ algorithm: Algorithm) {
        let test = farmWithOneDue(algorithm, others: 1)
        for _ in 0..<20 { #expect(test.choose(trials: .never, now: 1_000)?.index == 1) }
        test.setState(1, admin: .off)
        #expect(test.choose(trials: .never, now: 1_000) == nil)
        #expect((test.rows[0].pointee.retry_at, test.rows[0].pointee.tried_at) == (1_000, 0))
        #expect(
            test.choose(trials: .whenOverdue, now: 1_000) == Choice(index: 0, isTrial: true), "it is still to be had")
    }

    @Test(arguments: Algorithm.allCases) func whoeverTriedItDoesNotTryAgain(_ algorithm: Algorithm) {
        let test = farmWithOneDue(algorithm, others: 1)
        #expect(test.choose(tried: [0], now: 1_000)?.index == 1)
        #expect(test.choose(tried: [0, 1], now: 1_000) == nil)
    }

    /// One that is due and has no room stands in nobody's way: another that is due is tried.
    @Test(arguments: Algorithm.allCases) func aFullMemberIsNoTrial(_ algorithm: Algorithm) {
        let test = TestFarm(algorithm, weights: [1, 1, 1], retry: 1_000)
        for at in 0..<2 {
            test.rows.setState(at, admin: .on, down: true)
            test.rows[at].pointee.retry_at = 1_000
        }
        test.rows[0].pointee.max_inflight = 1
        test.rows[0].pointee.inflight = 1
        let choices = (0..<4).compactMap { _ in test.choose(now: 1_000) }
        #expect(choices.count == 4)
        #expect(choices.contains(Choice(index: 1, isTrial: true)))
        #expect(!choices.contains { $0.index == 0 })
        #expect(test.rows.inflight(0) == (1, 0))
    }

    // MARK: The same each time

    @Test(arguments: Algorithm.allCases) func aSeedDecidesEverything(_ algorithm: Algorithm) {
        func run(_ seed: UInt64) -> [Int] {
            let test = TestFarm(algorithm, weights: [3, 1, 4, 1, 5], seed: seed)
            return (0..<300).map { at in
                let choice = test.choose(now: UInt64(at))!
                if at % 3 == 0 { test.giveBack(choice) }
                return choice.index
            }
        }
        #expect(run(42) == run(42))
        if algorithm != .roundrobin { #expect(run(42) != run(43)) }
    }
}
