import CFarm

/// When a member that failures put down may be tried next. All times are microseconds.
public enum NextTrial {
    /// The monotonic time of a member's next trial; nil when no request may try it. `nobodyIsAvailable`: in its farm.
    /// `retry` and `recover`: FarmSet's; `recover` 0: off.
    public static func of(_ row: MemberRow, nobodyIsAvailable: Bool, retry: UInt64, recover: UInt64) -> UInt64? {
        guard row.state.mayBeTriedByTied else { return nil }
        // Doubled, and 1 while that trial has not connected.
        let tried = farm_get64(&row.pointee.tried_at) / 2
        if nobodyIsAvailable && recover != 0 { return tried &+ recover }
        return max(farm_get64(&row.pointee.retry_at), tried == 0 ? 0 : tried &+ retry)
    }

    /// The same by the wall clock, which shows `wallClock` at the monotonic time `now`.
    public static func onWallClock(_ trial: UInt64, now: UInt64, wallClock: UInt64) -> UInt64 {
        trial >= now ? wallClock &+ (trial &- now) : wallClock >= now &- trial ? wallClock &- (now &- trial) : 0
    }
}
