/// What a member's word of latency holds until it has answered `wanted` requests. Nobody chooses by it: until then the member
/// counts as average, since its first answers pay for connections, caches and compilers, and one of them may take seconds.
///
/// The sign bit is set, which tells it from a `DecayingAverage`. The high half is the bits of a Float, minus the harmonic
/// mean of the latencies, the low half how many they are. Of ten latencies, nine of them 1 ms, the harmonic mean is 1.1 ms
/// at the most, however long the tenth took.
public struct FirstAnswers: Equatable {
    /// Answers after which a member is known by its latency.
    public static let wanted: UInt32 = 10

    private let mean: Float
    private let count: UInt32

    /// nil when the word is that of an average.
    init?(word: UInt64) {
        guard Int64(bitPattern: word) <= 0 else { return nil }
        mean = -Float(bitPattern: UInt32(truncatingIfNeeded: word >> 32))
        count = UInt32(truncatingIfNeeded: word)
    }

    /// What the next answer counts for the average of what comes with latency.
    var weight: Float { 1 / Float(min(count, Self.wanted) &+ 1) }

    /// The word with one more latency, of at least 1 us: that of the average, when it is the last one that was wanted.
    func adding(_ latency: Float, atMilliseconds now: UInt32) -> UInt64 {
        // Nothing but garbage, or the first one.
        guard count > 0, count < Self.wanted, mean >= 1, mean.isFinite else { return Self.word(latency, 1) }
        let next = count &+ 1
        let mean = Float(next) / (Float(count) / mean + 1 / latency)
        return next == Self.wanted ? DecayingAverage(value: mean, atMilliseconds: now).word : Self.word(mean, next)
    }

    private static func word(_ mean: Float, _ count: UInt32) -> UInt64 {
        UInt64((-mean).bitPattern) << 32 | UInt64(count)
    }
}
