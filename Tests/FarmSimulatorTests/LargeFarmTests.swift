import FarmCore
import Testing

@testable import FarmSimulator

/// That a process draws from a part of a large farm at a time must not be seen in what clients get.
@Suite struct LargeFarmTests {
    static func outcome(_ name: String, _ algorithm: Algorithm) -> Outcome {
        var scenario = Scenarios.named(name)[0]
        scenario.duration = seconds(130)
        return Simulation(scenario, .farm(algorithm), seed: 3).run()
    }

    /// The 99th percentile within a twentieth, and the same successes but for one request in a thousand, of a farm 10 % busy.
    @Test func adaptiveLosesNothing() {
        let windows = Self.outcome("large-calm", .adaptive)
        let whole = Self.outcome("large-calm-whole", .adaptive)
        #expect(windows.percentile(0.99) <= 1.05 * whole.percentile(0.99))
        #expect(windows.success >= whole.success - 0.001)
    }

    /// A blind algorithm meets slow members as often, and loads them more while a window is there: by no more than a
    /// hundredth of the requests.
    @Test func randomLosesLittle() {
        let windows = Self.outcome("large-calm", .random)
        let whole = Self.outcome("large-calm-whole", .random)
        #expect(windows.success >= whole.success - 0.01)
    }
}
