import CFarm

/// What one process knows of the available members of a farm, prepared so that a choice is a few loads. It is rebuilt
/// when the farm's generation has moved or its deadline has passed.
///
/// A farm has two: one in use, one to build the next in. A thread that was delayed while both were rebuilt may read a
/// mixture; every number it can read is a valid one for this farm (a span is checked as it is read, positions are clamped,
/// indices are only ever those of members), and the member's row is asked before the choice stands, so the worst of it is an odd draw; before a
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
        /// The largest of its members' chances to serve since they are idle (`Farm.idleChance`).
        var idle = Farm.idleChance()
        /// Of all its members together.
        var weight: UInt64 = 0
        /// The largest part of its share that a member gets, when one of them gets less than the whole.
        var largestPart: Float = 1
        var isRamping = false
        var ring = HashRingSlice()

        /// Whether it has members and lies within a farm of so many. Asked once, where it is read: what a delayed thread has
        /// read may be a mixture.
        @inline(__always)
        func isWithin(_ members: Int) -> Bool {
            count > 0 && Int(start) + Int(count) <= members && drawn <= count
        }
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
    /// The chance of each member to serve since it is idle, by farm-local index, where the costs tell members apart.
    let idle: UnsafeMutablePointer<UInt32>
    /// The bits of a member's status that must not be set (`Admission`).
    var mask: UInt32 = .max
    /// The part of its share that each member gets, by farm-local index (`SlowStart`); of spans where one gets less.
    let parts: UnsafeMutablePointer<Float>

    init(memberCount: Int, algorithm: Algorithm) {
        let room = max(1, memberCount)
        ring = HashRing(memberCount: memberCount, isUsed: algorithm == .hash)
        costs = .allocate(capacity: room)
        costs.initialize(repeating: 1, count: room)
        idle = .allocate(capacity: room)
        idle.initialize(repeating: 0, count: room)
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
        idle.deallocate()
        parts.deallocate()
    }
}

extension UnsafeMutablePointer where Pointee == View {
    /// Rebuilds the view from a copy of the rows. One thread at a time, on the view that is not in use.
    func rebuild(from input: ViewInput, generation: UInt64, deadline: UInt64, scratch: ViewScratch) {
        let members = input.members
        // A delayed thread that still reads this view sees that it is none, and takes the other.
        farm_publish64(&pointee.generation, UInt64.max)
        farm_set64(&pointee.deadline, deadline)
        farm_set32(&pointee.mask, input.admission.mask)
        pointee.nextForLoads = input.now &+ UInt64(members.count) &* View.perMember
        pointee.due = View.noMember
        pointee.available = 0
        pointee.spanCount = 0
        let stride = input.algorithm.membersPerRequest != nil ? Aperture.stride(members.count) : 1
        var filled = 0
        // In panic whoever may be had is used, whatever its tier.
        let isPanic = input.admission.isPanic
        let tiers = isPanic ? 1 : members.reduce(UInt32(0)) { $0 | 1 << ($1.tier & 15) }
        for tier in 0..<UInt32(View.tiers) where tiers >> tier & 1 != 0 {
            let start = filled
            for step in 0..<members.count {
                let index = step &* stride % members.count
                guard isPanic || members[index].tier == tier, input.admits(members[index]) else { continue }
                farm_set32(pointee.order + filled, UInt32(index))
                filled += 1
            }
            guard filled > start else { continue }
            pointee.spans[Int(pointee.spanCount)] = View.Span(
                start: UInt32(start), count: UInt32(filled - start), drawn: UInt32(filled - start))
            pointee.spanCount += 1
        }
        pointee.available = UInt32(filled)
        if input.algorithm.asksForLoads { noteLoads(input, scratch) }
        prepareSpans(input, scratch)
        noteParts(input)
        noteTrials(input)
        noteExpiries(input)
        if input.algorithm.countsFarmInFlight { noteStrayed(input) }
        farm_publish64(&pointee.generation, generation)
    }

    /// What the algorithm draws from, tier by tier.
    private func prepareSpans(_ input: ViewInput, _ scratch: ViewScratch) {
        let members = input.members
        let algorithm = input.algorithm
        var sequenceUsed = 0
        var ringBefore: HashRingSlice?
        let halvings =
            algorithm == .hash ? HashRing.halvings(largest: members.reduce(1) { max($0, $1.weight) }) : 0
        for at in 0..<Int(pointee.spanCount) {
            var span = pointee.spans[at]
            let count = Int(span.count)
            let order = UnsafePointer(pointee.order + Int(span.start))
            let weights = UnsafePointer(scratch.weights)
            noteWeights(of: order, count: count, input, scratch)
            for position in 0..<count { span.weight &+= UInt64(weights[position]) }
            let window = narrow(&span, input, scratch)
            let units = noteUnits(of: &span, order, window, scratch)
            AliasTable.build(
                pointee.alias + Int(span.start), count: Int(span.drawn), weights: units, scaled: scratch.words,
                stack: scratch.numbers)
            if algorithm == .roundrobin {
                let length = SmoothSequence.build(
                    pointee.sequence + sequenceUsed, capacity: pointee.sequenceCapacity - sequenceUsed, count: count,
                    weights: weights, scratch: scratch.numbers)
                span.sequenceStart = UInt32(sequenceUsed)
                span.sequenceLength = UInt32(length)
                sequenceUsed += length
            }
            if algorithm == .hash {
                for position in 0..<count { scratch.words[position] = members[Int(order[position])].name }
                span.ring = HashRingSlice.build(
                    pointee.ring, after: ringBefore, members: count, halvings: halvings, weights: weights,
                    names: scratch.words)
                ringBefore = span.ring
            }
            pointee.spans[at] = span
        }
    }

    /// The weights of a span's members, by position.
    private func noteWeights(of order: UnsafePointer<UInt32>, count: Int, _ input: ViewInput, _ scratch: ViewScratch) {
        for position in 0..<count { scratch.weights[position] = input.members[Int(order[position])].weight }
    }

    /// What an alias table draws the members of a span by: their weights, and where it matters, the part that a window
    /// covers, or their loads.
    private func noteUnits(
        of span: inout View.Span, _ order: UnsafePointer<UInt32>, _ window: Window?, _ scratch: ViewScratch
    ) -> UnsafePointer<UInt32> {
        if pointee.loadsMatter {
            span.idle = LoadShares.fill(
                scratch.units, count: Int(span.drawn), weights: scratch.weights, order: order, costs: pointee.costs,
                window: window, idle: pointee.idle)
        } else if let window {
            for at in 0..<window.count { scratch.units[at] = window.units(at, of: scratch.weights[at]) }
        } else {
            return UnsafePointer(scratch.weights)
        }
        return UnsafePointer(scratch.units)
    }

    /// Lets a process draw from a part of a tier with many members: those come first in the span. nil: from all.
    private func narrow(_ span: inout View.Span, _ input: ViewInput, _ scratch: ViewScratch) -> Window? {
        let count = Int(span.count)
        guard count > Aperture.whole, let wanted = input.window else { return nil }
        pointee.deadline = min(pointee.deadline, input.now &+ Aperture.step)
        guard let window = Window(count: count, members: wanted.width, start: wanted.start, weights: scratch.weights)
        else { return nil }
        let order = pointee.order + Int(span.start)
        for at in 0..<count { scratch.numbers[at] = order[at] }
        for at in 0..<count { farm_set32(order + at, scratch.numbers[(at + window.first) % count]) }
        noteWeights(of: order, count: count, input, scratch)
        span.drawn = UInt32(window.count)
        return window
    }

    /// How dear each available member is for its load.
    private func noteLoads(_ input: ViewInput, _ scratch: ViewScratch) {
        let available = Int(pointee.available)
        for at in 0..<available { scratch.loads[at] = input.members[Int(pointee.order[at])].load }
        let loads = RelativeLoad(scratch.loads, count: available)
        pointee.loadsMatter = loads.matters
        guard loads.matters else { return }
        for at in 0..<available { pointee.costs[Int(pointee.order[at])] = Float(loads.cost(scratch.loads[at])) }
    }

    /// Members that come back to their full share step by step.
    private func noteParts(_ input: ViewInput) {
        guard input.slowStart.time != 0 else { return }
        for at in 0..<Int(pointee.spanCount) {
            let order = pointee.order + Int(pointee.spans[at].start)
            var largest: Float = 0
            var smallest: Float = 1
            for position in 0..<Int(pointee.spans[at].count) {
                let part = input.members[Int(order[position])].part
                pointee.parts[Int(order[position])] = part
                largest = max(largest, part)
                smallest = min(smallest, part)
            }
            pointee.spans[at].largestPart = largest
            pointee.spans[at].isRamping = smallest < 1
            if smallest < 1 { pointee.deadline = min(pointee.deadline, input.now &+ input.slowStart.step) }
        }
    }

    /// What hangs at members that are not available gives the others no more room. It goes away without a sign, so the
    /// view is looked over again soon.
    private func noteStrayed(_ input: ViewInput) {
        pointee.strayed = 0
        for member in input.members where !input.admits(member) { pointee.strayed &+= member.inFlight }
        if pointee.strayed > 0 { pointee.deadline = min(pointee.deadline, input.now &+ 100_000) }
    }

    /// The view is out of date when the next member's last update gets too old.
    private func noteExpiries(_ input: ViewInput) {
        guard input.expectsUpdates else { return }
        for member in input.members where member.expiry > input.now {
            pointee.deadline = min(pointee.deadline, member.expiry)
        }
    }

    /// Members that are down: one whose trial may begin now, and when the next one may. Where none is available, the rows are
    /// asked at each request.
    private func noteTrials(_ input: ViewInput) {
        guard pointee.available != 0 else { return }
        for index in 0..<input.members.count {
            let member = input.members[index]
            guard member.state.mayBeTried, member.isIn else { continue }
            if member.nextTrial > input.now {
                pointee.deadline = min(pointee.deadline, member.nextTrial)
            } else if member.limit != 0 && member.inFlight >= member.limit {
                // It still has requests from before; when they have ended it will have room for its trial.
                pointee.deadline = min(pointee.deadline, input.now &+ 20_000)
            } else if pointee.due == View.noMember {
                pointee.due = UInt32(index)
            }
        }
    }
}
