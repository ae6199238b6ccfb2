import CFarm

/// What a process writes into a member's row about how it answered. Every word is replaced whole and without a lock: of
/// two answers in the same instant one may be lost to an average, none to a counter.
public enum Experience {
    /// A final status came `latency` microseconds after the choice. An error page that came fast must not make the
    /// member look fast: with `isError` the average can only rise.
    public static func answered(_ row: MemberRow, latency: UInt64, isError: Bool, now: UInt64) {
        let milliseconds = UInt32(truncatingIfNeeded: now / 1000)
        noteLatency(row, Float(max(1, latency)), isError: isError, milliseconds: milliseconds)
        _ = farm_add64(farm_member_row_buckets(row) + LatencyBuckets.index(of: latency), 1)
        _ = farm_add64(&row.pointee.latency_sum, latency)
        noteOutcome(row, failed: isError, milliseconds: milliseconds)
    }

    @inline(__always)
    private static func noteLatency(_ row: MemberRow, _ counted: Float, isError: Bool, milliseconds: UInt32) {
        let word = farm_get64(&row.pointee.latency)
        if let first = FirstAnswers(word: word) {
            guard !isError else { return }
            noteUsual(row, weight: first.weight)
            farm_set64(&row.pointee.latency, first.adding(counted, atMilliseconds: milliseconds))
            return
        }
        let old = DecayingAverage(word: word)
        // One slow answer is one slow answer: it counts as four times the average at the most, or an idle member that
        // had one would be told from the others by it. A member that is slow in earnest climbs by a fifth an answer.
        let sample = min(counted, old.value * outlier)
        let weight = old.weight(atMilliseconds: milliseconds)
        if !isError { noteUsual(row, weight: weight) }
        // With an error dated now all the same, so that it does not fade while nothing but errors come.
        let next = old.adding(
            isError ? max(sample, old.value) : sample, atMilliseconds: milliseconds, weight: weight)
        farm_set64(&row.pointee.latency, next.word)
    }

    /// An attempt failed without an answer.
    public static func failed(_ row: MemberRow, now: UInt64) {
        noteOutcome(row, failed: true, milliseconds: UInt32(truncatingIfNeeded: now / 1000))
    }

    static let outlier: Float = 4

    /// The average latency that a member's row holds, for people: of its first answers too. nil: it has none.
    public static func latency(_ row: MemberRow) -> Float? {
        let word = farm_get64(&row.pointee.latency)
        return word == 0 ? nil : DecayingAverage(word: word).value.magnitude
    }

    /// How many other requests the member had on average when those came of which its latency is the average.
    @inline(__always)
    static func usualInFlight(_ row: MemberRow) -> Float { Float(bitPattern: farm_get32(&row.pointee.usual_inflight)) }

    /// What a request leaves behind is what it found, on average, so the end will do, where the count is at hand.
    @inline(__always)
    private static func noteUsual(_ row: MemberRow, weight: Float) {
        let others = Float(Int32(bitPattern: max(1, InFlight.count(row)) - 1))
        let usual = usualInFlight(row)
        let next = usual + (others - usual) * weight
        farm_set32(&row.pointee.usual_inflight, (next >= 0 && next.isFinite ? next : others).bitPattern)
    }

    /// How long a failure is remembered, in milliseconds: at one request in some seconds it must still tell.
    static let memory: Float = 10_000
    /// One failure among good answers is forgotten after a score of them.
    private static let weight: Float = 1.0 / 8

    /// The part of recent answers that failed, as it should be believed now.
    @inline(__always)
    static func failureRatio(_ word: UInt64, atMilliseconds now: UInt32) -> Float {
        DecayingAverage(word: word).faded(atMilliseconds: now, tau: memory)
    }

    /// The ratio of failures costs a healthy member one load.
    private static func noteOutcome(_ row: MemberRow, failed: Bool, milliseconds: UInt32) {
        let old = DecayingAverage(word: farm_get64(&row.pointee.failure_ratio))
        if failed { _ = farm_add64(&row.pointee.failed_outcomes, 1) } else if old.value == 0 { return }
        let faded = old.faded(atMilliseconds: milliseconds, tau: memory)
        let next = faded + ((failed ? 1 : 0) - faded) * weight
        farm_set64(
            &row.pointee.failure_ratio,
            next < 0.001 ? 0 : DecayingAverage(value: next, atMilliseconds: milliseconds).word)
    }
}
