/// load: members in proportion to weight and against their load.
///
/// The shares are computed when a view is built, as an alias table: choosing is the draw of `random`. `adaptive` draws the
/// members that it compares in the same way.
enum LoadShares {
    /// The units of an alias table that a weight of 1 has at the full share: the largest weight's fit into 32 bits.
    private static let unit = 4_000_000.0

    /// Fills `units` for `count` positions of these weights: in proportion to weight / (L + m), no share for its weight less
    /// than a twentieth of the largest. `costs` are by farm-local index (`RelativeLoad.cost`), which `order` has for each
    /// position. Of the members that a window covers, if there is one.
    static func fill(
        _ units: UnsafeMutablePointer<UInt32>, count: Int, weights: UnsafePointer<UInt32>,
        order: UnsafePointer<UInt32>, costs: UnsafePointer<Float>, window: Window?
    ) {
        var cheapest = Float.infinity
        for at in 0..<count { cheapest = min(cheapest, costs[Int(order[at])]) }
        for at in 0..<count {
            let part = max(RelativeLoad.leastShare, Double(cheapest / costs[Int(order[at])]))
            units[at] = UInt32(
                max(1, min(Double(UInt32.max), Double(weights[at]) * part * (window?.part(at) ?? 1) * unit)))
        }
    }
}
