import CFarm

/// A farm as one process sees it: its shared row, its members, how it chooses, and its two views.
///
/// Lives in memory that the process allocates once and frees at its end; every thread of the process may choose from it
/// at the same time.
public struct Farm {
    public let row: FarmRow
    /// In the order of the configuration.
    public let members: UnsafeMutableBufferPointer<Member>
    public let algorithm: Algorithm
    public let health: PassiveHealth
    public let freshness: Freshness
    let views: UnsafeMutablePointer<View>
    let current: UnsafeMutablePointer<UInt32>
    let rebuilding: UnsafeMutablePointer<UInt32>
    let scratch: ViewScratch

    public init(
        row: FarmRow, members: UnsafeMutableBufferPointer<Member>, algorithm: Algorithm,
        health: PassiveHealth, freshness: Freshness = .off
    ) {
        self.row = row
        self.members = members
        self.algorithm = algorithm
        self.health = health
        self.freshness = freshness
        views = .allocate(capacity: 2)
        for at in 0..<2 { (views + at).initialize(to: View(memberCount: members.count, algorithm: algorithm)) }
        current = .allocate(capacity: 2)
        current.initialize(repeating: 0, count: 2)
        rebuilding = current + 1
        scratch = ViewScratch(memberCount: members.count)
        views[0].generation = UInt64.max
    }

    /// Frees what `init` allocated; not the members, which are the caller's. No thread may use the farm any more.
    public func deallocate() {
        for at in 0..<2 { views[at].deallocate() }
        views.deallocate()
        current.deallocate()
        scratch.deallocate()
    }

    public var constMembers: UnsafeBufferPointer<Member> { UnsafeBufferPointer(members) }

    public func condition(now: UInt64) -> Condition { .of(constMembers, freshness: freshness, now: now) }

    /// Makes every process rebuild its views before its next choice. After a change of a member's state, weight or tier,
    /// or when one that was out has reported.
    public func changed() { _ = farm_add64(&row.pointee.generation, 1 << 32) }

    /// Makes every process rebuild its views soon. After a report of load.
    public func loadChanged() {
        if algorithm.asksForLoads { _ = farm_add64(&row.pointee.generation, 1) }
    }

    /// Gives back a place that a choice took, by this process.
    @inline(__always)
    public func giveBack(_ member: Member) {
        if algorithm.countsFarmInFlight { _ = farm_add32(&row.pointee.inflight, UInt32.max) }
        InFlight.giveBack(member)
    }

    /// The view to choose from, rebuilt first when it is out of date. While another thread is at it, the old one: the
    /// row has the last word on every member it names.
    @inline(__always)
    func view(now: UInt64) -> UnsafeMutablePointer<View> {
        let view = views + Int(farm_read32(current) & 1)
        if farm_read64(&view.pointee.generation) == farm_read64(&row.pointee.generation)
            && now < farm_get64(&view.pointee.deadline)
        {
            return view
        }
        return renewedView(now: now)
    }

    /// Builds the first view, so that no request finds none. Before the process serves.
    public func prepare(now: UInt64) { _ = renewedView(now: now) }

    @inline(never)
    private func renewedView(now: UInt64) -> UnsafeMutablePointer<View> {
        let old = views + Int(farm_read32(current) & 1)
        if isOldByLoadsOnly(old, now: now) && now < farm_get64(&old.pointee.nextForLoads) { return old }
        guard farm_swap32(rebuilding, 0, 1) != 0 else { return views + Int(farm_read32(current) & 1) }
        let next = (farm_read32(current) & 1) ^ 1
        let generation = farm_read64(&row.pointee.generation)
        let view = views + Int(next)
        view.rebuild(
            constMembers, algorithm: algorithm, freshness: freshness, generation: generation, now: now, scratch: scratch
        )
        farm_publish32(current, next)
        farm_publish32(rebuilding, 0)
        return view
    }

    /// Whether nothing but reports of load has happened since the view was built.
    private func isOldByLoadsOnly(_ view: UnsafeMutablePointer<View>, now: UInt64) -> Bool {
        (farm_read64(&view.pointee.generation) ^ farm_read64(&row.pointee.generation)) >> 32 == 0
            && now < farm_get64(&view.pointee.deadline)
    }
}
