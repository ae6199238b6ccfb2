import CFarm

/// load: members in proportion to weight and against their load.
///
/// The shares are computed when a view is built, as an alias table: choosing is the draw of `random`. `adaptive` draws the
/// members that it compares in the same way.
enum LoadShares {
    /// The units of an alias table that a weight of 1 has at the full share: the largest weight's fit into 32 bits.
    private static let unit = 4_000_000.0

    /// The part of the share of its weight that a member gets, beside the cheapest: no less than a twentieth.
    @inline(__always)
    static func part(cost: Float, cheapest: Float) -> Float { max(Float(RelativeLoad.leastShare), cheapest / cost) }

    /// Fills `units` for `count` positions of these weights: in proportion to weight / (L + m), no share for its weight less
    /// than a twentieth of the largest. `costs` are by farm-local index (`RelativeLoad.cost`), which `order` has for each
    /// position. Of the members that a window covers, if there is one. `idle` gets each member's `Farm.idleChance`, by farm-local
    /// index; the largest is returned.
    static func fill(
        _ units: UnsafeMutablePointer<UInt32>, count: Int, weights: UnsafePointer<UInt32>,
        order: UnsafePointer<UInt32>, costs: UnsafePointer<Float>, window: Window?,
        idle: UnsafeMutablePointer<UInt32>
    ) -> UInt32 {
        var cheapest = Float.infinity
        for at in 0..<count { cheapest = min(cheapest, costs[Int(order[at])]) }
        var whole = 0.0
        var drawn = 0.0
        for at in 0..<count {
            let part = Double(Self.part(cost: costs[Int(order[at])], cheapest: cheapest))
            let weight = Double(weights[at]) * (window?.part(at) ?? 1)
            units[at] = UInt32(max(1, min(Double(UInt32.max), weight * part * unit)))
            whole += weight
            drawn += weight * part
        }
        var largest: UInt32 = 0
        for at in 0..<count {
            let index = Int(order[at])
            let part = Double(Self.part(cost: costs[index], cheapest: cheapest))
            let chance = Farm.idleChance(drawn: drawn / max(1, whole), part: part)
            farm_set32(idle + index, chance)
            largest = max(largest, chance)
        }
        return largest
    }
}
