import CFarm

extension Farm {
    /// The member of a tier whose cost for its weight is lowest, among those that will do; nil when none will. Ties are
    /// drawn by weight (reservoir sampling), so that idle members share as their weights say.
    ///
    /// Looks at every member: for the algorithms whose definition asks for it.
    @inline(__always)
    func leastCost(
        _ span: View.Span, _ view: UnsafeMutablePointer<View>, _ wish: Wish, random: RandomSource,
        cost: (MemberRow) -> Double
    ) -> UInt32? {
        var best: UInt32?
        var bestCost = Double.infinity
        var tied: UInt64 = 0
        var word = random.next()
        let mask = farm_get32(&view.pointee.mask)
        for position in 0..<span.count {
            let index = member(at: position, of: span, view)
            let row = members[Int(index)].row
            guard row.state.word & mask == 0, !wish.excludes(index) else { continue }
            let limit = row.pointee.max_inflight
            if limit != 0 && InFlight.count(row) >= limit { continue }
            let weight = max(1, farm_get32(&row.pointee.weight))
            let here = cost(row) / Double(weight)
            if here < bestCost {
                best = index
                bestCost = here
                tied = UInt64(weight)
            } else if here == bestCost {
                tied &+= UInt64(weight)
                word = RandomSource.mixed(word &+ RandomSource.gamma)
                if word % tied < UInt64(weight) { best = index }
            }
        }
        return best
    }
}
