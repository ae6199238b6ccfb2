import CFarm
import FarmTestSupport
import Testing

@testable import FarmCore

@Suite struct LoadChoiceTests {
    /// Stores what the members report; nil: unknown.
    static func report(_ test: TestFarm, _ loads: [Double?]) {
        for (at, load) in loads.enumerated() {
            farm_set64(&test.rows[at].pointee.load, SharedDouble.word(load ?? .nan))
        }
        test.farm.loadChanged()
    }

    /// The contract's words: in proportion to weight / (L + m), no share per weight under a twentieth of the largest.
    static func shares(_ loads: [Double?], _ weights: [UInt32]) -> [Double] {
        let known = loads.compactMap { $0.map { max(0, $0) } }
        let mean = known.reduce(0) { $0 + $1 / Double(known.count) }
        var parts = loads.map { load in mean > 0 ? 1 / ((load.map { max(0, $0) } ?? mean) + mean) : 1 }
        let least = parts.max()! / 20
        parts = parts.map { max($0, least) }
        let sum = zip(parts, weights).reduce(0) { $0 + $1.0 * Double($1.1) }
        return zip(parts, weights).map { $0 * Double($1) / sum }
    }

    /// The shares that the view would draw by, exactly, of each span.
    static func drawn(_ test: TestFarm, now: UInt64) -> [[Double]] {
        let view = test.farm.view(now: now)
        return (0..<Int(view.pointee.spanCount)).map { at in
            let span = view.pointee.spans[at]
            return AliasTableTests.probabilities((0..<Int(span.count)).map { view.pointee.alias[Int(span.start) + $0] })
        }
    }

    static let cases: [([Double?], [UInt32])] = [
        ([1, 1, 1], [1, 1, 1]),
        ([0.1, 0.5, 0.9], [1, 1, 1]),
        ([0, 0, 0], [3, 2, 1]),
        ([nil, nil, nil], [3, 2, 1]),
        ([0, 100], [1, 1]),
        ([0, 100], [1, 5]),
        ([nil, 1, 3], [2, 1, 1]),
        ([-5, 1, 3], [1, 1, 1]),
        ([1e308, 1e308, 0], [1, 1, 1]),
        ([1e-300, 3e-300], [1, 1]),
        ([5, 1, 1, 9], [10, 1, 1, 1_000]),
        // The floor: without it the last would have a fortieth of the others' shares.
        ([Double](repeating: 0, count: 39) + [1_000], [UInt32](repeating: 1, count: 40)),
        // Weights whose parts together are more than 32 bits hold.
        ([1, 2, 3], [1_000, 1_000, 500]),
        ([1, 9, 2, 8], [1_000, 1_000, 1_000, 1_000]),
        ((0..<3_000).map { Double($0 % 7) }, [UInt32](repeating: 1, count: 3_000)),
        ((0..<4_096).map { Double($0 % 5) }, (0..<4_096).map { $0 % 2 == 0 ? 1_000 : 1 }),
    ]

    /// A unit of the table is at most a part in 200,000 of a share; a cost is a Float.
    @Test(arguments: cases.indices) func theTableHasTheSharesOfTheContract(_ number: Int) {
        let (loads, weights) = Self.cases[number]
        let test = TestFarm(.load, weights: weights)
        Self.report(test, loads)
        let drawn = Self.drawn(test, now: 1)[0]
        let worst = zip(drawn, Self.shares(loads, weights)).map { abs($0 - $1) / $1 }.max()!
        #expect(worst < 1e-5, "\(worst)")
    }

    @Test(arguments: cases.indices) func requestsFollowTheShares(_ number: Int) {
        let (loads, weights) = Self.cases[number]
        guard weights.count <= 40 else { return }
        let test = TestFarm(.load, weights: weights, seed: 11)
        Self.report(test, loads)
        let count = 12_000.0
        let seen = test.sequential(Int(count))
        for (seen, share) in zip(seen, Self.shares(loads, weights)) {
            #expect(
                abs(Double(seen) - count * share) <= 5 * (count * share * (1 - share)).squareRoot(), "\(seen) \(share)")
        }
    }

    /// A load is what the available members have in common: one that is off is no part of the mean.
    @Test func theMeanIsOfThoseThatAreAvailable() {
        let test = TestFarm(.load, weights: [1, 1, 1])
        Self.report(test, [1, 3, 1_000])
        test.setState(2, admin: .off)
        let drawn = Self.drawn(test, now: 1)
        #expect(drawn.count == 1)
        #expect(abs(drawn[0][0] - 5.0 / 8) < 1e-6, "1 / (1 + 2) beside 1 / (3 + 2)")
    }

    /// A view is not made anew for every report, but soon: after 20 us for each member.
    @Test func aReportIsUsedInItsTime() {
        let test = TestFarm(.load, weights: [1, 1])
        #expect(Self.drawn(test, now: 1_000)[0] == [0.5, 0.5])
        Self.report(test, [0, 2])
        #expect(Self.drawn(test, now: 1_039)[0] == [0.5, 0.5])
        let then = Self.drawn(test, now: 1_040)[0]
        #expect(abs(then[0] - 0.75) < 1e-6)
        // Another change does not wait.
        Self.report(test, [2, 0])
        test.setState(0, admin: .on)
        #expect(abs(Self.drawn(test, now: 1_041)[0][1] - 0.75) < 1e-6)
    }

    /// Algorithms that have no use for loads do not make their views anew for them.
    @Test(arguments: Algorithm.allCases) func whoAsksForLoads(_ algorithm: Algorithm) {
        let test = TestFarm(algorithm, weights: [1, 1])
        let first = test.farm.view(now: 1)
        Self.report(test, [0, 2])
        #expect((test.farm.view(now: 1_000_000) != first) == (algorithm == .load || algorithm == .adaptive))
    }

    // MARK: Herds

    /// Members report what they were sent in the period before, a whole period late, as if nothing else loaded them. Were
    /// all to go to the least loaded, or in proportion to 1 / L, one period's idle member would be flooded in the next.
    @Test(arguments: [3, 5, 20]) func lateReportsSendNoHerd(_ count: Int) {
        let test = TestFarm(.load, weights: [UInt32](repeating: 1, count: count), seed: 5)
        let period = 3_000
        let fair = Double(period) / Double(count)
        // Six times the root: the most that chance adds in some hundred draws, and the loads are as wrong as can be.
        let most = 2 * fair + 6 * (2 * fair).squareRoot()
        var loads = [Double](repeating: 1, count: count)
        loads[0] = 0
        var now: UInt64 = 1_000
        var worst = 0
        for _ in 0..<12 {
            Self.report(test, loads)
            now += 1_000_000
            let seen = test.sequential(period, now: now)
            worst = max(worst, seen.max()!)
            loads = seen.map(Double.init)
        }
        #expect(Double(worst) <= most, "\(worst) of \(fair)")
        // And after a while the shares are even: the reports do not make them swing.
        let last = loads.map { $0 / fair }
        #expect(last.allSatisfy { abs($0 - 1) < 0.25 }, "\(last)")
    }

    /// Nobody is left out: the busiest of all is asked now and then, so that its next report can say that it is better.
    @Test func theBusiestIsStillAsked() {
        let test = TestFarm(.load, weights: [1, 1, 1, 1], seed: 6)
        Self.report(test, [0, 0, 0, 1e9])
        #expect(test.sequential(4_000)[3] > 50)
    }

    /// Reports that are too old are disregarded: the member counts as one of average load.
    @Test func aStaleLoadIsUnknown() {
        let test = TestFarm(.load, weights: [1, 1, 1], freshness: Freshness(expect: 1_000, ignores: true))
        for at in 0..<3 { test.rows[at].pointee.updated_us = at == 0 ? 100 : 900 }
        Self.report(test, [50, 1, 3])
        let fresh = Self.drawn(test, now: 1_000)[0]
        #expect(zip(fresh, Self.shares([50, 1, 3], [1, 1, 1])).allSatisfy { abs($0 - $1) < 1e-6 })
        let stale = Self.drawn(test, now: 1_100)[0]
        #expect(zip(stale, Self.shares([nil, 1, 3], [1, 1, 1])).allSatisfy { abs($0 - $1) < 1e-6 }, "\(stale)")
    }
}
