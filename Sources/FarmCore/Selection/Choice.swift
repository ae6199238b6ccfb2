import CFarm

/// What a request asks of a choice.
public struct Wish {
    /// The members this request has already tried, as farm-local indices.
    public var tried: UnsafePointer<UInt32>
    public var triedCount: Int
    public var trials: Trials
    /// The request's key, for an algorithm that wants one (`RequestKey.of`); nil: it has none.
    public var key: UInt64?
    /// The member it asks for by name, farm-local; `View.noMember`: none.
    public var named: UInt32
    /// Never another member than that, or the one that stands in for it.
    public var isStrict: Bool
    /// A hash of the module's own cookie that names that member (`pickByTie`); nil: something else names it.
    public var tie: UInt64?
    /// Members whose part of their share is no more than this are passed by.
    var parts: UnsafePointer<Float>?
    var leastPart: Float = 0

    /// When a request tries a member that is down.
    public enum Trials {
        /// It only asks who would serve it, or has a body that has not been read.
        case never
        /// It may not be repeated: when a trial has been due for as long again.
        case whenOverdue
        /// It may be repeated: whenever a trial is due.
        case whenDue

        /// Who asks for the trial; nil: nobody does.
        @inline(__always)
        var asker: PassiveHealth.Asker? {
            switch self {
            case .never: nil
            case .whenOverdue: .other
            case .whenDue: .repeatable
            }
        }
    }

    public init(
        tried: UnsafePointer<UInt32>, triedCount: Int, trials: Trials, key: UInt64? = nil, named: UInt32? = nil,
        isStrict: Bool = false, tie: UInt64? = nil
    ) {
        self.tried = tried
        self.triedCount = triedCount
        self.trials = trials
        self.key = key
        self.named = named ?? View.noMember
        self.isStrict = isStrict
        self.tie = tie
    }

    @inline(__always)
    var excludesNone: Bool { triedCount == 0 && parts == nil }

    /// Whether it says no more than that a member of the farm shall serve it.
    var asksNothing: Bool { excludesNone && key == nil && named == View.noMember && !isStrict }

    @inline(__always)
    func excludes(_ index: UInt32) -> Bool {
        for at in 0..<triedCount where tried[at] == index { return true }
        if let parts { return parts[Int(index)] <= leastPart }
        return false
    }
}

/// A member chosen, with a place in flight taken there that the caller gives back.
public struct Choice: Equatable {
    /// Farm-local.
    public var index: Int
    /// The one request by which a member that failures put down is tried.
    public var isTrial: Bool
    /// It is the member that the request asked for by name, or stands in for it.
    public var isTied = false
    /// A trial while no member of the farm is available, whose failure does not postpone the next one.
    public var isStranded = false
    /// The client is to be tied to this member from now on, because the member that it was tied to is away.
    public var moves = false

    public init(index: Int, isTrial: Bool, isTied: Bool = false, isStranded: Bool = false, moves: Bool = false) {
        self.index = index
        self.isTrial = isTrial
        self.isTied = isTied
        self.isStranded = isStranded
        self.moves = moves
    }
}

extension Farm {
    /// Draws before a tier is looked through.
    static let draws = 4

    /// Chooses a member for a new attempt, or nil when none will do. Takes no lock and allocates nothing.
    public func choose(_ wish: Wish, now: UInt64, random: RandomSource) -> Choice? {
        let view = freshView(now: now) ?? goodView(now: now) ?? renewedView(now: now)
        if let view, wish.asksNothing, let index = firstDraw(from: view, now: now, random: random) {
            return Choice(index: index, isTrial: false)
        }
        return choose(wish, from: view, now: now, random: random)
    }

    /// The same, from a view that the caller has asked for; nil: none will do, and the rows themselves are asked.
    @inline(__always)
    public func choose(
        _ wish: Wish, from view: UnsafeMutablePointer<View>?, now: UInt64, random: RandomSource
    ) -> Choice? {
        let choice =
            if let view { chosen(wish, view, now: now, random: random) } else {
                chosenFromRows(wish, now: now, random: random)
            }
        if algorithm.countsFarmInFlight && choice != nil { _ = farm_add32(&row.pointee.inflight, 1) }
        return choice
    }

    /// The first draw for a request that asks for nothing in particular, with a place in flight taken: what nearly all
    /// requests end with, in straight lines. nil: ask `choose`.
    @inline(__always)
    public func firstDraw(from view: UnsafeMutablePointer<View>, now: UInt64, random: RandomSource) -> Int? {
        guard farm_read32(&row.pointee.admin) == FARM_ADMIN_ON, view.pointee.due == View.noMember,
            view.pointee.spanCount > 0
        else { return nil }
        let span = view.pointee.spans[0]
        guard !span.isRamping, span.isWithin(members.count) else { return nil }
        let index: UInt32
        switch algorithm {
        case .adaptive: index = drawAdaptive(span, view, now: now, random: random).0
        case .roundrobin: index = drawRoundRobin(span, view, passed: 0)
        case .random, .load: index = drawRandom(span, view, UInt32(truncatingIfNeeded: random.next()))
        case .busyness: index = drawLeastBusy(span, view, nil, random: random) ?? View.noMember
        case .traffic: index = drawLeastTraffic(span, view, nil, random: random) ?? View.noMember
        case .hash: return nil
        }
        guard index != View.noMember else { return nil }
        let member = members[Int(index)]
        return member.row.state.word & farm_get32(&view.pointee.mask) == 0 && InFlight.take(member) ? Int(index) : nil
    }

    @inline(__always)
    private func chosen(
        _ wish: Wish, _ view: UnsafeMutablePointer<View>, now: UInt64, random: RandomSource
    ) -> Choice? {
        if wish.named != View.noMember {
            if let choice = serveNamed(view, wish, now: now) {
                return wish.tie == nil ? choice : noteMove(choice, wish, now: now)
            }
            if wish.isStrict { return nil }
        }
        guard farm_read32(&row.pointee.admin) == FARM_ADMIN_ON else { return nil }
        if view.pointee.due != View.noMember, let trial = claimTrial(view, wish, now: now) { return trial }
        let spanCount = min(Int(view.pointee.spanCount), View.tiers)
        if let tie = wish.tie, spanCount > 0 {
            let span = view.pointee.spans[0]
            if span.isWithin(members.count), let choice = pickByTie(tie, from: span, of: view, wish, now: now) {
                return choice
            }
        }
        for at in 0..<spanCount {
            let span = view.pointee.spans[at]
            guard span.isWithin(members.count) else { continue }
            if span.isRamping, let index = pickRamping(from: span, of: view, wish, passed: at, now: now, random: random)
            {
                return Choice(index: Int(index), isTrial: false)
            }
            if let index = pick(from: span, of: view, wish, passed: at, now: now, random: random) {
                return Choice(index: Int(index), isTrial: false)
            }
        }
        return lastLook(wish, now: now, random: random)
    }

    @inline(never)
    private func chosenFromRows(_ wish: Wish, now: UInt64, random: RandomSource) -> Choice? {
        if wish.named != View.noMember {
            if let choice = serveNamed(nil, wish, now: now) {
                return wish.tie == nil ? choice : noteMove(choice, wish, now: now)
            }
            if wish.isStrict { return nil }
        }
        guard farm_read32(&row.pointee.admin) == FARM_ADMIN_ON else { return nil }
        return lastLook(wish, now: now, random: random)
    }

    /// Before a request is refused, the rows themselves are asked, tier by tier: a view may be just being rebuilt, or a
    /// member may have come back this instant.
    @inline(never)
    private func lastLook(_ wish: Wish, now: UInt64, random: RandomSource) -> Choice? {
        guard members.count > 0 else { return nil }
        let start = Int(RandomSource.below(UInt32(members.count), from: random.next()))
        let admission = admission(now: now)
        // The tiers that have an available member, one bit each: most farms have one.
        var tiers: UInt32 = 0
        for member in members where admission.admits(member.row, freshness, now: now) {
            tiers |= 1 << (farm_get32(&member.row.pointee.tier) & 15)
        }
        if admission.isPanic { tiers = 1 }
        for tier in 0..<UInt32(View.tiers) where tiers >> tier & 1 != 0 {
            for step in 0..<members.count {
                let index = (start + step) % members.count
                let row = members[index].row
                guard admission.isPanic || farm_get32(&row.pointee.tier) == tier,
                    admission.admits(row, freshness, now: now), admit(UInt32(index), wish, mask: admission.mask)
                else { continue }
                return Choice(index: index, isTrial: false)
            }
        }
        return tiers == 0 && wish.trials != .never ? anyTrial(wish, from: start, now: now) : nil
    }

    /// A trial of any member that is due, where none is available: a view names one of them only, which somebody else may
    /// have taken.
    private func anyTrial(_ wish: Wish, from start: Int, now: UInt64) -> Choice? {
        for step in 0..<members.count {
            let index = (start + step) % members.count
            let member = members[index]
            guard member.row.state.mayBeTried, freshness.isIn(member.row, now: now), !wish.excludes(UInt32(index)),
                now >= health.nextTrial(member.row, for: .stranded), InFlight.take(member)
            else { continue }
            if health.claimTrial(member.row, now: now, for: .stranded) {
                return Choice(index: index, isTrial: true, isStranded: health.recover != 0)
            }
            InFlight.giveBack(member)
        }
        return nil
    }

    /// Whether the member will do, and if so, with a place taken there. The shared row decides, not the view.
    @inline(__always)
    func admit(_ index: UInt32, _ wish: Wish, mask: UInt32, atMost bound: UInt32 = 0) -> Bool {
        let member = members[Int(index)]
        return member.row.state.word & mask == 0 && !wish.excludes(index) && InFlight.take(member, atMost: bound)
    }

    /// Serves a request by the member that it asks for, or by one that stands in for it; nil when neither will do.
    @inline(never)
    private func serveNamed(_ view: UnsafeMutablePointer<View>?, _ wish: Wish, now: UInt64) -> Choice? {
        let admin = self.admin
        guard admin != .off else { return nil }
        var index = wish.named
        // Members that stand in for one another in a circle are asked once each.
        for step in 0..<members.count {
            guard Int(index) < members.count else { return nil }
            let member = members[Int(index)]
            let state = member.row.state
            if !wish.excludes(index) && freshness.isIn(member.row, now: now) {
                // Those that a draining member would take over are no clients of its own.
                let serves = step == 0 ? state.servesTied : state.isAvailable && admin == .on
                if serves && InFlight.take(member) { return Choice(index: Int(index), isTrial: false, isTied: true) }
                let mayTry = step == 0 ? state.mayBeTriedByTied : state.mayBeTried && admin == .on
                if let asker = wish.trials.asker, mayTry, InFlight.take(member) {
                    let isStranded = hasNobody(view, now: now)
                    if health.claimTrial(
                        member.row, now: now, for: isStranded ? .stranded : asker, isTied: step == 0)
                    {
                        if let view { farm_set64(&view.pointee.deadline, 0) }
                        return Choice(
                            index: Int(index), isTrial: true, isTied: true,
                            isStranded: isStranded && health.recover != 0)
                    }
                    InFlight.giveBack(member)
                }
            }
            index = redirect(index)
        }
        return nil
    }

    /// Whether no member is available, so that one that is down is tried after `recover`.
    private func hasNobody(_ view: UnsafeMutablePointer<View>?, now: UInt64) -> Bool {
        if let view { return view.pointee.available == 0 }
        return !members.contains { freshness.isAvailable($0.row, now: now) }
    }

    /// A choice while members come back to their full share: those whose part is too small for this request are passed
    /// by. The largest part never is, so that a tier is used before the next one all the same.
    @inline(never)
    private func pickRamping(
        from span: View.Span, of view: UnsafeMutablePointer<View>, _ wish: Wish, passed: Int, now: UInt64,
        random: RandomSource
    ) -> UInt32? {
        // A key asks for the same members until they have grown.
        let word = wish.key.map { RandomSource.mixed($0 ^ RandomSource.gamma) } ?? random.next()
        var passing = wish
        passing.parts = UnsafePointer(view.pointee.parts)
        passing.leastPart = span.largestPart * Float(word >> 40) / 0x1p24
        return pick(from: span, of: view, passing, passed: passed, now: now, random: random)
    }

    /// The member at a position of a span; any position of a mixed-up view gives some member.
    @inline(__always)
    func member(at position: UInt32, of span: View.Span, _ view: UnsafeMutablePointer<View>) -> UInt32 {
        let at = min(Int(span.start &+ position), members.count - 1)
        return farm_get32(view.pointee.order + at)
    }

    @inline(__always)
    private func pick(
        from span: View.Span, of view: UnsafeMutablePointer<View>, _ wish: Wish, passed: Int, now: UInt64,
        random: RandomSource
    ) -> UInt32? {
        let mask = farm_get32(&view.pointee.mask)
        for draw in 0..<Self.draws {
            switch algorithm {
            case .adaptive:
                let (better, worse) = drawAdaptive(span, view, now: now, random: random)
                if admit(better, wish, mask: mask) { return better }
                if worse != better && admit(worse, wish, mask: mask) { return worse }
            case .roundrobin:
                // One turn a request: whoever serves instead of a member that is passed by is drawn.
                let index =
                    draw > 0 && wish.parts != nil
                    ? drawRandom(span, view, UInt32(truncatingIfNeeded: random.next()))
                    : drawRoundRobin(span, view, passed: passed)
                if admit(index, wish, mask: mask) { return index }
            case .random, .load:
                let index = drawRandom(span, view, UInt32(truncatingIfNeeded: random.next()))
                if admit(index, wish, mask: mask) { return index }
            case .busyness:
                guard let index = drawLeastBusy(span, view, wish, random: random) else {
                    // A small tier has been looked at as a whole.
                    if span.count <= Self.looked { return nil }
                    continue
                }
                if InFlight.take(members[Int(index)]) { return index }
            case .traffic:
                guard let index = drawLeastTraffic(span, view, wish, random: random) else {
                    // A small tier has been looked at as a whole.
                    if span.count <= Self.looked { return nil }
                    continue
                }
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
        let mask = farm_get32(&view.pointee.mask)
        for step in 0..<span.count {
            let index = member(at: (start &+ step) % span.count, of: span, view)
            if admit(index, wish, mask: mask) { return index }
        }
        return nil
    }

    /// A member that is down and due is tried by a request that may be repeated, and by any other when it is long overdue.
    /// Where no member is available, `lastLook` does it.
    @inline(never)
    private func claimTrial(_ view: UnsafeMutablePointer<View>, _ wish: Wish, now: UInt64) -> Choice? {
        let index = view.pointee.due
        guard let asker = wish.trials.asker, view.pointee.available != 0, Int(index) < members.count,
            !wish.excludes(index)
        else { return nil }
        let member = members[Int(index)]
        guard now >= health.nextTrial(member.row, for: asker) else { return nil }
        // Whoever gets it, the view is out of date.
        farm_set64(&view.pointee.deadline, 0)
        guard member.row.state.mayBeTried, InFlight.take(member) else { return nil }
        if health.claimTrial(member.row, now: now, for: asker) { return Choice(index: Int(index), isTrial: true) }
        InFlight.giveBack(member)
        return nil
    }
}
