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

    /// Of a large tier eight are looked at: those with more requests in flight than their neighbours get none, and what
    /// stays ends evenly all the same.
    @Test func largeTier() {
        let test = farm([UInt32](repeating: 1, count: 200), inflight: (0..<200).map { $0 % 8 == 3 ? 9 : 1 })
        for _ in 0..<175 { _ = test.choose() }
        let counts = (0..<200).map { test.rows[$0].pointee.inflight }
        #expect(counts.indices.allSatisfy { $0 % 8 != 3 || counts[$0] == 9 })
        #expect(counts.indices.allSatisfy { $0 % 8 == 3 || (1...3).contains(counts[$0]) }, "\(counts)")
    }

    /// A member with the only free place of a large tier is found, wherever it stands, and by a request that has tried others.
    @Test(arguments: [0, 77, 199]) func findsTheOnlyFreePlace(_ free: Int) {
        let test = farm([UInt32](repeating: 1, count: 200), inflight: [UInt32](repeating: 1, count: 200))
        for at in 0..<200 { test.rows[at].pointee.max_inflight = at == free ? 2 : 1 }
        #expect(test.choose(tried: [UInt32((free + 1) % 200)])?.index == free)
        #expect(test.choose() == nil)
    }

    /// The share that the status tells is that of the members that are looked at.
    @Test func sharesOfALargeTier() {
        let test = farm(
            [UInt32](repeating: 1, count: 64), inflight: (0..<64).map { $0 == 10 ? 0 : $0 % 2 == 0 ? 1 : 2 })
        var shares = Shares(test.farm, now: 1)
        defer { shares.deallocate() }
        var all = [Double](repeating: 0, count: 64)
        all.withUnsafeMutableBufferPointer { shares.all(into: $0.baseAddress!) }
        // The idle one is in eight of 64 runs; the others' even members share the rest.
        #expect(abs(all[10] - 0.125) < 1e-9)
        #expect(all.indices.allSatisfy { $0 % 2 == 0 || all[$0] == 0 })
        #expect(abs(all.reduce(0, +) - 1) < 1e-9)
    }
}
