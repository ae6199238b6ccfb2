import CFarm

/// traffic: the fewest bytes moved for its weight.
///
/// Bytes are known only as they move, so a request in flight counts as an average one of its member; otherwise all
/// requests of a burst would go to the same member. A member that joins a farm with a history is credited with bytes it
/// never moved, or it would get every request until it had caught up.
extension Farm {
    @inline(never)
    func drawLeastTraffic(
        _ span: View.Span, _ view: UnsafeMutablePointer<View>, _ wish: Wish?,
        random: RandomSource
    ) -> UInt32? {
        leastCost(span, view, wish, random: random) { Self.traffic($0) }
    }

    /// Bytes moved both ways, with the credit, and those still expected from requests in flight.
    static func traffic(_ row: MemberRow) -> Double {
        let bytes = farm_get64(&row.pointee.bytes_in) &+ farm_get64(&row.pointee.bytes_out)
        let credited = double(bytes &+ farm_get64(&row.pointee.traffic_base))
        let inflight = Double(Int32(bitPattern: InFlight.count(row)))
        if inflight == 0 { return credited }
        let moved = double(bytes)
        let requests = double(farm_get64(&row.pointee.requests))
        // Until it has finished one, a request is worth one byte: enough to tell one in flight from none.
        let average = requests > inflight && moved > 0 ? moved / max(1, requests - inflight) : 1
        return credited + inflight * average
    }

    /// Of what is no more than 2^63, which the processor converts by one instruction.
    @inline(__always)
    private static func double(_ word: UInt64) -> Double { Double(Int64(bitPattern: word)) }

    /// Credits a member that becomes available with what the least used of the others has moved for its weight; of those
    /// others that `counts` says yes to, for several may join at once. Under the row's lock.
    public func creditTraffic(_ index: Int, among counts: (Member) -> Bool = { _ in true }) {
        guard algorithm == .traffic else { return }
        let row = members[index].row
        var least = Double.infinity
        for at in 0..<members.count where at != index && members[at].row.state.isAvailable && counts(members[at]) {
            let other = members[at].row
            least = min(least, Self.traffic(other) / Double(max(1, farm_get32(&other.pointee.weight))))
        }
        guard least.isFinite else { return }
        let missing = least * Double(max(1, row.pointee.weight)) - Self.traffic(row)
        if missing > 0 && missing < 0x1p62 { _ = farm_add64(&row.pointee.traffic_base, UInt64(missing)) }
    }
}
