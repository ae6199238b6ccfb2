import CFarm
import FarmTestSupport
import Testing

@testable import FarmCore

@Suite struct FreshnessTests {
    private let rows = Rows(count: 1)
    private var row: MemberRow { rows[0] }

    private func set(updated: UInt64, known: UInt64, load: Double = 7) {
        row.pointee.updated_us = updated
        row.pointee.known_since_us = known
        farm_set64(&row.pointee.load, SharedDouble.word(load))
    }

    /// Out when the update is as old as is allowed, in a microsecond before.
    @Test(arguments: [1, 1_000, 10_000_000] as [UInt64]) func exactly(_ expect: UInt64) {
        let freshness = Freshness(expect: expect, ignores: false)
        set(updated: 500, known: 100)
        #expect(freshness.expiry(row) == 500 + expect)
        #expect(freshness.isIn(row, now: 500 + expect - 1))
        #expect(!freshness.isIn(row, now: 500 + expect))
        #expect(!freshness.isIn(row, now: .max))
        #expect(freshness.load(row, now: 500 + expect - 1) == 7)
        #expect(freshness.load(row, now: 500 + expect).isNaN)
    }

    /// Who has never reported has its time from when it was first configured.
    @Test func neverReported() {
        let freshness = Freshness(expect: 1_000, ignores: false)
        set(updated: 0, known: 5_000)
        #expect(freshness.isIn(row, now: 5_999))
        #expect(!freshness.isIn(row, now: 6_000))
    }

    /// A member that the configuration names again has its time from then, whatever it said before.
    @Test func theLaterOfTheTwo() {
        let freshness = Freshness(expect: 1_000, ignores: false)
        set(updated: 2_000, known: 5_000)
        #expect(freshness.expiry(row) == 6_000)
        set(updated: 8_000, known: 5_000)
        #expect(freshness.expiry(row) == 9_000)
    }

    @Test func ignoreKeepsItInAndDisregardsItsLoad() {
        let freshness = Freshness(expect: 1_000, ignores: true)
        set(updated: 500, known: 0)
        for time in [1_499, 1_500, .max] as [UInt64] { #expect(freshness.isIn(row, now: time)) }
        #expect(freshness.load(row, now: 1_499) == 7)
        #expect(freshness.load(row, now: 1_500).isNaN)
    }

    @Test func offIsNever() {
        set(updated: 0, known: 0)
        #expect(Freshness.off.expiry(row) == .max)
        for now in [0, 1, .max - 1, .max] as [UInt64] {
            #expect(Freshness.off.isIn(row, now: now))
            #expect(Freshness.off.load(row, now: now) == 7)
        }
    }

    @Test func aTimeThatNeverComes() {
        let freshness = Freshness(expect: .max, ignores: false)
        set(updated: 500, known: 0)
        #expect(freshness.expiry(row) == .max)
        #expect(freshness.isIn(row, now: .max - 1))
    }

    /// Three axes, of which each alone is enough to be not available.
    @Test func availableIsAllThree() {
        let freshness = Freshness(expect: 1_000, ignores: false)
        set(updated: 500, known: 0)
        for admin in [Admin.on, .drain, .off] {
            for down in [false, true] {
                rows.setState(0, admin: admin, down: down)
                #expect(freshness.isAvailable(row, now: 1_499) == (admin == .on && !down))
                #expect(!freshness.isAvailable(row, now: 1_500))
                #expect(Freshness.off.isAvailable(row, now: 1_500) == (admin == .on && !down))
            }
        }
    }

    /// A word of fresh memory is an unknown load; every number comes back, and every NaN is the one.
    @Test func sharedDouble() {
        #expect(SharedDouble.value(0).isNaN)
        let fresh = Rows(count: 1)
        #expect(withExtendedLifetime(fresh) { $0[0].pointee.load } == 0)
        for value in [0, -0.0, 1, -1, 0.1, 1e308, -1e-308, .leastNonzeroMagnitude, .greatestFiniteMagnitude] as [Double]
        {
            let back = SharedDouble.value(SharedDouble.word(value))
            #expect(back == value && back.sign == value.sign)
            #expect(SharedDouble.word(value) != 0)
        }
        for nan in [Double.nan, -.nan, .signalingNaN, Double(bitPattern: 0xFFFF_FFFF_FFFF_FFFF)] {
            #expect(SharedDouble.word(nan) == 0)
        }
    }

    // MARK: In a farm

    private func farm(_ algorithm: Algorithm = .random, ignores: Bool = false, retry: UInt64 = 10_000_000) -> TestFarm {
        let test = TestFarm(
            algorithm, weights: [1, 1, 1], retry: retry, freshness: Freshness(expect: 1_000, ignores: ignores))
        for (at, updated) in ([300, 100, 200] as [UInt64]).enumerated() { test.rows[at].pointee.updated_us = updated }
        return test
    }

    /// Members go out one by one without anybody saying so: the view is out of date at the next expiry.
    @Test(arguments: Algorithm.allCases) func membersGoOutByTheClock(_ algorithm: Algorithm) {
        let test = farm(algorithm)
        func chosen(_ now: UInt64) -> Set<Int> {
            Set(
                (0..<60).compactMap { _ in
                    let choice = test.choose(now: now)
                    choice.map(test.giveBack)
                    return choice?.index
                })
        }
        #expect(chosen(1_099) == [0, 1, 2])
        #expect(chosen(1_100) == [0, 2])
        #expect(chosen(1_199) == [0, 2])
        #expect(chosen(1_200) == [0])
        #expect(chosen(1_299) == [0])
        #expect(test.farm.condition(now: 1_299) == .ok)
        #expect(chosen(1_300) == [])
        #expect(test.farm.condition(now: 1_300) == .down)
        // One that reports again is back; whoever notes that says so.
        test.rows[1].pointee.updated_us = 1_400
        test.farm.changed()
        #expect(chosen(1_401) == [1])
        #expect(test.farm.condition(now: 1_401) == .ok)
        #expect(chosen(2_400) == [])
    }

    /// Before a request is refused the rows are asked, and they too go by the clock.
    @Test func theLastLookGoesByTheClock() {
        let test = farm()
        test.farm.rebuilding.pointee = 1
        #expect(test.choose(tried: [0, 2], now: 1_099)?.index == 1)
        #expect(test.choose(tried: [0, 2], now: 1_100) == nil)
        for _ in 0..<30 { #expect(test.choose(now: 1_250)?.index == 0) }
    }

    @Test func theDeadlineIsTheNextExpiry() {
        let test = farm()
        #expect(test.farm.view(now: 1).pointee.deadline == 1_100)
        #expect(test.farm.view(now: 1_100).pointee.deadline == 1_200)
        #expect(test.farm.view(now: 1_250).pointee.deadline == 1_300)
        #expect(test.farm.view(now: 1_300).pointee.deadline == .max)
        let off = TestFarm(.random, weights: [1])
        #expect(off.farm.view(now: 1).pointee.deadline == .max)
    }

    /// The next expiry or the next trial, whichever is sooner.
    @Test func theDeadlineIsTheSoonest() {
        let test = farm(retry: 1_000)
        test.rows.setState(2, admin: .on, down: true)
        test.rows[2].pointee.retry_at = 1_050
        #expect(test.farm.view(now: 1).pointee.deadline == 1_050)
        test.rows[2].pointee.retry_at = 1_150
        test.farm.changed()
        #expect(test.farm.view(now: 2).pointee.deadline == 1_100)
    }

    @Test func ignoredMembersStay() {
        let test = farm(ignores: true)
        let seen = test.sequential(3_000, now: 5_000)
        #expect(DistributionTests.isWithin(seen, [1, 1, 1]), "\(seen)")
        #expect(test.farm.condition(now: 5_000) == .ok)
    }

    /// A member that failures put down and that is out is not tried: it would not be available if it came up.
    @Test func noTrialOfAMemberThatIsOut() {
        let test = farm(retry: 50)
        test.rows.setState(1, admin: .on, down: true)
        test.rows[1].pointee.retry_at = 1_050
        #expect(test.choose(now: 1_060) == Choice(index: 1, isTrial: true))
        for _ in 0..<20 { #expect(test.choose(now: 1_150)?.isTrial == false) }
        #expect(test.choose(tried: [0, 2], now: 1_250) == nil)
    }

    /// While another thread makes the next view, the old one does not know who has become too old meanwhile.
    @Test(arguments: Algorithm.allCases) func whileAViewIsBeingMade(_ algorithm: Algorithm) {
        let test = TestFarm(algorithm, weights: [1, 1], freshness: Freshness(expect: 1_000, ignores: false))
        #expect(test.choose(now: 1) != nil)
        test.rows[0].pointee.updated_us = 1_900
        test.farm.changed()
        farm_set32(test.farm.rebuilding, 1)
        for _ in 0..<100 { #expect(test.choose(now: 2_500)?.index == 0) }
        #expect(test.choose(now: 2_900) == nil)
        farm_set32(test.farm.rebuilding, 0)
        #expect(test.choose(now: 2_500)?.index == 0)
    }
}
