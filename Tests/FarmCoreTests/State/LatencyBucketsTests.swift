import CFarm
import FarmTestSupport
import Testing

@testable import FarmCore

@Suite struct LatencyBucketsTests {
    @Test(
        arguments: [
            (0, 0), (63, 0), (64, 0), (79, 0), (80, 1), (95, 1), (96, 2), (112, 3), (127, 3), (128, 4), (160, 5),
            (1_000, 15),
            (1_024, 16), (1 << 27, 84), (1 << 28 - 1, 87), (1 << 28, 87), (1 << 40, 87), (.max, 87),
        ] as [(UInt64, Int)])
    func index(of microseconds: UInt64, is index: Int) {
        #expect(LatencyBuckets.index(of: microseconds) == index)
    }

    /// Each bucket begins where its lower bound says, and one microsecond less belongs to the bucket before.
    @Test(arguments: 0..<LatencyBuckets.count) func everyBoundary(_ index: Int) {
        let low = LatencyBuckets.lowerBound(of: index)
        #expect(LatencyBuckets.index(of: low) == index)
        if index > 0 { #expect(LatencyBuckets.index(of: low - 1) == index - 1) }
        if index > 0 { #expect(LatencyBuckets.lowerBound(of: index - 1) < low) }
    }

    /// Four buckets an octave: each is as wide as a quarter to a seventh of where it begins.
    @Test func widths() {
        for index in 1..<(LatencyBuckets.count - 1) {
            let low = Double(LatencyBuckets.lowerBound(of: index))
            let width = Double(LatencyBuckets.lowerBound(of: index + 1)) - low
            #expect(width / low <= 0.25 && width / low >= 1.0 / 7)
        }
    }

    @Test func neverFallsWhileTheLatencyRises() {
        var last = 0
        var at: UInt64 = 0
        while at < 1 << 30 {
            let index = LatencyBuckets.index(of: at)
            #expect(index >= last && index < LatencyBuckets.count)
            last = index
            at += at / 50 + 1
        }
    }

    private func fill(_ samples: [UInt64], _ rows: Rows) -> UnsafePointer<UInt64> {
        let buckets = farm_member_row_buckets(rows[0])!
        for sample in samples { _ = farm_add64(buckets + LatencyBuckets.index(of: sample), 1) }
        return UnsafePointer(buckets)
    }

    @Test func nothingCountedHasNoQuantile() {
        let rows = Rows(count: 1)
        #expect(LatencyBuckets.quantile(0.5, of: fill([], rows)) == nil)
    }

    /// Within its bucket a sample may stand anywhere, and so may what is interpolated: a quantile is at worst one width of
    /// a bucket from the exact one, which is at most a quarter of it. Below 80 us the first bucket's width is the bound.
    @Test(arguments: [1, 2, 3, 4, 5] as [UInt64])
    func quantilesAgainstExactOnes(seed: UInt64) {
        var numbers = Numbers(seed)
        let rows = Rows(count: 1)
        // Spread over octaves, as latencies are: 2 us to 67 s.
        let samples = (0..<2_001).map { _ in
            UInt64.random(in: 1...2, using: &numbers) << UInt64.random(in: 1...25, using: &numbers)
        }
        .map { $0 + UInt64.random(in: 0..<$0, using: &numbers) }
        let buckets = fill(samples, rows)
        let sorted = samples.sorted()
        for quantile in [0.01, 0.1, 0.25, 0.5, 0.75, 0.9, 0.99, 0.999, 1] {
            let exact = Double(sorted[max(0, Int((quantile * Double(sorted.count)).rounded(.up)) - 1)])
            let read = LatencyBuckets.quantile(quantile, of: buckets)!
            #expect(abs(read - exact) <= max(80, exact / 4), "p\(quantile): \(read) for \(exact)")
        }
    }

    /// Where a bucket is filled evenly, interpolating finds the place in it.
    @Test func interpolates() {
        let rows = Rows(count: 1)
        let buckets = fill((1_024..<1_280).map { UInt64($0) }, rows)
        #expect(LatencyBuckets.quantile(0.5, of: buckets) == 1_152)
        #expect(LatencyBuckets.quantile(0, of: buckets) == 1_024)
        #expect(LatencyBuckets.quantile(1, of: buckets) == 1_280)
    }

    /// The last bucket has no end: its quantile is where it begins.
    @Test func theLastBucket() {
        let rows = Rows(count: 1)
        let buckets = fill([.max, .max], rows)
        let low = Double(LatencyBuckets.lowerBound(of: LatencyBuckets.count - 1))
        #expect(LatencyBuckets.quantile(0.5, of: buckets) == low)
        #expect(LatencyBuckets.quantile(1, of: buckets) == low)
    }
}
