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
    let views: UnsafeMutablePointer<View>
    let current: UnsafeMutablePointer<UInt32>
    /// What a choice from a view asks for seldom, behind a pointer: a farm is copied to the stack by each choice.
    private let rest: UnsafeMutablePointer<Rest>

    private struct Rest {
        let health: PassiveHealth
        let freshness: Freshness
        let slowStart: SlowStart
        let panic: UInt32
        let redirects: UnsafeMutablePointer<UInt32>
        /// Hashes of the members' names.
        let nameKeys: UnsafeMutablePointer<UInt64>
        let scratch: ViewScratch
        var aperture = Aperture()
    }

    public init(
        row: FarmRow, members: UnsafeMutableBufferPointer<Member>, algorithm: Algorithm,
        health: PassiveHealth, freshness: Freshness = .off, slowStart: SlowStart = .off, panic: UInt32 = 0
    ) {
        self.row = row
        self.members = members
        self.algorithm = algorithm
        let redirects = UnsafeMutablePointer<UInt32>.allocate(capacity: max(1, members.count))
        redirects.initialize(repeating: View.noMember, count: max(1, members.count))
        let nameKeys = UnsafeMutablePointer<UInt64>.allocate(capacity: max(1, members.count))
        nameKeys.initialize(repeating: 0, count: max(1, members.count))
        for at in 0..<members.count {
            nameKeys[at] = RandomSource.mixed(
                RequestKey.hash(ByteWriter.bytes(of: farm_member_row_name(members[at].row))))
        }
        views = .allocate(capacity: 2)
        for at in 0..<2 { (views + at).initialize(to: View(memberCount: members.count, algorithm: algorithm)) }
        current = .allocate(capacity: 2)
        current.initialize(repeating: 0, count: 2)
        rest = .allocate(capacity: 1)
        rest.initialize(
            to: Rest(
                health: health, freshness: freshness, slowStart: slowStart, panic: panic, redirects: redirects,
                nameKeys: nameKeys, scratch: ViewScratch(memberCount: members.count)))
        views[0].generation = UInt64.max
    }

    /// Frees what `init` allocated; not the members, which are the caller's. No thread may use the farm any more.
    public func deallocate() {
        for at in 0..<2 { views[at].deallocate() }
        views.deallocate()
        current.deallocate()
        rest.pointee.redirects.deallocate()
        rest.pointee.nameKeys.deallocate()
        rest.pointee.scratch.deallocate()
        rest.deallocate()
    }

    /// The same farm over copies of its rows, for questions about one moment. It has only borrowed what `deallocate` frees,
    /// and nobody may choose from it.
    public func over(_ row: FarmRow, _ members: UnsafeMutableBufferPointer<Member>) -> Farm {
        Farm(copyOf: self, row: row, members: members)
    }

    private init(copyOf farm: Farm, row: FarmRow, members: UnsafeMutableBufferPointer<Member>) {
        self.row = row
        self.members = members
        algorithm = farm.algorithm
        views = farm.views
        current = farm.current
        rest = farm.rest
    }

    @inline(__always)
    public var health: PassiveHealth { rest.pointee.health }
    @inline(__always)
    public var freshness: Freshness { rest.pointee.freshness }
    @inline(__always)
    public var slowStart: SlowStart { rest.pointee.slowStart }
    /// While fewer percent of the members that are wanted are available, all of those are used; 0: never.
    @inline(__always)
    public var panic: UInt32 { rest.pointee.panic }
    /// Farm-local, by farm-local index: who serves what asks for a member by name that is not available.
    private var redirects: UnsafeMutablePointer<UInt32> { rest.pointee.redirects }
    /// 1 while a thread makes the next view.
    @inline(__always)
    var rebuilding: UnsafeMutablePointer<UInt32> { current + 1 }
    private var scratch: ViewScratch { rest.pointee.scratch }

    /// How many members this process wants to draw from, and where its window begins (`Aperture`); nil: it draws from all.
    private func window(now: UInt64) -> (width: Int, start: UInt32)? {
        guard members.count > Aperture.whole, let each = algorithm.membersPerRequest else { return nil }
        var inFlight: UInt32 = 0
        for member in members { inFlight &+= farm_get32(member.ledger) }
        guard let width = rest.pointee.aperture.width(inFlight: inFlight, each: each, now: now) else { return nil }
        return (width, rest.pointee.aperture.start(now: now))
    }

    public var constMembers: UnsafeBufferPointer<Member> { UnsafeBufferPointer(members) }

    public func condition(now: UInt64) -> Condition {
        .of(constMembers, admin: admin, freshness: freshness, panic: panic, now: now)
    }

    /// A hash of a member's name, the same on every httpd.
    @inline(__always)
    func nameKey(_ index: Int) -> UInt64 { rest.pointee.nameKeys[index] }

    /// What the administrator wants of the farm as a whole.
    @inline(__always)
    public var admin: Admin { Admin(rawValue: farm_read32(&row.pointee.admin)) ?? .off }

    /// Whether a member is available, as long as the farm itself is on.
    public func isAvailable(_ member: MemberRow, now: UInt64) -> Bool {
        admin == .on && freshness.isAvailable(member, now: now)
    }

    func admission(now: UInt64) -> Admission {
        .of(constMembers, freshness: freshness, panic: panic, now: now)
    }

    /// Lets this process draw from a part of the farm at a time, when it is large: which part goes by the process's slot.
    /// Before it chooses.
    public func setSlot(_ slot: UInt32) { rest.pointee.aperture = Aperture(slot: slot) }

    /// Lets a member stand in for another that is asked for by name and not available; both farm-local. Before the farm
    /// is used.
    public func setRedirect(_ index: Int, to other: UInt32) { redirects[index] = other }

    /// Who stands in for a member; `View.noMember` when nobody does.
    func redirect(_ index: UInt32) -> UInt32 { redirects[Int(index)] }

    /// Makes every process rebuild its views before its next choice. After a change of a member's state, weight or tier,
    /// or when one that was out has reported.
    public func changed() { Self.changed(row) }

    /// The same of a row alone.
    public static func changed(_ row: FarmRow) { _ = farm_add64_publish(&row.pointee.generation, 1 << 32) }

    /// Makes every process rebuild its views soon. After a report of load.
    public func loadChanged() {
        if algorithm.asksForLoads { _ = farm_add64_publish(&row.pointee.generation, 1) }
    }

    /// Gives back a place that a choice took, by this process.
    @inline(__always)
    public func giveBack(_ member: Member) {
        if algorithm.countsFarmInFlight { _ = farm_add32(&row.pointee.inflight, UInt32.max) }
        InFlight.giveBack(member)
    }

    /// The view to choose from; nil when it is out of date.
    @inline(__always)
    public func freshView(now: UInt64) -> UnsafeMutablePointer<View>? {
        let view = views + Int(farm_read32(current) & 1)
        return farm_read64(&view.pointee.generation) == farm_read64(&row.pointee.generation)
            && now < farm_get64(&view.pointee.deadline) ? view : nil
    }

    /// The view to choose from, made first when there is none that will do.
    func view(now: UInt64) -> UnsafeMutablePointer<View> {
        freshView(now: now) ?? goodView(now: now) ?? renewedView(now: now) ?? oldView
    }

    private var oldView: UnsafeMutablePointer<View> { views + Int(farm_read32(current) & 1) }

    /// Whether a view that is out of date may be used while the next one is made. One of a panic admits members that are down,
    /// and the panic may be over.
    private func oldWillDo(_ view: UnsafeMutablePointer<View>) -> Bool {
        (freshness.expect == 0 || freshness.ignores) && farm_get32(&view.pointee.mask) == Admission.usual.mask
    }

    /// The view to choose from, rebuilt when it is out of date. While another thread is at it, the old one, or nil where that
    /// will not do: the row has the last word on every member that a view names, but it is the view that knows who has not
    /// reported in time, and whether there is a panic. `deadline`: when it is out of date whatever else happens.
    @inline(never)
    public func renewedView(now: UInt64, deadline: UInt64 = .max) -> UnsafeMutablePointer<View>? {
        guard farm_swap32(rebuilding, 0, 1) != 0 else {
            let old = oldView
            return oldWillDo(old) ? old : nil
        }
        let next = (farm_read32(current) & 1) ^ 1
        let generation = farm_read64(&row.pointee.generation)
        let view = views + Int(next)
        var input = ViewInput(self, now: now, into: scratch.inputs)
        input.window = window(now: now)
        view.rebuild(from: input, generation: generation, deadline: deadline, scratch: scratch)
        farm_publish32(current, next)
        farm_publish32(rebuilding, 0)
        return view
    }

    /// The view that there is, when nothing but reports of load has happened since it was built and they are not worth
    /// another one yet; and while another thread is at the next one.
    public func goodView(now: UInt64) -> UnsafeMutablePointer<View>? {
        let view = views + Int(farm_read32(current) & 1)
        if farm_get32(rebuilding) != 0 && oldWillDo(view) { return view }
        let changes = farm_read64(&view.pointee.generation) ^ farm_read64(&row.pointee.generation)
        return changes >> 32 == 0 && now < farm_get64(&view.pointee.deadline)
            && now < farm_get64(&view.pointee.nextForLoads) ? view : nil
    }
}
