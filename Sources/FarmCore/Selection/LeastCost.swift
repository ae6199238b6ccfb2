import CFarm

extension Farm {
    /// A tier of so many members is looked at as a whole.
    static let looked: UInt32 = 16
    /// Of a larger tier so many members are looked at, which stand together from a random place on: the least of eight is
    /// among the least of all (Mitzenmacher, IEEE TPDS 12, 2001), and a choice must not grow with the number of members.
    static let sampled: UInt32 = 8

    /// The member of a tier whose cost for its weight is lowest, among those that will do of those that are looked at; nil
    /// when none of them will. Ties are drawn by weight (reservoir sampling), so that idle members share as their weights say.
    @inline(__always)
    func leastCost(
        _ span: View.Span, _ view: UnsafeMutablePointer<View>, _ wish: Wish?, random: RandomSource,
        cost: (MemberRow) -> Double
    ) -> UInt32? {
        var best = View.noMember
        // Costs are compared without dividing by the weights: here / weight < bestCost / bestWeight.
        var bestCost = Double.infinity
        var bestWeight = 1.0
        var tied: UInt64 = 0
        let word = random.next()
        var draws = UInt32(truncatingIfNeeded: word)
        let mask = farm_get32(&view.pointee.mask)
        let isLarge = span.count > Self.looked
        let order = view.pointee.order + Int(span.start)
        var position = isLarge ? Int(RandomSource.below(span.count, from: word)) : 0
        var left = isLarge ? Self.sampled : span.count
        while left > 0 {
            left &-= 1
            let index = farm_get32(order + position)
            position &+= 1
            if position == Int(span.count) { position = 0 }
            let row = members[Int(index)].row
            guard row.state.word & mask == 0, wish?.excludes(index) != true else { continue }
            let limit = row.pointee.max_inflight
            if limit != 0 && InFlight.count(row) >= limit { continue }
            let weight = max(1, farm_get32(&row.pointee.weight))
            let cost = cost(row)
            let here = cost * bestWeight
            let there = bestCost * Double(weight)
            if here < there {
                best = index
                bestCost = cost
                bestWeight = Double(weight)
                tied = UInt64(weight)
            } else if here == there {
                tied &+= UInt64(weight)
                // The high bits of a linear congruential generator's word will do for draws among so few.
                draws = draws &* 1_664_525 &+ 1_013_904_223
                if (UInt64(draws) &* tied) >> 32 < UInt64(weight) { best = index }
            }
        }
        return best == View.noMember ? nil : best
    }
}
