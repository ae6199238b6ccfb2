import CFarm
import CFarmABI
import FarmCore

/// What the clock and the administrator do to states: until when a state holds, and who stands out from the farm.
extension Engine {
    /// How long a view may be used while some state has an end, in microseconds: the wall clock may be set meanwhile.
    private static let glance: UInt64 = 1_000_000

    /// Ends the states of a farm and its members whose time has come. Monotonic microseconds at which to look again.
    func endStates(farm at: Int, now: UInt64) -> UInt64 {
        guard !isOutside else { return .max }
        let wallClock = farm_host_wall_clock()
        let farm = farms[at]
        var next = UInt64.max
        func look(_ note: AdminNote) -> Bool {
            if note.isOver(wallClock: wallClock) { return true }
            let until = farm_get64(&note.pointee.until_us)
            if until != 0 { next = min(next, now &+ min(Self.glance, until &- wallClock)) }
            return false
        }
        if look(farm_row_note(farm.row)) { endState(farm: at, wallClock: wallClock) }
        for local in 0..<farm.members.count where look(farm_member_row_note(farm.members[local].row)) {
            endState(farm: at, local: local, wallClock: wallClock, now: now)
        }
        return next
    }

    private func endState(farm at: Int, wallClock: UInt64) {
        let ended = write(farm: at) { row in
            // Somebody else may have been faster, or the administrator.
            guard farm_row_note(row).isOver(wallClock: wallClock) else { return false }
            farm_row_note(row).set(.plain(since: wallClock)) {
                farm_publish32(&row.pointee.admin, UInt32(FARM_ADMIN_ON))
            }
            return true
        }
        guard ended == true else { return }
        farms[at].changed()
        Log.stateEnded(farms[at].row, nil)
    }

    private func endState(farm at: Int, local: Int, wallClock: UInt64, now: UInt64) {
        let farm = farms[at]
        let ended = write(farm: UInt32(at), local: local) { row in
            guard farm_member_row_note(row).isOver(wallClock: wallClock) else { return false }
            farm_member_row_note(row).set(.plain(since: wallClock)) { row.publish(row.state.with(admin: .on)) }
            farm.cameBack(local, now: now)
            return true
        }
        guard ended == true else { return }
        farm.changed()
        Log.stateEnded(farm.row, farm.members[local].row)
    }

    /// Puts down the member that stands out most from its farm, when it is time to look.
    func ejectOutlier(farm at: Int, now: UInt64) {
        let farm = farms[at]
        guard Outliers.claim(farm.row, now: now),
            let local = Outliers.find(farm.constMembers, freshness: farm.freshness, now: now)
        else { return }
        let ejected = write(farm: UInt32(at), local: local) {
            farm.health.eject($0, now: now, wallClock: farm_host_wall_clock())
        }
        guard let retry = ejected ?? nil else { return }
        farm.changed()
        Log.ejected(farm.row, farm.members[local].row, retry: retry)
    }
}

extension Engine {
    /// How a farm stands now.
    public func condition(_ farm: Int) -> Condition {
        let now = farm_host_clock()
        _ = endStates(farm: farm, now: now)
        let condition = farms[farm].condition(now: now)
        let deadline = watch(farm: farm, condition, now: now)
        if deadline != .max { farms[farm].lookAgain(at: deadline) }
        return condition
    }

    /// The same as it is for one request: where only one member will do, that member's.
    public func condition(of request: farm_request) -> Condition {
        let at = Int(request.farm)
        guard at < farms.count, !isOutside else { return .down }
        let strict = FARM_REQUEST_NAMED | FARM_REQUEST_STRICT
        guard request.flags & strict == strict, Int(request.named) < farms[at].members.count else {
            return condition(at)
        }
        let now = farm_host_clock()
        _ = endStates(farm: at, now: now)
        let row = farms[at].members[Int(request.named)].row
        let state = row.state
        if farms[at].admin == .off || state.admin == .off { return .offline }
        guard state.isUp, farms[at].freshness.isIn(row, now: now) else { return .down }
        let limit = row.pointee.max_inflight
        return limit != 0 && InFlight.count(row) >= limit ? .full : .ok
    }
}

extension Farm {
    /// A member that was not available is about to serve again: it takes its time, and does not make up for what it has
    /// missed. Under the row's lock, after its state was published.
    func cameBack(_ local: Int, now: UInt64) {
        guard freshness.isAvailable(members[local].row, now: now) else { return }
        farm_set64(&members[local].row.pointee.available_since, now)
        creditTraffic(local)
    }
}
