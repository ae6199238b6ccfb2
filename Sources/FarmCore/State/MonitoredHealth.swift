import CFarm

/// Health by a monitor's word: `down` stays until a monitor says `up`. It is not the administrator's word, and failures
/// are not a monitor's: a member that failures put down comes back by its trial.
public enum MonitoredHealth {
    /// Notes a verdict. Under the row's lock.
    public static func note(
        _ verdict: HealthVerdict, _ row: MemberRow, now: UInt64, wallClock: UInt64
    ) -> PassiveHealth.Change {
        let state = row.state
        let isDown = verdict == .down
        guard isDown != state.isDownByMonitor else { return .none }
        if !isDown && state.isDownByFailures {
            // Who has seen it up makes its trial worth a request at once.
            farm_set64(&row.pointee.retry_at, now)
        }
        farm_set64(&row.pointee.status_since_us, wallClock)
        row.publish(state.with(downByMonitor: isDown))
        return isDown ? .wentDown : .cameUp
    }
}
