import FarmTestSupport
import Foundation
import Testing

@testable import FarmCore

/// Choosing costs the same whatever the number of members, for the algorithms of which the contract says so. Measured in
/// one run as the ratio of medians, in time of this thread's processor, so that neither the machine nor who else is on
/// it matters; a choice that looked at every member would be hundreds of times dearer, not four.
@Suite(.serialized) struct ConstantCostTests {
    private func microseconds(_ test: TestFarm, _ rounds: Int) -> Double {
        var before = timespec(), after = timespec()
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &before)
        for _ in 0..<rounds { test.giveBack(test.choose()!) }
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &after)
        return Double(after.tv_sec - before.tv_sec) * 1e6 + Double(after.tv_nsec - before.tv_nsec) / 1e3
    }

    @Test(arguments: Algorithm.allCases.filter { $0 != .busyness && $0 != .traffic })
    func doesNotGrowWithTheFarm(_ algorithm: Algorithm) {
        let few = TestFarm(algorithm, weights: [1, 2, 3, 4])
        let many = TestFarm(algorithm, weights: (0..<4096).map { UInt32($0 % 4 + 1) })
        _ = few.sequential(200)
        _ = many.sequential(200)
        var costs: (few: [Double], many: [Double]) = ([], [])
        for _ in 0..<101 {
            costs.few.append(microseconds(few, 50))
            costs.many.append(microseconds(many, 50))
        }
        let ratio = costs.many.sorted()[50] / costs.few.sorted()[50]
        #expect(ratio < 4, "\(ratio)")
    }
}
