import CFarm

/// A ring of the members of a tier for consistent hashing. Each member has points on a circle of 2^32 places, as many as
/// its weight asks for, and their places follow from its name alone: whoever comes or goes, the others' points stay, in
/// every process and on every httpd.
///
/// A key is looked up by several probes, and the point that follows one of them most closely wins (multi-probe consistent
/// hashing, Appleton and O'Reilly, arXiv 1505.00062, 2015), which evens out the uneven arcs of a ring with few points.
/// When a member goes, the closest of the rest is who was second, so only its own keys move.
struct HashRing {
    static let probes = 8
    /// Points of a weight of 1. With 8 probes the share of a member varies by 3 % (the deviation of 1 - exp(-8x) over arcs
    /// x, by the root of 64).
    static let pointsPerWeight: UInt64 = 64
    /// Where the largest weight would have more, every member has half as many, again and again. That moves about half of
    /// the keys, so it goes by the largest weight alone, which seldom passes a power of two, and not by how many members
    /// there are.
    static let mostPoints = 512

    /// Place in the high half, the member's position in its tier in the low one; ascending.
    let points: UnsafeMutablePointer<UInt64>
    /// For each part of the circle, the number of points before it; one more than there are parts.
    let firsts: UnsafeMutablePointer<UInt32>
    let capacity: Int
    let partCapacity: Int

    /// Room for the rings of all tiers of a farm. Only what a ring fills is ever touched.
    init(memberCount: Int, isUsed: Bool) {
        capacity = isUsed ? Self.mostPoints * max(1, memberCount) : 1
        partCapacity = isUsed ? 2 * capacity + View.tiers * (Self.fewestParts + 1) : 1
        points = .allocate(capacity: capacity)
        firsts = .allocate(capacity: partCapacity)
    }

    func deallocate() {
        points.deallocate()
        firsts.deallocate()
    }

    static let fewestParts = 16

    /// How many parts a ring of so many points has: a power of two, so that a part has about one point.
    static func parts(of points: Int) -> Int {
        var parts = fewestParts
        while parts < points { parts *= 2 }
        return parts
    }

    /// How often the points of a farm are halved, by the largest weight of all of its members, available or not, so that
    /// points stay when one goes.
    static func halvings(largest: UInt32) -> UInt64 {
        var halvings: UInt64 = 0
        while pointCount(largest, halvings) > mostPoints { halvings += 1 }
        return halvings
    }

    static func pointCount(_ weight: UInt32, _ halvings: UInt64) -> Int {
        max(1, Int((UInt64(weight) &* pointsPerWeight) >> halvings))
    }
}

/// The ring of one tier, in use.
struct HashRingSlice {
    /// Where its points and parts begin.
    var start: UInt32 = 0
    var partsStart: UInt32 = 0
    var count: UInt32 = 0
    /// The bits of a place that name its part are the highest; 32 less their number.
    var shift: UInt32 = 28

    /// Where the next tier's begins.
    var end: UInt32 { start &+ count }
    var partsEnd: UInt32 { partsStart &+ (1 << (32 &- shift)) &+ 1 }

    /// Builds the ring of `members` positions after that of the tier before, from their weights and the hashes of their
    /// names. Where `halvings` is not of these weights, there may be no room for it, and it is empty.
    static func build(
        _ ring: HashRing, after before: HashRingSlice?, members: Int, halvings: UInt64,
        weights: UnsafePointer<UInt32>, names: UnsafePointer<UInt64>
    ) -> HashRingSlice {
        func count(_ at: Int) -> Int { HashRing.pointCount(weights[at], halvings) }
        var slice = HashRingSlice(start: before?.end ?? 0, partsStart: before?.partsEnd ?? 0)
        let wanted = (0..<members).reduce(0) { $0 &+ count($1) }
        let parts = HashRing.parts(of: wanted)
        guard Int(slice.start) + wanted <= ring.capacity, Int(slice.partsStart) + parts < ring.partCapacity else {
            return slice
        }
        slice.shift = UInt32(32 - parts.trailingZeroBitCount)
        let shift = slice.shift
        let points = ring.points + Int(slice.start)
        let firsts = ring.firsts + Int(slice.partsStart)
        // Sorted by part (counting), then within each part by hand: it holds about one.
        for part in 0...parts { firsts[part] = 0 }
        forEachPoint(members, count, names) { place, _ in firsts[Int(place >> shift) + 1] &+= 1 }
        for part in 0..<parts { firsts[part + 1] &+= firsts[part] }
        forEachPoint(members, count, names) { place, position in
            // What is the end of a part moves down to its beginning as the part fills.
            firsts[Int(place >> shift) + 1] &-= 1
            let at = Int(firsts[Int(place >> shift) + 1])
            farm_set64(points + at, UInt64(place) << 32 | UInt64(position))
        }
        for part in 0..<parts { farm_set32(firsts + part, firsts[part + 1]) }
        farm_set32(firsts + parts, UInt32(wanted))
        for part in 0..<parts { sort(points, from: Int(firsts[part]), to: Int(firsts[part + 1])) }
        slice.count = UInt32(wanted)
        return slice
    }

    private static func forEachPoint(
        _ members: Int, _ count: (Int) -> Int, _ names: UnsafePointer<UInt64>, _ body: (UInt32, Int) -> Void
    ) {
        for position in 0..<members {
            var state = names[position]
            for _ in 0..<count(position) {
                state = state &+ RandomSource.gamma
                body(UInt32(truncatingIfNeeded: RandomSource.mixed(state) >> 32), position)
            }
        }
    }

    private static func sort(_ points: UnsafeMutablePointer<UInt64>, from: Int, to: Int) {
        var at = from + 1
        while at < to {
            let point = points[at]
            var hole = at
            while hole > from && points[hole - 1] > point {
                farm_set64(points + hole, points[hole - 1])
                hole -= 1
            }
            farm_set64(points + hole, point)
            at += 1
        }
    }

    /// Where in the ring the point is that a key's probe comes closest to. Any number of a ring that is being rebuilt is
    /// clamped into it.
    ///
    /// `skips` says of a member's position that its points do not count, as if the member were not there.
    @inline(__always)
    func find(_ ring: HashRing, key: UInt64, skips: (UInt32) -> Bool = { _ in false }) -> UInt32 {
        var best: UInt32 = 0
        var bestDistance = UInt32.max
        var state = key
        for _ in 0..<HashRing.probes {
            state = state &+ RandomSource.gamma
            let probe = UInt32(truncatingIfNeeded: RandomSource.mixed(state) >> 32)
            var at = after(ring, probe)
            for _ in 0..<count {
                guard skips(position(ring, at: at)) else { break }
                at = at &+ 1 < count ? at &+ 1 : 0
            }
            let distance = place(ring, at) &- probe
            if distance < bestDistance {
                best = at
                bestDistance = distance
            }
        }
        return best
    }

    /// The first point at or after a place, around the circle.
    @inline(__always)
    private func after(_ ring: HashRing, _ wanted: UInt32) -> UInt32 {
        let part = min(Int(partsStart &+ (wanted >> shift)), ring.partCapacity - 1)
        var at = farm_get32(ring.firsts + part)
        while at < count && place(ring, at) < wanted { at &+= 1 }
        return at < count ? at : 0
    }

    @inline(__always)
    private func place(_ ring: HashRing, _ at: UInt32) -> UInt32 {
        UInt32(truncatingIfNeeded: point(ring, at) >> 32)
    }

    @inline(__always)
    private func point(_ ring: HashRing, _ at: UInt32) -> UInt64 {
        farm_get64(ring.points + min(Int(start &+ at), ring.capacity - 1))
    }

    /// The tier's position of the member that a point belongs to.
    @inline(__always)
    func position(_ ring: HashRing, at: UInt32) -> UInt32 { UInt32(truncatingIfNeeded: point(ring, at)) }
}
