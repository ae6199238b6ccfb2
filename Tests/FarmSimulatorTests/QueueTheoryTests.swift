import FarmCore
import Foundation
import Testing

@testable import FarmSimulator

/// One member, Poisson arrivals and exponential service: the mean wait is known exactly.
@Suite struct QueueTheoryTests {
    private static let mean = 10_000.0
    private static let requests = 60_000.0

    private static func meanLatency(servers: Int, utilisation: Double, seed: UInt64) -> Double {
        let rate = utilisation * Double(servers) * 1e6 / mean
        let scenario = Scenario(
            "queue", "", members: [MemberModel(service: .exponential(mean: mean), servers: servers, backlog: .max)],
            arrivals: .poisson(rate), duration: seconds(requests / rate), clientTimeout: seconds(1_000))
        let outcome = Simulation(scenario, .farm(.random), seed: seed).run()
        #expect(outcome.success == 1)
        return outcome.mean * 1_000
    }

    /// The probability of having to wait, by Erlang's C formula.
    private static func erlangC(servers: Int, utilisation: Double) -> Double {
        let load = utilisation * Double(servers)
        var term = 1.0
        var sum = 0.0
        for count in 0..<servers {
            sum += term
            term *= load / Double(count + 1)
        }
        let waits = term / (1 - utilisation)
        return waits / (sum + waits)
    }

    /// The standard deviation of the mean of `requests` waits of an M/M/1 queue, which depend on each other: W. Whitt,
    /// Planning queueing simulations, Management Science 35 (11), 1989. With more servers of the same speed together
    /// waits are shorter and forget as fast, so it is a bound there. The services themselves add mean / sqrt(requests).
    private static func deviation(servers: Int, utilisation p: Double) -> Double {
        let variance = p * (2 + 5 * p - 4 * p * p + p * p * p) / pow(1 - p, 4)
        return mean / Double(servers) * (variance / requests).squareRoot() + mean / requests.squareRoot()
    }

    /// Within four standard deviations, which chance misses once in 15,000; the seed is fixed.
    @Test(arguments: [(1, 0.5), (1, 0.7), (2, 0.7), (4, 0.8), (20, 0.9)])
    func meanWait(servers: Int, utilisation: Double) {
        let wait =
            Self.erlangC(servers: servers, utilisation: utilisation) * Self.mean
            / (Double(servers) * (1 - utilisation))
        let seen = Self.meanLatency(servers: servers, utilisation: utilisation, seed: 3)
        let allowed = 4 * Self.deviation(servers: servers, utilisation: utilisation)
        let expected = wait + Self.mean
        #expect(abs(seen - expected) < allowed, "\(seen) and not \(expected), give or take \(allowed)")
    }

    @Test func erlangCIsTheUtilisationForOneServer() {
        #expect(abs(Self.erlangC(servers: 1, utilisation: 0.7) - 0.7) < 1e-12)
        // From tables: 2 servers, 1.4 Erlang.
        #expect(abs(Self.erlangC(servers: 2, utilisation: 0.7) - 0.5765) < 1e-4)
    }
}
