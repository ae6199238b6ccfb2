/// Something that will happen at a known time.
struct Event {
    enum Kind: UInt8 {
        /// A member is done with a job.
        case done
        /// A member's error page comes.
        case errorPage
        /// A member closes the connection instead of an answer.
        case closed
        /// A probe is back at its balancer.
        case probe
        /// All members measure their load.
        case measure
        /// What one measured reaches the balancers.
        case report
        /// A member becomes available.
        case join
    }

    var time: Time
    /// Events of the same time happen in the order in which they were scheduled, so that a run can be repeated.
    var order: UInt32
    /// A job, a probe, a report or a member.
    var index: UInt32
    var kind: Kind

    @inline(__always)
    static func < (a: Event, b: Event) -> Bool { a.time < b.time || (a.time == b.time && a.order < b.order) }
}

/// Events by time: a binary heap.
struct EventQueue {
    private var heap: ContiguousArray<Event> = []
    private var scheduled: UInt32 = 0

    var next: Event? { heap.first }

    mutating func schedule(_ kind: Event.Kind, _ index: Int, at time: Time) {
        let event = Event(time: time, order: scheduled, index: UInt32(truncatingIfNeeded: index), kind: kind)
        scheduled &+= 1
        heap.append(event)
        heap.withUnsafeMutableBufferPointer { heap in
            var at = heap.count - 1
            while at > 0 {
                let parent = (at - 1) / 2
                guard event < heap[parent] else { break }
                heap[at] = heap[parent]
                at = parent
            }
            heap[at] = event
        }
    }

    mutating func removeNext() {
        guard let last = heap.popLast(), !heap.isEmpty else { return }
        heap.withUnsafeMutableBufferPointer { heap in
            var at = 0
            while true {
                var child = 2 * at + 1
                guard child < heap.count else { break }
                if child + 1 < heap.count && heap[child + 1] < heap[child] { child += 1 }
                guard heap[child] < last else { break }
                heap[at] = heap[child]
                at = child
            }
            heap[at] = last
        }
    }
}
