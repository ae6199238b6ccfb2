import CFarm

/// The histogram of latencies in a member's row: four buckets an octave from 64 us to about four minutes, so that a
/// quantile read from it is off by at most a quarter; below 80 us it is at most 80 us.
public enum LatencyBuckets {
    public static let count = Int(FARM_LATENCY_BUCKETS)
    private static let firstOctave = 6

    /// The bucket of a latency in microseconds.
    public static func index(of microseconds: UInt64) -> Int {
        if microseconds < 1 << firstOctave { return 0 }
        let octave = 63 - microseconds.leadingZeroBitCount
        let quarter = Int(truncatingIfNeeded: (microseconds >> UInt64(octave - 2)) & 3)
        return min(count - 1, (octave - firstOctave) * 4 + quarter)
    }

    /// The lower bound of a bucket in microseconds; the first begins at 0.
    public static func lowerBound(of index: Int) -> UInt64 {
        index == 0 ? 0 : UInt64(4 + index % 4) << UInt64(firstOctave + index / 4 - 2)
    }

    /// The latency below which the part `quantile` (0 to 1) of the counted ones lies, in microseconds, or nil when
    /// none was counted. Interpolated linearly within its bucket.
    public static func quantile(_ quantile: Double, of buckets: UnsafePointer<UInt64>) -> Double? {
        var total: UInt64 = 0
        for at in 0..<count { total &+= farm_get64(buckets + at) }
        guard total > 0 else { return nil }
        let wanted = quantile * Double(total)
        var seen = 0.0
        for at in 0..<count {
            let here = Double(farm_get64(buckets + at))
            if here > 0 && seen + here >= wanted {
                let low = Double(lowerBound(of: at))
                let high = at + 1 < count ? Double(lowerBound(of: at + 1)) : low
                return low + (high - low) * max(0, wanted - seen) / here
            }
            seen += here
        }
        return Double(lowerBound(of: count - 1))
    }
}
