import CFarm

/// adaptive: of two members drawn by weight, the cheaper.
///
/// The power of two choices (Mitzenmacher, IEEE TPDS 12, 2001) with a cost that joins requests in flight, which tell at
/// once that a member is slow now, and the fading average of its latency, which tells it before a queue has formed.
/// docs/algorithms/adaptive.md has the reasons for the constants.
extension Farm {
    /// Latencies closer together than this are one latency: an idle farm's members would otherwise be told apart by
    /// noise, and share unevenly.
    static let sameLatency: Float = 2
    /// How much dearer a member is all of whose recent answers failed.
    static let failurePrice: Float = 16

    /// The two members drawn, the one to prefer first. On a tie the first drawn, so that weights hold.
    @inline(__always)
    func drawAdaptive(
        _ span: View.Span, _ view: UnsafeMutablePointer<View>, now: UInt64,
        random: RandomSource
    ) -> (UInt32, UInt32) {
        let word = random.next()
        let first = drawRandom(span, view, UInt32(truncatingIfNeeded: word))
        let second = drawRandom(span, view, UInt32(truncatingIfNeeded: word >> 32))
        if first == second { return (first, second) }
        let milliseconds = UInt32(truncatingIfNeeded: now / 1000)
        return Self.isCheaper(members[Int(second)].row, than: members[Int(first)].row, milliseconds: milliseconds)
            ? (second, first) : (first, second)
    }

    /// Whether `a` is strictly cheaper than `b`.
    @inline(__always)
    static func isCheaper(_ a: MemberRow, than b: MemberRow, milliseconds: UInt32) -> Bool {
        let busyA = Float(InFlight.count(a)) / Float(max(1, farm_get32(&a.pointee.weight)))
        let busyB = Float(InFlight.count(b)) / Float(max(1, farm_get32(&b.pointee.weight)))
        var slowA = latency(a, milliseconds)
        var slowB = latency(b, milliseconds)
        // A member without a history is as fast as the other one.
        if slowA == 0 || slowB == 0 { (slowA, slowB) = (1, 1) }
        slowA *= failureFactor(a, milliseconds)
        slowB *= failureFactor(b, milliseconds)
        if max(slowA, slowB) <= sameLatency * min(slowA, slowB) { return busyA < busyB }
        return (busyA + 1) * slowA < (busyB + 1) * slowB
    }

    @inline(__always)
    private static func latency(_ row: MemberRow, _ milliseconds: UInt32) -> Float {
        DecayingAverage(word: farm_get64(&row.pointee.latency)).faded(atMilliseconds: milliseconds)
    }

    /// A member that fails fast must not look fast: it is dearer by the part of its recent answers that failed.
    @inline(__always)
    private static func failureFactor(_ row: MemberRow, _ milliseconds: UInt32) -> Float {
        let failures = farm_get64(&row.pointee.failure_ratio)
        if failures == 0 { return 1 }
        return 1 + failurePrice * Experience.failureRatio(failures, atMilliseconds: milliseconds)
    }
}
