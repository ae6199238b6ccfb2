import CFarm
import FarmTestSupport
import Testing

@testable import FarmCore

@Suite struct BusynessTests {
    private func farm(_ weights: [UInt32], inflight: [UInt32]) -> TestFarm {
        let test = TestFarm(.busyness, weights: weights)
        for (at, count) in inflight.enumerated() { test.rows[at].pointee.inflight = count }
        return test
    }

    @Test(
        arguments: [
            ([1, 1, 1], [3, 0, 2], 1),
            ([1, 1, 1], [3, 4, 2], 2),
            // For the weight: 6/4 is less than 2/1.
            ([1, 4], [2, 6], 1),
            ([1, 4], [1, 6], 0),
            ([1000, 1], [999, 1], 0),
            // A count that a repair has taken below zero is none.
            ([1, 1], [UInt32(bitPattern: -2), 1], 0),
        ] as [([UInt32], [UInt32], Int)])
    func picksTheFewestForTheWeight(_ weights: [UInt32], _ inflight: [UInt32], _ index: Int) {
        for _ in 0..<10 {
            let test = farm(weights, inflight: inflight)
            #expect(test.choose()?.index == index)
        }
    }

    /// Requests that stay: the counts end in proportion to the weights.
    @Test func fillsEvenly() {
        let test = farm([5, 3, 1, 1], inflight: [])
        for _ in 0..<100 { _ = test.choose() }
        #expect((0..<4).map { test.rows[$0].pointee.inflight } == [50, 30, 10, 10])
    }
}
