import CFarm

extension Farm {
    /// Of a larger tier so many members are looked at, which stand together from a random place on: the least of sixteen is
    /// among the least of all (Mitzenmacher, IEEE TPDS 12, 2001), and a choice must not grow with the number of members.
    static let looked: UInt32 = 16

    /// The member of a tier whose cost for its weight is lowest, among those that will do of those that are looked at; nil
    /// when none of them will. Ties are drawn by weight (reservoir sampling), so that idle members share as their weights say.
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
        let isLarge = span.count > Self.looked
        var position = isLarge ? RandomSource.below(span.count, from: word) : 0
        for _ in 0..<min(span.count, Self.looked) {
            let index = member(at: position, of: span, view)
            position &+= 1
            if position == span.count { position = 0 }
            let row = members[Int(index)].row
            guard row.state.word & mask == 0, wish.excludesNone || !wish.excludes(index) else { continue }
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
