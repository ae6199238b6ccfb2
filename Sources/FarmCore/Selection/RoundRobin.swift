import CFarm

/// roundrobin: members in turn, smoothly interleaved by weight. The farm's ticket counter is shared by all processes,
/// so that the turn is one turn and not one for each child.
extension Farm {
    /// `passed`: the tiers without a place that come before this one. Their draws take no turns from its members, or a
    /// request that takes as many turns as it has members would give all of them to one.
    @inline(__always)
    func drawRoundRobin(_ span: View.Span, _ view: UnsafeMutablePointer<View>, passed: Int) -> UInt32 {
        let ticket =
            switch passed {
            case 0: farm_add64(&row.pointee.cursor, 1)
            case 1: farm_add64(&row.pointee.second_cursor, 1)
            default: farm_add64(&row.pointee.further_cursor, 1)
            }
        let length = span.sequenceLength
        if length == 0 || Int(span.sequenceStart) + Int(length) > view.pointee.sequenceCapacity {
            // Too long an order to keep: multiples of the golden ratio fill the line of weights evenly (Weyl), which
            // gives every member its share to within a few turns in any stretch.
            return drawRandom(span, view, UInt32(truncatingIfNeeded: (ticket &* RandomSource.gamma) >> 32))
        }
        let position = farm_get32(view.pointee.sequence + Int(span.sequenceStart) + Int(ticket % UInt64(length)))
        return member(at: min(position, span.count &- 1), of: span, view)
    }
}
