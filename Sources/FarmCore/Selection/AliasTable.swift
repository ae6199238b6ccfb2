import CFarm

/// Draws a position in proportion to weight with one comparison, whatever the number of positions: Walker's alias
/// method with Vose's construction (IEEE Transactions on Software Engineering 17, 1991).
///
/// Each entry is one word: the high half says how much of its column belongs to the position itself, in 2^32ths, the low
/// half which position has the rest.
enum AliasTable {
    /// Fills `entries` for `count` positions of these weights. `scaled` and `stack` are scratch of the same length.
    static func build(
        _ entries: UnsafeMutablePointer<UInt64>, count: Int, weights: UnsafePointer<UInt32>,
        scaled: UnsafeMutablePointer<UInt64>, stack: UnsafeMutablePointer<UInt32>
    ) {
        var total: UInt64 = 0
        for at in 0..<count { total &+= UInt64(weights[at]) }
        // A column holds `total` units; a position of average weight fills exactly one. The stack grows from the left
        // with the positions that leave room in their column, from the right with those that need more than one.
        var small = 0
        var large = count
        for at in 0..<count {
            scaled[at] = UInt64(weights[at]) &* UInt64(count)
            if scaled[at] < total {
                stack[small] = UInt32(at)
                small += 1
            } else {
                large -= 1
                stack[large] = UInt32(at)
            }
        }
        // Of the columns that are not filled, the average one holds `total`: where one has room, another has too much.
        while small > 0 {
            small -= 1
            let poor = Int(stack[small])
            let rich = Int(stack[large])
            set(entries, poor, keeps: scaled[poor], of: total, else: rich)
            scaled[rich] &-= total &- scaled[poor]
            if scaled[rich] < total {
                large += 1
                stack[small] = UInt32(rich)
                small += 1
            }
        }
        // What is left fills its column, exactly: the arithmetic above is in whole units.
        for at in large..<count { whole(entries, Int(stack[at])) }
    }

    /// The position that 32 random bits name: the whole part of their product with the count is the column, the
    /// fraction decides within it. Off by at most count / 2^32.
    @inline(__always)
    static func draw(_ entries: UnsafePointer<UInt64>, count: UInt32, bits: UInt32) -> UInt32 {
        let product = UInt64(bits) &* UInt64(count)
        let column = UInt32(truncatingIfNeeded: product >> 32)
        let entry = farm_get64(entries + Int(column))
        let other = UInt32(truncatingIfNeeded: entry)
        return (product & 0xFFFF_FFFF) < (entry >> 32) ? column : min(other, count &- 1)
    }

    private static func set(
        _ entries: UnsafeMutablePointer<UInt64>, _ at: Int, keeps part: UInt64, of total: UInt64, else other: Int
    ) {
        // Shares by load are of finer units, whose total may take more than 32 bits; 32 of them are as many as the
        // threshold has.
        let excess = UInt64(max(0, 32 - total.leadingZeroBitCount))
        let threshold = min(0xFFFF_FFFF, ((part >> excess) << 32) / (total >> excess))
        farm_set64(entries + at, threshold << 32 | UInt64(other))
    }

    private static func whole(_ entries: UnsafeMutablePointer<UInt64>, _ at: Int) {
        farm_set64(entries + at, 0xFFFF_FFFF << 32 | UInt64(at))
    }
}
