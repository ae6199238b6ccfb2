import CFarm

/// When failures seen while proxying put a member down, and how it comes back: `FarmSet fall=` and `retry=`.
///
/// A member that is down is tried by one request at a time over all processes. The claim of a trial is one
/// compare-and-swap that moves `retry_at` on by `retry`; a trial whose process dies is therefore over by itself.
public struct PassiveHealth {
    /// Failures in a row that mean down; at least 1.
    public var fall: UInt32
    /// Microseconds from going down to the first trial.
    public var retry: UInt64

    public init(fall: UInt32, retry: UInt64) {
        self.fall = fall
        self.retry = retry
    }

    /// After this many doublings the time between trials stays at sixteen times `retry`.
    static let doublings: UInt32 = 4

    /// What a failure or a success did to a member's health.
    public enum Change { case none, wentDown, stillDown, cameUp }

    /// Takes the trial of a member that is down and due. Lock-free; true for one caller of all that ask. `isTied`: the
    /// request is tied to the member, which may be draining then.
    public func claimTrial(_ row: MemberRow, now: UInt64, isTied: Bool = false) -> Bool {
        let due = farm_get64(&row.pointee.retry_at)
        guard isTied ? row.state.mayBeTriedByTied : row.state.mayBeTried, now >= due else { return false }
        return farm_swap64(&row.pointee.retry_at, due, now &+ retry) != 0
    }

    /// A failure that counts. Under the row's lock.
    public func failed(_ row: MemberRow, wasTrial: Bool, now: UInt64, wallClock: UInt64) -> Change {
        let state = row.state
        if state.isDownByFailures {
            // Requests that had chosen it before it went down fail now too; only a trial says something new.
            guard wasTrial else { return .none }
            let trials = min(row.pointee.failed_trials &+ 1, Self.doublings)
            row.pointee.failed_trials = trials
            postpone(row, until: now &+ retry << UInt64(trials))
            return .stillDown
        }
        let fails = farm_get32(&row.pointee.fails) &+ 1
        farm_set32(&row.pointee.fails, fails)
        farm_set32(&row.pointee.failing, 1)
        guard fails >= fall else { return .none }
        row.pointee.failed_trials = 0
        farm_set64(&row.pointee.retry_at, now &+ retry)
        farm_set64(&row.pointee.status_since_us, wallClock)
        row.publish(state.with(downByFailures: true))
        return .wentDown
    }

    /// Moves the next trial on, and never back: others claim trials without the lock, also since the clock was looked at.
    private func postpone(_ row: MemberRow, until next: UInt64) {
        var due = farm_get64(&row.pointee.retry_at)
        while due < next && farm_swap64(&row.pointee.retry_at, due, next) == 0 {
            due = farm_get64(&row.pointee.retry_at)
        }
    }

    /// Puts down a member that stands out from its farm, for longer each time it does so soon again. Under the row's lock;
    /// the time to its first trial, or nil when it is down already.
    public func eject(_ row: MemberRow, now: UInt64, wallClock: UInt64) -> UInt64? {
        let state = row.state
        guard state.isUp else { return nil }
        let sinceUp = wallClock &- farm_get64(&row.pointee.status_since_us)
        let before = sinceUp > retry << UInt64(Self.doublings) ? 0 : min(row.pointee.ejections, Self.doublings)
        row.pointee.ejections = before &+ 1
        row.pointee.failed_trials = before
        farm_set64(&row.pointee.retry_at, now &+ retry << UInt64(before))
        farm_set64(&row.pointee.status_since_us, wallClock)
        row.publish(state.asOutlier)
        return retry << UInt64(before)
    }

    /// Whether a success has anything to say to the row: the only thing that the path of a good request asks.
    @inline(__always)
    public static func successMatters(_ row: MemberRow, wasTrial: Bool) -> Bool {
        wasTrial || farm_get32(&row.pointee.failing) != 0
    }

    /// A good answer. Under the row's lock.
    public func succeeded(_ row: MemberRow, wasTrial: Bool, wallClock: UInt64) -> Change {
        farm_set32(&row.pointee.fails, 0)
        farm_set32(&row.pointee.failing, 0)
        let state = row.state
        // An answer to a request from before it went down does not bring it back; a trial does.
        guard wasTrial && state.isDownByFailures else { return .none }
        row.pointee.failed_trials = 0
        farm_set64(&row.pointee.retry_at, 0)
        farm_set64(&row.pointee.status_since_us, wallClock)
        if state.isOutlier { Outliers.forget(row) }
        row.publish(state.with(downByFailures: false))
        return .cameUp
    }
}
