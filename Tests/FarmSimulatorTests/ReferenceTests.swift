import FarmCore
import Testing

@testable import FarmSimulator

/// Each reference against cases worked by hand.
@Suite struct ReferenceTests {
    private static let three = [0, 1, 2][...]

    @Test func twoChoicesNeverTakesTheBusiest() {
        var policy = TwoChoices(memberCount: 3, seed: 1)
        var seen = [0, 0, 0]
        for _ in 0..<3_000 { seen[policy.choose(Self.three, inFlight: [5, 2, 9], now: 0)] += 1 }
        // Pairs are equally likely; member 1 wins the two it is in, member 0 the one against 2.
        #expect(seen[2] == 0)
        #expect(abs(Double(seen[1]) - 2_000) < 5 * (3_000 * 2.0 / 9).squareRoot())
    }

    @Test func leastLoadedTakesTheLeastAndDrawsTies() {
        var policy = LeastLoaded(memberCount: 3, seed: 1)
        #expect((0..<50).allSatisfy { _ in policy.choose(Self.three, inFlight: [3, 1, 2], now: 0) == 1 })
        var seen = [0, 0, 0]
        for _ in 0..<2_000 { seen[policy.choose(Self.three, inFlight: [1, 4, 1], now: 0)] += 1 }
        #expect(seen[1] == 0)
        #expect(abs(Double(seen[0]) - 1_000) < 5 * (2_000 * 0.25).squareRoot())
    }

    @Test func peakEWMAJumpsUpAndFallsSlowly() {
        var policy = PeakEWMA(memberCount: 2, seed: 1)
        policy.ended(0, took: 1_000, now: 0)
        #expect(policy.load(0, inFlight: 2, now: 0) == 3_000)
        policy.ended(0, took: 9_000, now: 0)
        #expect(policy.load(0, inFlight: 0, now: 0) == 9_000)
        // After one mean life the old value has 1/e of its say, whether nothing came or something.
        #expect(abs(policy.load(0, inFlight: 0, now: 10_000_000) - 9_000 * 0.367879) < 1)
        policy.ended(0, took: 1_000, now: 20_000_000)
        let both = 9_000 * 0.135335 + 1_000 * (1 - 0.367879)
        #expect(abs(policy.load(0, inFlight: 0, now: 20_000_000) - both) < 1)
        // A member that was asked and never answered costs more than any other; one that was never asked, nothing.
        #expect(policy.load(1, inFlight: 1, now: 0) > 1e9)
        #expect(policy.load(1, inFlight: 0, now: 0) == 0)
        #expect((0..<50).allSatisfy { _ in policy.choose([0, 1][...], inFlight: [1, 1], now: 20_000_000) == 0 })
    }

    @Test func leastReportedFollowsTheReport() {
        var policy = LeastReported(memberCount: 3, seed: 1)
        for (member, load) in [0.5, 0.2, 0.9].enumerated() {
            policy.report(member, MemberReport(utilisation: load, queued: 0))
        }
        #expect((0..<50).allSatisfy { _ in policy.choose(Self.three, inFlight: [0, 99, 0], now: 0) == 1 })
    }

    private static func prequal(_ answers: [(inFlight: Int, latency: Double)], now: Time = 0) -> Prequal {
        var policy = Prequal(memberCount: 100, seed: 1)
        for (member, answer) in answers.enumerated() {
            policy.probed(member, inFlight: answer.inFlight, latency: answer.latency, now: now)
        }
        return policy
    }

    private static let hundred = Array(0..<100)[...]
    private static let idle = [Int32](repeating: 0, count: 100)

    @Test func prequalTakesTheFastestColdOne() {
        // The 84th percentile of what was seen is 4 in flight: only the last is hot.
        var policy = Self.prequal([(1, 30), (2, 20), (2, 50), (3, 40), (3, 60), (4, 25), (9, 1)])
        #expect(policy.choose(Self.hundred, inFlight: Self.idle, now: 1) == 1)
    }

    @Test func prequalTakesTheLeastBusyWhenAllAreHot() {
        var policy = Self.prequal((0..<128).map { _ in (0, 1) })
        // What was seen was idle; two seconds later there are busy ones only.
        for member in [3, 4, 5] { policy.probed(member, inFlight: member, latency: 10, now: 2_000_000) }
        #expect(policy.choose(Self.hundred, inFlight: Self.idle, now: 2_000_001) == 3)
    }

    @Test func prequalForgetsOldAnswersAndDrawsInstead() {
        var policy = Self.prequal([(0, 1), (0, 2), (0, 3)])
        var seen = Set<Int>()
        for _ in 0..<200 { seen.insert(policy.choose(Self.hundred, inFlight: Self.idle, now: 5_000_000)) }
        #expect(seen.count > 50)
    }

    @Test func prequalProbesThreeDifferentMembersARequest() {
        var policy = Self.prequal([])
        let available = Array(0..<100)
        #expect(policy.nextProbe(available) == nil)
        _ = policy.choose(Self.hundred, inFlight: Self.idle, now: 0)
        let probed = (0..<3).compactMap { _ in policy.nextProbe(available) }
        #expect(Set(probed).count == 3)
        #expect(policy.nextProbe(available) == nil)
        _ = policy.choose([7][...], inFlight: Self.idle, now: 0)
        #expect(policy.nextProbe([7]) == 7)
        #expect(policy.nextProbe([7]) == nil)
    }

    @Test func aProbeIsToldTheMedianNearItsLoad() {
        var history = ServedHistory()
        #expect(history.latency(near: 3) == 0)
        for step in 1...9 { history.add(found: 1, latency: Time(step)) }
        for step in 1...9 { history.add(found: 8, latency: Time(100 + step)) }
        #expect((3...7).contains(history.latency(near: 0)))
        #expect((103...107).contains(history.latency(near: 20)))
    }

    /// S. Jenson and R. Oanta, Beyond Round Robin, 2016: of the requests of a minute 95 % were faster than a second with
    /// round robin, 99 % with least loaded, 99.9 % with peak EWMA. The article gives no more digits.
    @Test(arguments: [
        (Competitor.farm(.roundrobin), 0.94...0.97), (.reference(.leastLoaded), 0.985...0.998),
        (.reference(.twoChoices), 0.985...0.998), (.reference(.peakEWMA), 0.9985...0.9999),
    ]) func theLinkerdArticle(_ competitor: Competitor, _ published: ClosedRange<Double>) {
        var scenario = Scenarios.slowOne
        scenario.duration = seconds(60)
        let outcome = Simulation(scenario, competitor, seed: 1).run()
        #expect(published.contains(outcome.success), "\(outcome.success)")
    }

    @Test func trustingOldReportsHerds() {
        var scenario = Scenarios.reportDelay(1)
        scenario.duration = seconds(12)
        scenario.measuredFrom = seconds(4)
        let herd = Simulation(scenario, .reference(.leastReported), seed: 1).run()
        let adaptive = Simulation(scenario, .farm(.adaptive), seed: 1).run()
        #expect(herd.success < 0.5)
        #expect(adaptive.success == 1)
    }
}
