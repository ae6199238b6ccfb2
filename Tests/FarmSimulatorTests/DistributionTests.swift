import Foundation
import Testing

@testable import FarmSimulator

@Suite struct DistributionTests {
    @Test(arguments: [
        Distribution.constant(500), .exponential(mean: 20_000), .lognormal(median: 20_000, sigma: 0.5),
        .bimodal(short: 1_000, long: 100_000, part: 0.1),
    ]) func quantilesHaveTheMean(_ distribution: Distribution) {
        let steps = 100_000
        var sum = 0.0
        var last = 0.0
        var falls = 0
        for step in 0..<steps {
            let value = distribution.quantile((Double(step) + 0.5) / Double(steps))
            if value < last { falls += 1 }
            last = value
            sum += value
        }
        #expect(falls == 0)
        // The midpoint rule misses a little of the tail.
        #expect(abs(sum / Double(steps) / distribution.mean - 1) < 0.001)
    }

    /// From tables of the normal distribution.
    @Test(arguments: [(0.5, 0), (0.975, 1.959964), (0.001, -3.090232), (0.999, 3.090232), (0.8413447, 1)])
    func normalQuantiles(_ u: Double, _ z: Double) {
        #expect(abs(Distribution.normalQuantile(u) - z) < 1e-5)
    }

    @Test func randomNumbersAreUniform() {
        var numbers = Randomness(seed: 1, stream: 2)
        let count = 100_000
        var sum = 0.0
        var seen = [Int](repeating: 0, count: 10)
        for _ in 0..<count {
            sum += numbers.fraction()
            seen[numbers.below(10)] += 1
            let pair = numbers.pair(below: 3)
            #expect(pair.0 != pair.1)
        }
        // Five standard deviations.
        #expect(abs(sum / Double(count) - 0.5) < 5 * (1.0 / 12 / Double(count)).squareRoot())
        #expect(seen.allSatisfy { abs(Double($0) - 10_000) < 5 * (100_000 * 0.1 * 0.9).squareRoot() })
        #expect(numbers.pair(below: 1) == (0, 0))
    }
}
