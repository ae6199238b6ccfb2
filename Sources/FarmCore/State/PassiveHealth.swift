import CFarm

/// When failures seen while proxying put a member down, and how it comes back: `FarmSet fall=`, `retry=` and `recover=`.
///
/// A member that is down is tried by one request at a time over all processes. The claim of a trial is one compare-and-swap of
/// `tried_at`, which holds the moment of the claim, doubled, and 1 while the trial has not connected yet. The next claim is due
/// some time after that moment, so a trial whose process dies ends by itself.
public struct PassiveHealth {
    /// Certain failures in a row that mean down; at least 1. Three times as many doubtful ones mean the same.
    public var fall: UInt32
    /// Microseconds from going down to the first trial while other members serve.
    public var retry: UInt64
    /// Microseconds between two trials of a member while no member of its farm is available; 0: `retry` holds then too.
    public var recover: UInt64

    public init(fall: UInt32, retry: UInt64, recover: UInt64 = 0) {
        self.fall = fall
        self.retry = retry
        self.recover = recover
    }

    /// After this many doublings the time between trials stays at sixteen times `retry`.
    static let doublings: UInt32 = 4
    /// Doubtful failures that weigh as much as one certain failure.
    static let doubtsPerFailure: UInt32 = 3
    /// Microseconds after which a doubtful failure is forgotten.
    static let doubtLasts: UInt64 = 60_000_000
    /// Microseconds that a trial may take to connect, at least.
    static let leastConnectTime: UInt64 = 1_000_000

    /// What a failure or a success did to a member's health.
    public enum Change { case none, wentDown, stillDown, cameUp }

    /// Who asks for a trial, which decides when the next one is due.
    public enum Asker {
        /// A request that may be repeated: after `retry`, doubled with each trial that failed.
        case repeatable
        /// Any other request: after twice that time.
        case other
        /// Any request while no member of the farm is available: after `recover`.
        case stranded
    }

    /// How long a trial may take to connect before it counts as failed, in microseconds; 0: as long as the member's own
    /// parameters allow.
    public var connectLimit: UInt64 { recover == 0 ? 0 : max(Self.leastConnectTime, 4 &* recover) }

    /// When the next trial of a member is due, in monotonic microseconds, by the words of its row. Pure.
    public func nextTrial(retryAt: UInt64, triedAt: UInt64, failedTrials: UInt32, for asker: Asker) -> UInt64 {
        let began = triedAt >> 1
        let pause =
            switch asker {
            case .stranded where recover != 0: began &+ recover
            case .other: max(retryAt, began &+ retry) &+ retry << UInt64(min(failedTrials, Self.doublings))
            case .repeatable, .stranded: max(retryAt, began &+ retry)
            }
        guard triedAt & 1 != 0 else { return pause }
        // The trial has not connected yet. Its process may have died, so the wait for it has an end.
        return max(pause, began &+ (recover == 0 ? retry : connectLimit))
    }

    /// The same for a row in shared memory. Any thread of any process, without a lock.
    @inline(__always)
    public func nextTrial(_ row: MemberRow, for asker: Asker) -> UInt64 {
        nextTrial(
            retryAt: farm_get64(&row.pointee.retry_at), triedAt: farm_get64(&row.pointee.tried_at),
            failedTrials: farm_get32(&row.pointee.failed_trials), for: asker)
    }

    /// Takes the trial of a member that is down and due. Lock-free; true for one caller of all that ask. `isTied`: the
    /// request is tied to the member, which may be draining then.
    public func claimTrial(
        _ row: MemberRow, now: UInt64, for asker: Asker = .repeatable, isTied: Bool = false
    ) -> Bool {
        let tried = farm_read64(&row.pointee.tried_at)
        let due = nextTrial(
            retryAt: farm_get64(&row.pointee.retry_at), triedAt: tried,
            failedTrials: farm_get32(&row.pointee.failed_trials), for: asker)
        guard isTied ? row.state.mayBeTriedByTied : row.state.mayBeTried, now >= due else { return false }
        return farm_swap64(&row.pointee.tried_at, tried, now << 1 | 1) != 0
    }

    /// Notes that the trial claimed at `began` has connected. Lock-free, by the thread that runs the trial.
    public static func connected(_ row: MemberRow, began: UInt64) {
        _ = farm_swap64(&row.pointee.tried_at, began << 1 | 1, began << 1)
    }

    /// Notes that the trial claimed at `began` has not connected: while nobody is available the next one waits as long as
    /// this one took. Lock-free, by the thread that ran the trial.
    public func didNotConnect(_ row: MemberRow, began: UInt64, now: UInt64) {
        let took = now > began ? now - began : 0
        let next = recover != 0 && took > recover ? now &+ took &- recover : began
        _ = farm_swap64(&row.pointee.tried_at, began << 1 | 1, next << 1)
    }

    /// A failure of a member, as its row notes it.
    public struct Failure {
        /// Nobody has shown yet that the member is to blame, and not the request.
        public var isDoubtful: Bool
        /// The attempt was a trial whose failure postpones the next one.
        public var wasTrial = false
        /// A doubtful failure may put the member down (`DoubtGuard`).
        public var mayPutDown = true

        public init(isDoubtful: Bool, wasTrial: Bool = false, mayPutDown: Bool = true) {
            self.isDoubtful = isDoubtful
            self.wasTrial = wasTrial
            self.mayPutDown = mayPutDown
        }
    }

    /// Whether another doubtful failure completes a row of them, so that `DoubtGuard` must be asked. Any thread.
    public func isLastDoubt(_ row: MemberRow, now: UInt64) -> Bool {
        doubts(row, now: now) &+ 1 >= fall &* Self.doubtsPerFailure
    }

    /// Doubtful failures in a row that are not forgotten yet.
    private func doubts(_ row: MemberRow, now: UInt64) -> UInt32 {
        let last = farm_get64(&row.pointee.doubted_at)
        return now > last && now - last > Self.doubtLasts ? 0 : farm_get32(&row.pointee.doubts)
    }

    /// Notes a failure. Under the row's lock.
    public func failed(_ row: MemberRow, _ failure: Failure, now: UInt64, wallClock: UInt64) -> Change {
        if farm_get32(&row.pointee.failing) == 0 {
            farm_set64(&row.pointee.failing_since, now)
            farm_set32(&row.pointee.failing, 1)
        }
        let state = row.state
        if state.isDownByFailures {
            // Requests that had chosen it before it went down fail now too; only a trial is news.
            guard failure.wasTrial else { return .none }
            let trials = min(farm_get32(&row.pointee.failed_trials) &+ 1, Self.doublings)
            farm_set32(&row.pointee.failed_trials, trials)
            farm_set64(&row.pointee.retry_at, now &+ retry << UInt64(trials))
            return .stillDown
        }
        if failure.isDoubtful {
            let doubts = doubts(row, now: now) &+ 1
            farm_set32(&row.pointee.doubts, doubts)
            farm_set64(&row.pointee.doubted_at, now)
            guard doubts >= fall &* Self.doubtsPerFailure, failure.mayPutDown else { return .none }
        } else {
            let fails = farm_get32(&row.pointee.fails) &+ 1
            farm_set32(&row.pointee.fails, fails)
            guard fails >= fall else { return .none }
        }
        farm_set32(&row.pointee.failed_trials, 0)
        farm_set64(&row.pointee.tried_at, now << 1)
        farm_set64(&row.pointee.retry_at, now &+ retry)
        farm_set64(&row.pointee.status_since_us, wallClock)
        row.publish(state.with(downByFailures: true))
        return .wentDown
    }

    /// Puts down a member that stands out from its farm, for longer each time it does so soon again. Under the row's lock;
    /// the time to its first trial, or nil when it is down already.
    public func eject(_ row: MemberRow, now: UInt64, wallClock: UInt64) -> UInt64? {
        let state = row.state
        guard state.isUp else { return nil }
        let sinceUp = wallClock &- farm_get64(&row.pointee.status_since_us)
        let before = sinceUp > retry << UInt64(Self.doublings) ? 0 : min(row.pointee.ejections, Self.doublings)
        row.pointee.ejections = before &+ 1
        farm_set32(&row.pointee.failed_trials, before)
        farm_set64(&row.pointee.tried_at, now << 1)
        farm_set64(&row.pointee.retry_at, now &+ retry << UInt64(before))
        farm_set64(&row.pointee.status_since_us, wallClock)
        row.publish(state.asOutlier)
        return retry << UInt64(before)
    }

    /// Whether the end of a good answer changes anything in the row: the only question that the path of a good request asks.
    @inline(__always)
    public static func successMatters(_ row: MemberRow) -> Bool { farm_get32(&row.pointee.failing) != 0 }

    /// A good answer came to its end, which ends each row of failures. Under the row's lock.
    public static func completed(_ row: MemberRow) {
        farm_set32(&row.pointee.fails, 0)
        farm_set32(&row.pointee.doubts, 0)
        farm_set64(&row.pointee.failing_since, 0)
        farm_set32(&row.pointee.failing, 0)
    }

    /// The first byte of a final answer came to a trial: the member is up again. Its rows of failures end later, when an answer
    /// is complete. Under the row's lock.
    public func trialHeld(_ row: MemberRow, wallClock: UInt64) -> Change {
        let state = row.state
        guard state.isDownByFailures else { return .none }
        farm_set32(&row.pointee.failed_trials, 0)
        farm_set64(&row.pointee.retry_at, 0)
        farm_set64(&row.pointee.status_since_us, wallClock)
        if state.isOutlier { Outliers.forget(row) }
        row.publish(state.with(downByFailures: false))
        return .cameUp
    }
}
