import CFarm

/// adaptive: of three members drawn by weight, the cheapest.
///
/// The power of a few choices (Mitzenmacher, IEEE TPDS 12, 2001) with a cost that joins requests in flight, which tell at
/// once that a member is slow now, and the fading average of its latency, which tells it before a queue has formed.
/// docs/algorithms/adaptive.md has the reasons for the constants, with numbers.
extension Farm {
    /// Latencies of idle members closer together than this are one latency: they would otherwise be told apart by noise,
    /// and share unevenly.
    static let sameLatency: Float = 2
    /// How much dearer a member is all of whose recent answers failed.
    static let failurePrice: Float = 16
    /// An idle member gets at least this part of its weight's share, however slow it seems: what is known of it may be over.
    static let idlePart: Float = 0.01

    /// The best of the members drawn, and one that was worse, to ask when the best has no room; the same one twice when
    /// there is one only. On a tie the first drawn, so that weights hold.
    @inline(__always)
    func drawAdaptive(
        _ span: View.Span, _ view: UnsafeMutablePointer<View>, now: UInt64,
        random: RandomSource
    ) -> (UInt32, UInt32) {
        let word = random.next()
        let entries = UnsafePointer(view.pointee.alias + Int(span.start))
        let at = AliasTable.draw(entries, count: span.drawn, bits: UInt32(truncatingIfNeeded: word))
        let first = member(at: at, of: span, view)
        if span.drawn < 2 { return (first, first) }
        // A third number from the same word: its bits have been mixed well enough for one multiplication.
        let more = word &* RandomSource.gamma
        let bits = UInt32(truncatingIfNeeded: more)
        if bits < span.idle && isServedIdle(first, view, bits) { return (first, first) }
        var other = AliasTable.draw(entries, count: span.drawn, bits: UInt32(truncatingIfNeeded: word >> 32))
        if other == at {
            // Any other, whatever its weight: the draw decides shares, and the first was drawn already.
            other = at &+ 1 &+ RandomSource.below(span.drawn &- 1, from: more)
            if other >= span.drawn { other &-= span.drawn }
        }
        let second = member(at: other, of: span, view)
        let milliseconds = UInt32(truncatingIfNeeded: now / 1000)
        let one = standing(first, view, milliseconds)
        let two = standing(second, view, milliseconds)
        let swapped = two.isCheaper(than: one)
        let better = swapped ? two : one
        let (best, worse) = swapped ? (second, first) : (first, second)
        // Where two of two have nothing to do, a third finds nothing that is worth its instructions.
        if one.inFlight | two.inFlight == 0 { return (best, worse) }
        let third = drawRandom(span, view, UInt32(truncatingIfNeeded: more >> 32))
        if third == first || third == second { return (best, worse) }
        return standing(third, view, milliseconds).isCheaper(than: better) ? (third, best) : (best, worse)
    }

    /// Whether a member that was drawn first serves for no other reason, since it is idle.
    @inline(never)
    private func isServedIdle(_ index: UInt32, _ view: UnsafeMutablePointer<View>, _ bits: UInt32) -> Bool {
        InFlight.count(members[Int(index)].row) == 0
            && (!view.pointee.loadsMatter || bits < farm_get32(view.pointee.idle + Int(index)))
    }

    /// With which chance a member that is drawn first, and idle, serves for no other reason; in 2^32ths, for a random number.
    /// One that is drawn for its load less than its weight says has a larger one, by as much: `drawn` is what part of their
    /// weights all members together are drawn by, `part` that of this one.
    static func idleChance(drawn: Double = 1, part: Double = 1) -> UInt32 {
        UInt32(max(0, min(Double(idlePart) * drawn / part, 0.5)) * 0x1p32)
    }

    @inline(__always)
    private func standing(_ index: UInt32, _ view: UnsafeMutablePointer<View>, _ milliseconds: UInt32) -> Standing {
        Standing(
            members[Int(index)].row, milliseconds,
            loadCost: view.pointee.loadsMatter ? view.pointee.costs[Int(index)] : 1)
    }

    /// What a choice knows of a member: read once, compared with each of the others drawn.
    struct Standing {
        let inFlight: UInt32
        /// Requests in flight for its weight, the one to place included; and 1, or more by the part of its recent answers
        /// that failed: a member that fails fast must not look fast.
        let load: Float
        /// Its latency as it should be believed now, times its load, over the square root of the load at which it was
        /// measured; all squared, which spares the root. 0 when it has no latency.
        let cost: Float
        /// How dear it is for the load that it reports (`RelativeLoad.cost`).
        let loadCost: Float

        @inline(__always)
        init(_ row: MemberRow, _ milliseconds: UInt32, loadCost: Float = 1) {
            inFlight = InFlight.count(row)
            self.loadCost = loadCost
            let weight = Float(Int32(truncatingIfNeeded: max(1, farm_get32(&row.pointee.weight))))
            let average = DecayingAverage(word: farm_get64(&row.pointee.latency))
            var load = (Float(Int32(bitPattern: inFlight)) + weight) / weight
            let ratio = farm_get64(&row.pointee.failure_ratio)
            if ratio != 0 {
                load *= 1 + failurePrice * Experience.failureRatio(ratio, atMilliseconds: milliseconds)
            }
            self.load = load
            // Below 0 it is that of a member's first answers (`FirstAnswers`).
            let product = max(0, average.forgotten(atMilliseconds: milliseconds)) * load
            cost = product * product * weight / (Experience.usualInFlight(row) + weight)
        }

        /// Whether it is strictly cheaper than `other`.
        @inline(__always)
        func isCheaper(than other: Standing) -> Bool {
            // A member without a history, or with a short one, is as fast as the other one.
            let known = cost != 0 && other.cost != 0
            let (here, there) = known ? (cost, other.cost) : (load * load, other.load * other.load)
            // Idle members are drawn by load already; to prefer the less loaded of them as well would send it everything
            // until the next report.
            if inFlight | other.inFlight == 0 { return here * (sameLatency * sameLatency) < there }
            // Of a report, which is old when it is used, the root: costs are squares here.
            return here * loadCost < there * other.loadCost
        }
    }
}
