import CFarm

/// Which changes of a farm's condition, and which refusals, the log tells: a condition that has held for a second, and refusals at
/// most once a second.
///
/// Every process looks, and shared words in the farm's row let one of them write each line: who replaces the word writes. Each
/// word holds a condition and the monotonic time in milliseconds at which it began; 0: nothing yet, which counts as `ok` from the
/// start. All of it is lock-free, for any thread of any process.
public enum ConditionWatch {
    /// Milliseconds that a condition must have held.
    public static let held: UInt64 = 1_000
    /// Milliseconds from one line about `full` to the next.
    public static let fullAgain: UInt64 = 10_000
    /// Milliseconds from one line about refusals to the next.
    static let refusalsAgain: UInt32 = 1_000
    /// While a change is about to be told, or a farm is full, a process looks again after so many microseconds.
    public static let soon: UInt64 = 250_000

    /// A condition and when it began.
    struct Mark: Equatable {
        var condition: Condition
        /// Monotonic milliseconds.
        var since: UInt64

        init(_ condition: Condition, since: UInt64) {
            self.condition = condition
            self.since = since
        }

        init(word: UInt64) {
            condition = word == 0 ? .ok : Condition(rawValue: UInt32(word & 7) &- 1) ?? .ok
            since = word >> 3
        }

        var word: UInt64 { since << 3 | UInt64(condition.rawValue + 1) }
    }

    /// A line to be written by who gets it.
    public struct Line: Equatable {
        public var condition: Condition
        /// Milliseconds: how long this condition has held, or for `ok` how long it had not been.
        public var length: UInt64
        /// Requests that were refused meanwhile.
        public var refused: UInt64
    }

    public struct Look: Equatable {
        /// nil: none is due, or another process writes it.
        public var line: Line?
        /// Whether to look again soon.
        public var isPending: Bool
    }

    /// Looks at the farm, which is in this condition now. `now`: monotonic microseconds.
    public static func look(_ row: FarmRow, _ condition: Condition, now: UInt64) -> Look {
        let now = now / 1000
        let seenWord = farm_get64(&row.pointee.condition_seen)
        let toldWord = farm_get64(&row.pointee.condition_told)
        let (seen, told) = (Mark(word: seenWord), Mark(word: toldWord))
        if seen.condition != condition {
            let refused = row.count(of: .refused)
            if farm_swap64(&row.pointee.condition_seen, seenWord, Mark(condition, since: now).word) != 0,
                seen.condition == .ok
            {
                farm_set64(&row.pointee.refused_before, refused)
            }
            return Look(line: nil, isPending: true)
        }
        guard told.condition != condition else { return Look(line: nil, isPending: condition == .full) }
        guard now >= seen.since &+ held else { return Look(line: nil, isPending: true) }
        if condition == .full && isTooSoon(row, told, now) { return Look(line: nil, isPending: true) }
        let isOver = condition == .ok
        // The time at which it began not to be ok stays, so that the end can tell how long it was.
        let begin = told.condition == .ok || isOver ? seen.since : told.since
        guard farm_swap64(&row.pointee.condition_told, toldWord, Mark(condition, since: begin).word) != 0 else {
            return Look(line: nil, isPending: false)
        }
        let refused = row.count(of: .refused)
        let before = farm_get64(&row.pointee.refused_before)
        return Look(
            line: Line(
                condition: condition, length: isOver ? since(told.since, seen.since) : now &- seen.since,
                refused: refused > before ? refused &- before : 0),
            isPending: condition == .full)
    }

    private static func since(_ begin: UInt64, _ end: UInt64) -> UInt64 { end > begin ? end &- begin : 0 }

    /// Told `ok` not long ago: before that it may have been full. The first time is never too soon.
    private static func isTooSoon(_ row: FarmRow, _ told: Mark, _ now: UInt64) -> Bool {
        told.since != 0 && now < told.since &+ fullAgain
    }

    /// Notes a refused request; how many are to be told of now, this one among them, 0: none. `now`: monotonic microseconds.
    public static func refused(_ row: FarmRow, now: UInt64) -> UInt32 {
        _ = farm_add32(&row.pointee.refused_untold, 1)
        return untold(row, now: now)
    }

    /// How many refused requests no line has told yet, for who gets to write one; 0: none, or it is too soon.
    public static func untold(_ row: FarmRow, now: UInt64) -> UInt32 {
        let last = farm_get32(&row.pointee.refused_told_ms)
        // 0 is "never".
        let now = max(1, UInt32(truncatingIfNeeded: now / 1000))
        guard farm_get32(&row.pointee.refused_untold) != 0, last == 0 || now &- last >= refusalsAgain,
            farm_swap32(&row.pointee.refused_told_ms, last, now) != 0
        else { return 0 }
        let count = farm_get32(&row.pointee.refused_untold)
        _ = farm_add32(&row.pointee.refused_untold, 0 &- count)
        return count
    }
}

extension Farm {
    /// Makes the view of this process out of date at that time, so that the farm is looked at again then.
    public func lookAgain(at deadline: UInt64) {
        let view = views + Int(farm_read32(current) & 1)
        if deadline < farm_get64(&view.pointee.deadline) { farm_set64(&view.pointee.deadline, deadline) }
    }
}
