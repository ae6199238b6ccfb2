import CFarm

/// Health by a monitor's word: `down` stays until a monitor says `up`, and `up` also ends what failures began, for health
/// is one thing and the last verdict holds. It is not the administrator's word.
public enum MonitoredHealth {
    /// Notes a verdict. `byManager`: of somebody at farm-manager. Under the row's lock.
    public static func note(
        _ verdict: HealthVerdict, _ row: MemberRow, wallClock: UInt64, byManager: Bool = false
    ) -> PassiveHealth.Change {
        let state = row.state
        switch verdict {
        case .down:
            guard !state.isDownByMonitor else { return .none }
            row.publish(state.with(downByMonitor: true, byManager: byManager))
        case .up:
            PassiveHealth.completed(row)
            guard !state.isUp else { return .none }
            row.pointee.failed_trials = 0
            farm_set64(&row.pointee.retry_at, 0)
            if state.isOutlier { Outliers.forget(row) }
            row.publish(state.with(downByMonitor: false).with(downByFailures: false))
        }
        farm_set64(&row.pointee.status_since_us, wallClock)
        return verdict == .down ? .wentDown : .cameUp
    }
}
