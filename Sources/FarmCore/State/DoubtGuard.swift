import CFarm

/// When doubtful failures may put a member down. A page that breaks every member must leave the farm to the other clients; a
/// farm whose members all fail must still become `down`, so that its FarmRedirect or FarmForward is used.
public struct DoubtGuard {
    /// Members that the administrator wants.
    var wanted: UInt32 = 0
    /// Those of them that are down, for whatever reason.
    var down: UInt32 = 0
    /// Those of them that are available.
    var available: UInt32 = 0
    /// Whether no member has completed an answer for `retry`.
    var isSilent = true

    /// Looks at the members of a farm. Linear in their number; not for the path of a request. Any thread, without a lock.
    public init(
        _ members: UnsafeBufferPointer<Member>, freshness: Freshness, retry: UInt64, now: UInt64
    ) {
        for member in members {
            let row = member.row
            let state = row.state
            guard state.admin == .on else { continue }
            wanted += 1
            if !state.isUp { down += 1 }
            if freshness.isAvailable(row, now: now) { available += 1 }
            // A member that a monitor has put down, or that does not report, is asked by nobody.
            guard !state.isDownByMonitor, freshness.isIn(row, now: now) else { continue }
            if !Self.isSilent(row, for: retry, now: now) { isSilent = false }
        }
    }

    /// For tests of the rule.
    init(wanted: UInt32, down: UInt32, available: UInt32, isSilent: Bool) {
        self.wanted = wanted
        self.down = down
        self.available = available
        self.isSilent = isSilent
    }

    /// Whether a member has completed no answer for that long. A 101 is one. A member that has not failed since its last
    /// complete answer is judged by the time of its last final status, which `latency` holds.
    private static func isSilent(_ row: MemberRow, for time: UInt64, now: UInt64) -> Bool {
        let switched = farm_get64(&row.pointee.switched_at)
        if switched != 0 && now < switched &+ time { return false }
        if farm_get32(&row.pointee.failing) != 0 {
            let since = farm_get64(&row.pointee.failing_since)
            return now >= since && now - since >= time
        }
        let word = farm_get64(&row.pointee.latency)
        // The first answers have no time. Who has sent some, and none that failed since, is no sign of a farm that is broken.
        guard FirstAnswers(word: word) == nil else { return word == 0 }
        let average = DecayingAverage(word: word)
        return average.age(atMilliseconds: UInt32(truncatingIfNeeded: now / 1000)) >= time / 1000
    }

    /// Whether another member that is available may be put down by doubtful failures.
    public var mayPutDown: Bool { isSilent || (available > 1 && down &* 2 < wanted) }
}
