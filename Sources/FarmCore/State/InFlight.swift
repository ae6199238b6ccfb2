import CFarm

/// Requests in flight, from the choice to the end of the request.
///
/// A member's count is kept twice: in its row, where every choice reads it, and in a ledger with a cell for each member
/// and process. When a process dies, the parent takes what stands in its cells off the rows. The cell is written first
/// when a request begins and last when it ends, so that a process killed in between leaves a cell too high or right,
/// never a row too high with nothing to show for it; `reconcile` mends the one that such a cell takes off too many.
public enum InFlight {
    /// The requests in flight at a member. A count that a repair has taken below zero for a moment reads as none.
    @inline(__always)
    public static func count(_ row: MemberRow) -> UInt32 { count(word: farm_get32(&row.pointee.inflight)) }

    @inline(__always)
    static func count(word: UInt32) -> UInt32 { Int32(bitPattern: word) < 0 ? 0 : word }

    /// The requests in flight at a farm whose algorithm counts them.
    @inline(__always)
    static func count(_ row: FarmRow) -> UInt32 { UInt32(max(0, Int32(bitPattern: farm_get32(&row.pointee.inflight)))) }

    /// Takes a place at the member; false, and nothing changed, when it is at its limit, or at the one that is given (0:
    /// none). Exact over all processes.
    @inline(__always)
    public static func take(_ member: Member, atMost bound: UInt32 = 0) -> Bool {
        var limit = member.row.pointee.max_inflight
        if bound != 0 && (limit == 0 || bound < limit) { limit = bound }
        _ = farm_add32(member.ledger, 1)
        if limit == 0 {
            _ = farm_add32(&member.row.pointee.inflight, 1)
            return true
        }
        while true {
            let count = farm_get32(&member.row.pointee.inflight)
            if Int32(bitPattern: count) >= Int32(bitPattern: limit) {
                _ = farm_add32(member.ledger, UInt32.max)
                return false
            }
            if farm_swap32(&member.row.pointee.inflight, count, count &+ 1) != 0 { return true }
        }
    }

    /// Gives back a place taken by this process.
    @inline(__always)
    public static func giveBack(_ member: Member) {
        _ = farm_add32(&member.row.pointee.inflight, UInt32.max)
        _ = farm_add32(member.ledger, UInt32.max)
    }

    /// Takes what a dead process left in its cell off the row, and off the farm's where that counts. The parent only,
    /// for a process that is gone.
    public static func forget(_ cell: UnsafeMutablePointer<UInt32>, of row: MemberRow, farm: FarmRow?) {
        let left = farm_get32(cell)
        guard left != 0 else { return }
        farm_set32(cell, 0)
        _ = farm_add32(&row.pointee.inflight, 0 &- left)
        if let farm, farm_get32(&farm.pointee.counts_inflight) != 0 {
            _ = farm_add32(&farm.pointee.inflight, 0 &- left)
        }
    }
}
