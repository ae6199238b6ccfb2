/// load: members in proportion to weight and against their load.
///
/// The shares are computed when a view is built, as an alias table: choosing is the draw of `random`. `adaptive` draws the
/// members that it compares in the same way.
extension UnsafeMutablePointer where Pointee == View {
    /// The units of an alias table that a weight of 1 has at the full share: the largest weight's fit into 32 bits.
    private static var unit: Double { 4_000_000 }

    /// Fills the alias table of one tier by load: in proportion to weight / (L + m), no share for its weight less than a
    /// twentieth of the largest. Of the members that a window covers, if there is one.
    func shareByLoad(
        _ span: View.Span, _ window: Window?, costs: UnsafePointer<Float>, weight: (Int) -> UInt32, scratch: ViewScratch
    ) {
        let order = pointee.order + Int(span.start)
        var cheapest = Float.infinity
        for at in 0..<Int(span.drawn) { cheapest = min(cheapest, costs[Int(order[at])]) }
        let parts = { (at: Int) in
            let part = max(RelativeLoad.leastShare, Double(cheapest / costs[Int(order[at])]))
            return UInt32(
                max(1, min(Double(UInt32.max), Double(weight(at)) * part * (window?.part(at) ?? 1) * Self.unit)))
        }
        AliasTable.build(
            pointee.alias + Int(span.start), count: Int(span.drawn), weight: parts, scaled: scratch.words,
            stack: scratch.numbers)
    }
}
