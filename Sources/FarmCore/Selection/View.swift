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
        /// Where its smooth order is in `sequence`; length 0 when it has none.
        var sequenceStart: UInt32 = 0
        var sequenceLength: UInt32 = 0
    }

    static let noMember = UInt32.max
    static let tiers = 10

    var generation: UInt64 = 0
    /// Monotonic microseconds at which the view is out of date by itself.
    var deadline: UInt64 = 0
    var available: UInt32 = 0
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

    init(memberCount: Int, algorithm: Algorithm) {
        let room = max(1, memberCount)
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
    func rebuild(
        _ members: UnsafeBufferPointer<Member>, algorithm: Algorithm, generation: UInt64, now: UInt64,
        scratch: ViewScratch
    ) {
        // A delayed thread that still reads this view sees that it is none, and takes the other.
        farm_publish64(&pointee.generation, UInt64.max)
        pointee.deadline = UInt64.max
        pointee.due = View.noMember
        pointee.available = 0
        pointee.spanCount = 0
        var filled = 0
        var sequenceUsed = 0
        for tier in 0..<UInt32(View.tiers) {
            let start = filled
            for index in 0..<members.count {
                let row = members[index].row
                // A member whose tier changes meanwhile may be met twice.
                guard filled < members.count, farm_get32(&row.pointee.tier) == tier, row.state.isAvailable else {
                    continue
                }
                farm_set32(pointee.order + filled, UInt32(index))
                filled += 1
            }
            let count = filled - start
            guard count > 0 else { continue }
            let order = pointee.order + start
            let weight = { (at: Int) in max(1, farm_get32(&members[Int(order[at])].row.pointee.weight)) }
            AliasTable.build(
                pointee.alias + start, count: count, weight: weight,
                scaled: scratch.words, stack: scratch.numbers)
            var span = View.Span(start: UInt32(start), count: UInt32(count))
            if algorithm == .roundrobin {
                let length = SmoothSequence.build(
                    pointee.sequence + sequenceUsed, capacity: pointee.sequenceCapacity - sequenceUsed, count: count,
                    weight: weight, scratch: scratch.numbers)
                span.sequenceStart = UInt32(sequenceUsed)
                span.sequenceLength = UInt32(length)
                sequenceUsed += length
            }
            pointee.spans[Int(pointee.spanCount)] = span
            pointee.spanCount += 1
        }
        pointee.available = UInt32(filled)
        noteTrials(members, now: now)
        farm_publish64(&pointee.generation, generation)
    }

    /// Members that are down: one whose trial may begin now, and when the next one may.
    private func noteTrials(_ members: UnsafeBufferPointer<Member>, now: UInt64) {
        for index in 0..<members.count {
            let row = members[index].row
            guard row.state.admin == .on, row.state.isDownByFailures else { continue }
            let at = farm_get64(&row.pointee.retry_at)
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
