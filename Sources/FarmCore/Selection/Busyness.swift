/// busyness: the fewest requests in flight for its weight.
extension Farm {
    @inline(never)
    func drawLeastBusy(
        _ span: View.Span, _ view: UnsafeMutablePointer<View>, _ wish: Wish?,
        random: RandomSource
    ) -> UInt32? {
        leastCost(span, view, wish, random: random) { Double(InFlight.count($0)) }
    }
}
