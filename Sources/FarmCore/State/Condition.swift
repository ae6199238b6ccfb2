import CFarm

/// How a farm stands at one moment. Raw values are those of the C interface.
public enum Condition: UInt32 {
    /// Some member is available.
    case ok = 0
    /// Some are, but each is at its limit of requests in flight.
    case full = 1
    /// None is, and every member, or the farm itself, is administratively off or draining.
    case offline = 2
    /// None is, for any other reason; also a farm without members.
    case down = 3

    public var name: StaticString {
        switch self {
        case .ok: "ok"
        case .full: "full"
        case .offline: "offline"
        case .down: "down"
        }
    }

    /// The condition of the farm with these members. Linear in their number: for refusals and status, not for a choice.
    /// `panic` is the percentage of `FarmSet panic=`.
    public static func of(
        _ members: UnsafeBufferPointer<Member>, admin: Admin = .on, freshness: Freshness = .off, panic: UInt32 = 0,
        now: UInt64 = 0
    ) -> Condition {
        guard admin == .on else { return .offline }
        let admission = Admission.of(members, freshness: freshness, panic: panic, now: now)
        var available = false
        var adminOn = members.isEmpty
        for member in members {
            let state = member.row.state
            if state.admin == .on { adminOn = true }
            guard admission.admits(member.row, freshness, now: now) else { continue }
            if freshness.isAvailable(member.row, now: now) { available = true }
            let limit = member.row.pointee.max_inflight
            if limit == 0 || InFlight.count(member.row) < limit { return .ok }
        }
        if available { return .full }
        return adminOn ? .down : .offline
    }
}
