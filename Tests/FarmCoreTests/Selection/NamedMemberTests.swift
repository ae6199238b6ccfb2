import CFarm
import FarmTestSupport
import Testing

@testable import FarmCore

/// Requests that ask for a member by name: it serves them while it is available or draining; otherwise the one that stands in
/// for it (`redirect=`), if that is available; otherwise the algorithm chooses.
@Suite struct NamedMemberTests {
    private static let now: UInt64 = 10_000

    enum State: CaseIterable, Sendable { case on, drain, off, failed, due, monitor, out, full, drainingAndDown, tried }

    private func make(_ algorithm: Algorithm, _ states: [State]) -> (test: TestFarm, tried: [UInt32]) {
        let test = TestFarm(
            algorithm, weights: [UInt32](repeating: 1, count: states.count), retry: 1_000,
            freshness: Freshness(expect: 1_000, ignores: false))
        for (at, state) in states.enumerated() {
            let row = test.rows[at]
            row.pointee.updated_us = state == .out ? 1 : Self.now
            row.pointee.retry_at = state == .due ? Self.now : .max / 2
            switch state {
            case .on, .out, .tried: break
            case .drain: row.publish(MemberState(word: FARM_ADMIN_DRAIN))
            case .off: row.publish(MemberState(word: FARM_ADMIN_OFF))
            case .failed, .due: row.publish(MemberState(word: FARM_DOWN_BY_FAILURES))
            case .monitor: row.publish(MemberState(word: FARM_DOWN_BY_MONITOR))
            case .drainingAndDown: row.publish(MemberState(word: FARM_ADMIN_DRAIN | FARM_DOWN_BY_FAILURES))
            case .full: (row.pointee.max_inflight, row.pointee.inflight) = (1, 1)
            }
        }
        test.rows.farm.pointee.inflight = UInt32(states.count { $0 == .full })
        test.farm.changed()
        return (test, states.indices.filter { states[$0] == .tried }.map { UInt32($0) })
    }

    private func tied(_ index: Int, trial: Bool = false) -> Choice {
        Choice(index: index, isTrial: trial, isTied: true)
    }

    @Test(arguments: Algorithm.allCases) func aMemberThatIsThereServes(_ algorithm: Algorithm) {
        for state in [State.on, .drain] {
            for named in 0..<3 {
                var states = [State.on, .on, .on]
                states[named] = state
                let (test, _) = make(algorithm, states)
                for _ in 0..<20 { #expect(test.choose(named: named, now: Self.now) == tied(named)) }
                #expect(test.rows.inflight(named) == (20, 20))
            }
        }
    }

    /// Whatever the tier: who asks for it by name gets it.
    @Test(arguments: Algorithm.allCases) func ofAnyTier(_ algorithm: Algorithm) {
        let (test, _) = make(algorithm, [.on, .on])
        test.rows[1].pointee.tier = 9
        test.farm.changed()
        #expect(test.choose(named: 1, now: Self.now) == tied(1))
        #expect(test.choose(now: Self.now)?.index == 0)
    }

    /// Nobody else gets a draining member, and it does not count as one that is there.
    @Test(arguments: Algorithm.allCases) func aDrainingMemberServesItsOwnAlone(_ algorithm: Algorithm) {
        let (test, _) = make(algorithm, [.drain])
        #expect(test.choose(now: Self.now) == nil)
        #expect(test.choose(named: 0, now: Self.now) == tied(0))
        #expect(test.farm.condition(now: Self.now) == .offline)
    }

    private static let absent: [State] = [.off, .failed, .monitor, .out, .full, .drainingAndDown, .tried]

    /// One that is not to be had, without a stand-in: as if it had not been named.
    @Test(arguments: Algorithm.allCases) func whoIsAbsentIsForgotten(_ algorithm: Algorithm) {
        for state in Self.absent {
            let (test, tried) = make(algorithm, [state, .on])
            #expect(test.choose(tried: tried, named: 0, now: Self.now) == Choice(index: 1, isTrial: false), "\(state)")
            #expect(test.rows.inflight(0).ledger == 0)
        }
    }

    @Test(arguments: Algorithm.allCases) func whoIsAbsentIsStoodInFor(_ algorithm: Algorithm) {
        for state in Self.absent {
            let (test, tried) = make(algorithm, [state, .on, .on])
            test.redirect([2, nil, nil])
            for _ in 0..<10 {
                #expect(test.choose(tried: tried, named: 0, now: Self.now) == tied(2), "\(state)")
            }
        }
    }

    /// A stand-in has to be available itself: one that drains takes nobody over.
    @Test(arguments: Algorithm.allCases) func aStandInThatIsAbsent(_ algorithm: Algorithm) {
        for state in Self.absent + [.drain] {
            let (test, tried) = make(algorithm, [.off, state, .on])
            test.redirect([1, nil, nil])
            #expect(
                test.choose(tried: tried, named: 0, now: Self.now) == Choice(index: 2, isTrial: false), "\(state)")
        }
    }

    /// From one to the next, each once, up to the last.
    @Test(arguments: Algorithm.allCases) func aChain(_ algorithm: Algorithm) {
        let (test, _) = make(algorithm, [.off, .full, .drain, .monitor, .on, .on])
        test.redirect([1, 2, 3, 4, nil, nil])
        #expect(test.choose(named: 0, now: Self.now) == tied(4))
        #expect(test.choose(named: 2, now: Self.now) == tied(2), "its own clients it serves itself")
        test.setState(4, admin: .off)
        #expect(test.choose(named: 0, now: Self.now) == Choice(index: 5, isTrial: false))
    }

    @Test(arguments: Algorithm.allCases) func circles(_ algorithm: Algorithm) {
        for circle in [[0, nil, nil], [1, 0, nil], [1, 2, 0], [1, 2, 1], [1, 2, 2]] as [[Int?]] {
            let (test, _) = make(algorithm, [.off, .off, .off])
            test.redirect(circle)
            for named in 0..<3 { #expect(test.choose(named: named, now: Self.now) == nil) }
            test.setState(2, admin: .on)
            let reaches = circle[0] == 1 && circle[1] == 2
            #expect(test.choose(named: 0, now: Self.now) == (reaches ? tied(2) : Choice(index: 2, isTrial: false)))
        }
    }

    /// The member first named is not its own stand-in at the end of a circle.
    @Test func aCircleEndsWhereItBegan() {
        let (test, _) = make(.random, [.full, .full])
        test.redirect([1, 0])
        #expect(test.choose(named: 0, now: Self.now) == nil)
        #expect(test.rows.inflight(0) == (1, 0) && test.rows.inflight(1) == (1, 0))
    }

    @Test(arguments: [3, 17, Int(Int32.max), Int(UInt32.max) - 1]) func aMemberThatIsNot(_ named: Int) {
        let (test, _) = make(.random, [.on, .off, .off])
        #expect(test.choose(named: named, now: Self.now) == Choice(index: 0, isTrial: false))
        test.redirect([nil, nil, named])
        #expect(test.choose(named: 2, now: Self.now) == Choice(index: 0, isTrial: false))
    }

    @Test func ofAFarmWithoutMembers() {
        let test = TestFarm(.random, weights: [])
        #expect(test.choose(named: 0, now: Self.now) == nil)
    }

    // MARK: The farm as a whole

    /// A farm that drains serves those who are tied to a member, and nobody else; one that is off serves nobody.
    @Test(arguments: Algorithm.allCases) func aFarmThatDrains(_ algorithm: Algorithm) {
        let (test, _) = make(algorithm, [.on, .off, .drain, .due])
        test.redirect([nil, 0, nil, nil])
        test.rows.farm.pointee.admin = FARM_ADMIN_DRAIN
        test.farm.changed()
        #expect(test.choose(now: Self.now) == nil)
        #expect(test.choose(named: 0, now: Self.now) == tied(0))
        #expect(test.choose(named: 2, now: Self.now) == tied(2))
        #expect(test.choose(named: 1, now: Self.now) == nil, "no member of it is available to stand in")
        #expect(test.choose(named: 3, now: Self.now) == tied(3, trial: true), "who is tied to it may try it")
        test.rows.farm.pointee.admin = FARM_ADMIN_OFF
        test.farm.changed()
        for named in 0..<4 { #expect(test.choose(named: named, now: Self.now) == nil) }
        test.rows.farm.pointee.admin = 77
        test.farm.changed()
        #expect(test.choose(named: 0, now: Self.now) == nil, "what nobody writes is off")
    }

    // MARK: Trials

    /// One that failures put down and that is due is tried by a request for it that may be repeated, once.
    @Test(arguments: Algorithm.allCases) func aTrial(_ algorithm: Algorithm) {
        let (test, _) = make(algorithm, [.on, .due, .due])
        #expect(test.choose(named: 2, now: Self.now) == tied(2, trial: true), "the one that was named, not another")
        #expect(test.rows[2].pointee.tried_at == Self.now << 2 | 1)
        #expect(test.choose(trials: .whenOverdue, named: 2, now: Self.now) == Choice(index: 0, isTrial: false))
        #expect(test.rows.inflight(2) == (1, 1))
    }

    @Test(arguments: Algorithm.allCases) func noTrialByWhoMayNot(_ algorithm: Algorithm) {
        let (test, _) = make(algorithm, [.on, .due])
        for trials in [Wish.Trials.whenOverdue, .never] {
            #expect(test.choose(trials: trials, named: 1, now: Self.now) == Choice(index: 0, isTrial: false))
        }
        #expect(test.rows[1].pointee.tried_at == 0)
        #expect(test.rows.inflight(1) == (0, 0))
    }

    /// A request that may not be repeated tries the member that it names when the trial is overdue.
    @Test(arguments: Algorithm.allCases) func anOverdueTrialByAnyRequest(_ algorithm: Algorithm) {
        let (test, _) = make(algorithm, [.on, .due])
        test.rows[1].pointee.updated_us = Self.now + 1_000
        #expect(test.choose(trials: .whenOverdue, named: 1, now: Self.now + 999)?.index == 0)
        #expect(test.choose(trials: .whenOverdue, named: 1, now: Self.now + 1_000) == tied(1, trial: true))
    }

    /// "while nobody is available, by any request, each such member at most once in `recover`": also by requests that may go
    /// to no other member.
    @Test(arguments: Algorithm.allCases, [false, true])
    func withNobodyAvailableTheNamedOneIsTriedAfterRecover(_ algorithm: Algorithm, hasView: Bool) {
        let test = TestFarm(algorithm, weights: [1, 1], retry: 10_000_000, recover: 1_000)
        for at in 0..<2 {
            test.rows.setState(at, admin: .on, down: true)
            test.rows[at].pointee.tried_at = Self.now << 2
            test.rows[at].pointee.retry_at = Self.now + 10_000_000
        }
        if !hasView { test.farm.rebuilding.pointee = 1 }
        func strict(_ trials: Wish.Trials, now: UInt64) -> Choice? {
            let nobody = UnsafePointer<UInt32>(bitPattern: 8)!
            let wish = Wish(tried: nobody, triedCount: 0, trials: trials, named: 1, isStrict: true)
            return test.farm.choose(wish, now: now, random: test.random)
        }
        #expect(strict(.whenDue, now: Self.now + 999) == nil)
        #expect(strict(.never, now: Self.now + 1_000) == nil)
        let trial = Choice(index: 1, isTrial: true, isTied: true, isStranded: true)
        #expect(strict(.whenOverdue, now: Self.now + 1_000) == trial)
        #expect(strict(.whenDue, now: Self.now + 1_000) == nil, "it has not connected")
        // The other member is back: now its trial waits for `retry`.
        PassiveHealth.connected(test.rows[1], began: Self.now + 1_000)
        test.farm.rebuilding.pointee = 0
        test.setState(0, admin: .on)
        #expect(strict(.whenDue, now: Self.now + 9_999_999) == nil)
    }

    @Test func noTrialOfOneThatIsFullOrTakenOut() {
        let (test, _) = make(.random, [.on, .due])
        test.rows[1].pointee.max_inflight = 1
        test.rows[1].pointee.inflight = 1
        test.farm.changed()
        #expect(test.choose(named: 1, now: Self.now)?.index == 0)
        #expect(test.rows[1].pointee.tried_at == 0, "its trial is still to be had")
        test.rows[1].pointee.max_inflight = 0
        test.rows[1].publish(test.rows[1].state.with(admin: .off))
        test.farm.changed()
        #expect(test.choose(named: 1, now: Self.now)?.index == 0)
        test.rows[1].publish(test.rows[1].state.with(admin: .drain))
        test.farm.changed()
        #expect(test.choose(now: Self.now)?.index == 0, "who is not tied to it does not try it")
        #expect(test.choose(named: 1, now: Self.now) == tied(1, trial: true))
    }

    /// An outlier is tried like any other.
    @Test func anOutlierIsTried() {
        let (test, _) = make(.random, [.on, .due])
        test.rows[1].publish(MemberState(word: FARM_DOWN_BY_FAILURES | FARM_DOWN_AS_OUTLIER))
        test.farm.changed()
        #expect(test.choose(named: 1, now: Self.now) == tied(1, trial: true))
    }

    /// Of many at the same time one has the trial; all others are served elsewhere, and no place is lost.
    @Test func oneTrialOfAll() {
        let (test, _) = make(.random, [.on, .due])
        let shared = Shared((test: test, trials: Rows(count: 1)))
        onThreads(8) { _ in
            for _ in 0..<200 {
                guard let choice = shared.value.test.choose(named: 1, now: Self.now) else { continue }
                if choice.isTrial { _ = farm_add64(&shared.value.trials[0].pointee.requests, 1) }
            }
        }
        #expect(shared.value.trials[0].pointee.requests == 1)
        #expect(test.rows.inflight(0) == (1_599, 1_599) && test.rows.inflight(1) == (1, 1))
    }

    /// hash counts what is in flight at the farm, and its own as well.
    @Test func theFarmsCountHasThem() {
        let (test, _) = make(.hash, [.on, .drain])
        let choices = (0..<5).compactMap { _ in test.choose(named: 1, now: Self.now) }
        #expect(test.rows.farm.pointee.inflight == 5)
        for choice in choices { test.giveBack(choice) }
        #expect(test.rows.farm.pointee.inflight == 0 && test.rows.inflight(1) == (0, 0))
    }
}
