import CFarm

/// What one process knows of the available members of a farm, prepared so that a choice is a few loads. It is rebuilt
/// when the farm's generation has moved or its deadline has passed.
///
/// A farm has two: one in use, one to build the next in. A thread that was delayed while both were rebuilt may read a
/// mixture; every number it can read is a valid one for this farm (positions are clamped, indices are only ever those
/// of members), and the member's row is asked before the choice stands, so the worst of it is an odd draw; before a
/// request is refused, all rows are asked.
public struct View {
    /// The members of one tier that are available: `count` entries of `order` from `start`.
    struct Span {
        var start: UInt32 = 0
        var count: UInt32 = 0
        /// Of these the first so many are drawn from (`Aperture`).
        var drawn: UInt32 = 0
        /// Where its smooth order is in `sequence`; length 0 when it has none.
        var sequenceStart: UInt32 = 0
        var sequenceLength: UInt32 = 0
        /// Of all its members together.
        var weight: UInt64 = 0
        /// The largest part of its share that a member gets, when one of them gets less than the whole.
        var largestPart: Float = 1
        var isRamping = false
        var ring = HashRingSlice()
    }

    static let noMember = UInt32.max
    static let tiers = 10
    /// Reports of load are worth a rebuild after this many microseconds for each member: it takes a few hundredths of
    /// that, so that views of a large farm whose members report often cost each process a small part of its time.
    static let perMember: UInt64 = 20

    var generation: UInt64 = 0
    /// Monotonic microseconds at which the view is out of date by itself.
    var deadline: UInt64 = 0
    /// Monotonic microseconds before which reports of load are not worth another rebuild.
    var nextForLoads: UInt64 = 0
    var available: UInt32 = 0
    /// Requests in flight at members that are not available, when the view was built; kept for `hash`.
    var strayed: UInt32 = 0
    /// A member that failures put down and whose trial may begin, or `noMember`.
    var due: UInt32 = noMember
    var spanCount: UInt32 = 0
    let spans: UnsafeMutablePointer<Span>
    /// Farm-local member indices, tier by tier.
    let order: UnsafeMutablePointer<UInt32>
    let alias: UnsafeMutablePointer<UInt64>
    /// Positions within their span.
    let sequence: UnsafeMutablePointer<UInt32>
    let sequenceCapacity: Int
    let ring: HashRing
    /// How dear each member is for its load, by farm-local index (`RelativeLoad.cost`); for algorithms that ask for it.
    let costs: UnsafeMutablePointer<Float>
    /// Whether the costs tell members apart.
    var loadsMatter = false
    /// The bits of a member's status that must not be set (`Admission`).
    var mask: UInt32 = .max
    /// The part of its share that each member gets, by farm-local index (`SlowStart`); of spans where one gets less.
    let parts: UnsafeMutablePointer<Float>

    init(memberCount: Int, algorithm: Algorithm) {
        let room = max(1, memberCount)
        ring = HashRing(memberCount: memberCount, isUsed: algorithm == .hash)
        costs = .allocate(capacity: room)
        costs.initialize(repeating: 1, count: room)
        parts = .allocate(capacity: room)
        parts.initialize(repeating: 1, count: room)
        spans = .allocate(capacity: Self.tiers)
        spans.initialize(repeating: Span(), count: Self.tiers)
        order = .allocate(capacity: room)
        order.initialize(repeating: 0, count: room)
        alias = .allocate(capacity: room)
        alias.initialize(repeating: 0, count: room)
        sequenceCapacity = algorithm == .roundrobin ? SmoothSequence.longest : 1
        sequence = .allocate(capacity: sequenceCapacity)
        sequence.initialize(repeating: 0, count: sequenceCapacity)
    }

    func deallocate() {
        spans.deallocate()
        order.deallocate()
        alias.deallocate()
        sequence.deallocate()
        ring.deallocate()
        costs.deallocate()
        parts.deallocate()
    }
}

/// Scratch for one rebuild at a time.
struct ViewScratch {
    let words: UnsafeMutablePointer<UInt64>
    let numbers: UnsafeMutablePointer<UInt32>

    init(memberCount: Int) {
        words = .allocate(capacity: max(1, memberCount))
        numbers = .allocate(capacity: max(1, memberCount))
    }

    func deallocate() {
        words.deallocate()
        numbers.deallocate()
    }
}

extension UnsafeMutablePointer where Pointee == View {
    /// Rebuilds the view from the rows as they are now. One thread at a time, on the view that is not in use.
    func rebuild(_ farm: Farm, generation: UInt64, now: UInt64, deadline: UInt64, scratch: ViewScratch) {
        let members = farm.constMembers
        let freshness = farm.freshness
        let admission = farm.admission(now: now)
        // A delayed thread that still reads this view sees that it is none, and takes the other.
        farm_publish64(&pointee.generation, UInt64.max)
        farm_set64(&pointee.deadline, deadline)
        farm_set32(&pointee.mask, admission.mask)
        pointee.nextForLoads = now &+ UInt64(members.count) &* View.perMember
        pointee.due = View.noMember
        pointee.available = 0
        pointee.spanCount = 0
        let stride = farm.algorithm.membersPerRequest != nil ? Aperture.stride(members.count) : 1
        var filled = 0
        // In panic whoever may be had is used, whatever its tier.
        let tiers =
            admission.isPanic ? 1 : members.reduce(UInt32(0)) { $0 | 1 << (farm_get32(&$1.row.pointee.tier) & 15) }
        for tier in 0..<UInt32(View.tiers) where tiers >> tier & 1 != 0 {
            let start = filled
            for step in 0..<members.count {
                let index = step &* stride % members.count
                let row = members[index].row
                // A member whose tier changes meanwhile may be met twice.
                guard filled < members.count, admission.isPanic || farm_get32(&row.pointee.tier) == tier,
                    admission.admits(row, freshness, now: now)
                else { continue }
                farm_set32(pointee.order + filled, UInt32(index))
                filled += 1
            }
            guard filled > start else { continue }
            pointee.spans[Int(pointee.spanCount)] = View.Span(
                start: UInt32(start), count: UInt32(filled - start), drawn: UInt32(filled - start))
            pointee.spanCount += 1
        }
        pointee.available = UInt32(filled)
        if farm.algorithm.asksForLoads { noteLoads(members, freshness, now: now) }
        prepareSpans(farm, scratch, now: now)
        noteParts(members, farm.slowStart, now: now)
        noteTrials(farm, now: now)
        noteExpiries(members, freshness, now: now)
        if farm.algorithm.countsFarmInFlight { noteStrayed(members, admission, freshness, now: now) }
        farm_publish64(&pointee.generation, generation)
    }

    /// What the algorithm draws from, tier by tier.
    private func prepareSpans(_ farm: Farm, _ scratch: ViewScratch, now: UInt64) {
        let members = farm.constMembers
        let algorithm = farm.algorithm
        var sequenceUsed = 0
        var ringBefore: HashRingSlice?
        let halvings =
            algorithm == .hash
            ? HashRing.halvings(memberCount: members.count) { max(1, farm_get32(&members[$0].row.pointee.weight)) } : 0
        for at in 0..<Int(pointee.spanCount) {
            var span = pointee.spans[at]
            let count = Int(span.count)
            let order = pointee.order + Int(span.start)
            let weight = { (at: Int) in max(1, farm_get32(&members[Int(order[at])].row.pointee.weight)) }
            for position in 0..<count { span.weight &+= UInt64(weight(position)) }
            let window = algorithm.membersPerRequest.flatMap {
                narrow(&span, farm, each: $0, scratch, now: now, weight: weight)
            }
            if algorithm.asksForLoads && pointee.loadsMatter {
                shareByLoad(span, window, costs: pointee.costs, weight: weight, scratch: scratch)
            } else if let window {
                AliasTable.build(
                    pointee.alias + Int(span.start), count: window.count,
                    weight: { window.units($0, of: weight($0)) },
                    scaled: scratch.words, stack: scratch.numbers)
            } else {
                AliasTable.build(
                    pointee.alias + Int(span.start), count: count, weight: weight, scaled: scratch.words,
                    stack: scratch.numbers)
            }
            if algorithm == .roundrobin {
                let length = SmoothSequence.build(
                    pointee.sequence + sequenceUsed, capacity: pointee.sequenceCapacity - sequenceUsed, count: count,
                    weight: weight, scratch: scratch.numbers)
                span.sequenceStart = UInt32(sequenceUsed)
                span.sequenceLength = UInt32(length)
                sequenceUsed += length
            }
            if algorithm == .hash {
                span.ring = HashRingSlice.build(
                    pointee.ring, after: ringBefore, members: count, halvings: halvings, weight: weight,
                    name: { RequestKey.hash(ByteWriter.bytes(of: farm_member_row_name(members[Int(order[$0])].row))) })
                ringBefore = span.ring
            }
            pointee.spans[at] = span
        }
    }

    /// Lets a process draw from a part of a tier with many members: those come first in the span. nil: from all.
    private func narrow(
        _ span: inout View.Span, _ farm: Farm, each perRequest: Int, _ scratch: ViewScratch, now: UInt64,
        weight: (Int) -> UInt32
    ) -> Window? {
        let count = Int(span.count)
        guard count > Aperture.whole else { return nil }
        var inFlight: UInt32 = 0
        for member in farm.members { inFlight &+= farm_get32(member.ledger) }
        guard let wanted = farm.window(inFlight: inFlight, each: perRequest, now: now) else { return nil }
        pointee.deadline = min(pointee.deadline, now &+ Aperture.step)
        guard let window = Window(count: count, members: wanted.width, start: wanted.start, weight: weight) else {
            return nil
        }
        let order = pointee.order + Int(span.start)
        for at in 0..<count { scratch.numbers[at] = order[at] }
        for at in 0..<count { farm_set32(order + at, scratch.numbers[(at + window.first) % count]) }
        span.drawn = UInt32(window.count)
        return window
    }

    /// How dear each available member is for its load.
    private func noteLoads(_ members: UnsafeBufferPointer<Member>, _ freshness: Freshness, now: UInt64) {
        let available = Int(pointee.available)
        let load = { (at: Int) in freshness.load(members[Int(pointee.order[at])].row, now: now) }
        let loads = RelativeLoad(count: available, load: load)
        pointee.loadsMatter = loads.matters
        guard loads.matters else { return }
        for at in 0..<available { pointee.costs[Int(pointee.order[at])] = Float(loads.cost(load(at))) }
    }

    /// Members that come back to their full share step by step.
    private func noteParts(_ members: UnsafeBufferPointer<Member>, _ slowStart: SlowStart, now: UInt64) {
        guard slowStart.time != 0 else { return }
        for at in 0..<Int(pointee.spanCount) {
            let order = pointee.order + Int(pointee.spans[at].start)
            var largest: Float = 0
            var smallest: Float = 1
            for position in 0..<Int(pointee.spans[at].count) {
                let part = slowStart.part(members[Int(order[position])].row, now: now)
                pointee.parts[Int(order[position])] = part
                largest = max(largest, part)
                smallest = min(smallest, part)
            }
            pointee.spans[at].largestPart = largest
            pointee.spans[at].isRamping = smallest < 1
            if smallest < 1 { pointee.deadline = min(pointee.deadline, now &+ slowStart.step) }
        }
    }

    /// What hangs at members that are not available gives the others no more room. It goes away without a sign, so the
    /// view is looked over again soon.
    private func noteStrayed(
        _ members: UnsafeBufferPointer<Member>, _ admission: Admission, _ freshness: Freshness, now: UInt64
    ) {
        pointee.strayed = 0
        for member in members where !admission.admits(member.row, freshness, now: now) {
            pointee.strayed &+= InFlight.count(member.row)
        }
        if pointee.strayed > 0 { pointee.deadline = min(pointee.deadline, now &+ 100_000) }
    }

    /// The view is out of date when the next member's last update gets too old.
    private func noteExpiries(_ members: UnsafeBufferPointer<Member>, _ freshness: Freshness, now: UInt64) {
        guard freshness.expect != 0 else { return }
        for member in members {
            let expiry = freshness.expiry(member.row)
            if expiry > now { pointee.deadline = min(pointee.deadline, expiry) }
        }
    }

    /// Members that are down: one whose trial may begin now, and when the next one may. Where none is available, the rows are
    /// asked at each request.
    private func noteTrials(_ farm: Farm, now: UInt64) {
        guard pointee.available != 0 else { return }
        let members = farm.constMembers
        for index in 0..<members.count {
            let row = members[index].row
            guard row.state.mayBeTried, farm.freshness.isIn(row, now: now) else { continue }
            let at = farm.health.nextTrial(row, for: .repeatable)
            let limit = farm_get32(&row.pointee.max_inflight)
            if at > now {
                pointee.deadline = min(pointee.deadline, at)
            } else if limit != 0 && InFlight.count(row) >= limit {
                // It still has requests from before; when they have ended it will have room for its trial.
                pointee.deadline = min(pointee.deadline, now &+ 20_000)
            } else if pointee.due == View.noMember {
                pointee.due = UInt32(index)
            }
        }
    }
}
