import CFarm

/// What a request asks of a choice.
public struct Wish {
    /// The members this request has already tried, as farm-local indices.
    public var tried: UnsafePointer<UInt32>
    public var triedCount: Int
    public var trials: Trials
    /// The request's key, for an algorithm that wants one (`RequestKey.of`); nil: it has none.
    public var key: UInt64?

    /// When a request tries a member that is down.
    public enum Trials {
        /// It only asks who would serve it.
        case never
        /// It may not be repeated: when no member is available.
        case ifNeeded
        /// It may be repeated: whenever a trial is due.
        case whenDue
    }

    public init(tried: UnsafePointer<UInt32>, triedCount: Int, trials: Trials, key: UInt64? = nil) {
        self.tried = tried
        self.triedCount = triedCount
        self.trials = trials
        self.key = key
    }

    @inline(__always)
    func excludes(_ index: UInt32) -> Bool {
        for at in 0..<triedCount where tried[at] == index { return true }
        return false
    }
}

/// A member chosen, with a place in flight taken there that the caller gives back.
public struct Choice: Equatable {
    /// Farm-local.
    public var index: Int
    /// The one request by which a member that failures put down is tried.
    public var isTrial: Bool
}

extension Farm {
    /// Draws before a tier is looked through.
    static let draws = 4

    /// Chooses a member for a new attempt, or nil when none will do. Takes no lock and allocates nothing.
    public func choose(_ wish: Wish, now: UInt64, random: RandomSource) -> Choice? {
        let choice = chosen(wish, now: now, random: random)
        if algorithm.countsFarmInFlight && choice != nil { _ = farm_add32(&row.pointee.inflight, 1) }
        return choice
    }

    @inline(__always)
    private func chosen(_ wish: Wish, now: UInt64, random: RandomSource) -> Choice? {
        let view = view(now: now)
        if view.pointee.due != View.noMember, let trial = claimTrial(view, wish, now: now) { return trial }
        let spanCount = min(Int(view.pointee.spanCount), View.tiers)
        for at in 0..<spanCount {
            let span = view.pointee.spans[at]
            if let index = pick(from: span, of: view, wish, now: now, random: random) {
                return Choice(index: Int(index), isTrial: false)
            }
        }
        return lastLook(wish, now: now, random: random)
    }

    /// Before a request is refused, the rows themselves are asked, tier by tier: a view may be just being rebuilt, or a
    /// member may have come back this instant.
    @inline(never)
    private func lastLook(_ wish: Wish, now: UInt64, random: RandomSource) -> Choice? {
        guard members.count > 0 else { return nil }
        let start = Int(RandomSource.below(UInt32(members.count), from: random.next()))
        // The tiers that have an available member, one bit each: most farms have one.
        var tiers: UInt32 = 0
        for member in members where freshness.isAvailable(member.row, now: now) {
            tiers |= 1 << (farm_get32(&member.row.pointee.tier) & 15)
        }
        for tier in 0..<UInt32(View.tiers) where tiers >> tier & 1 != 0 {
            for step in 0..<members.count {
                let index = (start + step) % members.count
                let row = members[index].row
                guard farm_get32(&row.pointee.tier) == tier, freshness.isIn(row, now: now), admit(UInt32(index), wish)
                else { continue }
                return Choice(index: index, isTrial: false)
            }
        }
        return nil
    }

    /// Whether the member will do, and if so, with a place taken there. The shared row decides, not the view.
    @inline(__always)
    func admit(_ index: UInt32, _ wish: Wish, atMost bound: UInt32 = 0) -> Bool {
        let member = members[Int(index)]
        return member.row.state.isAvailable && !wish.excludes(index) && InFlight.take(member, atMost: bound)
    }

    /// The member at a position of a span; any position of a mixed-up view gives some member.
    @inline(__always)
    func member(at position: UInt32, of span: View.Span, _ view: UnsafeMutablePointer<View>) -> UInt32 {
        let at = min(Int(span.start &+ position), members.count - 1)
        return farm_get32(view.pointee.order + at)
    }

    @inline(__always)
    private func pick(
        from span: View.Span, of view: UnsafeMutablePointer<View>, _ wish: Wish, now: UInt64,
        random: RandomSource
    ) -> UInt32? {
        guard span.count > 0, Int(span.start) + Int(span.count) <= members.count else { return nil }
        for _ in 0..<Self.draws {
            switch algorithm {
            case .adaptive:
                let (better, worse) = drawAdaptive(span, view, now: now, random: random)
                if admit(better, wish) { return better }
                if worse != better && admit(worse, wish) { return worse }
            case .roundrobin:
                let index = drawRoundRobin(span, view)
                if admit(index, wish) { return index }
            case .random, .load:
                let index = drawRandom(span, view, UInt32(truncatingIfNeeded: random.next()))
                if admit(index, wish) { return index }
            case .busyness:
                guard let index = drawLeastBusy(span, view, wish, random: random) else { return nil }
                if InFlight.take(members[Int(index)]) { return index }
            case .traffic:
                guard let index = drawLeastTraffic(span, view, wish, random: random) else { return nil }
                if InFlight.take(members[Int(index)]) { return index }
            case .hash:
                return pickByHash(from: span, of: view, wish, random: random)
            }
        }
        return lookThrough(span, view, wish, random: random)
    }

    /// The first member of a tier that will do, from a random one on.
    @inline(never)
    func lookThrough(
        _ span: View.Span, _ view: UnsafeMutablePointer<View>, _ wish: Wish,
        random: RandomSource
    ) -> UInt32? {
        let start = RandomSource.below(span.count, from: random.next())
        for step in 0..<span.count {
            let index = member(at: (start &+ step) % span.count, of: span, view)
            if admit(index, wish) { return index }
        }
        return nil
    }

    /// A member that is down and due is tried by a request that may be repeated; by another only when there is no
    /// other hope.
    @inline(never)
    private func claimTrial(_ view: UnsafeMutablePointer<View>, _ wish: Wish, now: UInt64) -> Choice? {
        let index = view.pointee.due
        let mayTry =
            switch wish.trials {
            case .never: false
            case .ifNeeded: view.pointee.available == 0
            case .whenDue: true
            }
        guard mayTry, Int(index) < members.count, !wish.excludes(index) else { return nil }
        let member = members[Int(index)]
        // Whoever gets it, the view is out of date.
        farm_set64(&view.pointee.deadline, 0)
        guard member.row.state.mayBeTried, InFlight.take(member) else { return nil }
        if health.claimTrial(member.row, now: now) { return Choice(index: Int(index), isTrial: true) }
        InFlight.giveBack(member)
        return nil
    }
}
