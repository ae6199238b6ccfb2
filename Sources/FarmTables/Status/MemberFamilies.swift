import FarmCore

// The OpenMetrics families with one value a member. Names are the contract's and never change.

/// What only grows.
enum MemberCounter: CaseIterable {
    case requests, errors, received, sent

    var name: StaticString {
        switch self {
        case .requests: "farm_member_requests"
        case .errors: "farm_member_errors"
        case .received: "farm_member_received_bytes"
        case .sent: "farm_member_sent_bytes"
        }
    }

    var unit: StaticString { self == .received || self == .sent ? "bytes" : "" }

    var help: StaticString {
        switch self {
        case .requests: "Attempts at this member."
        case .errors: "Attempts that failed."
        case .received: "Bytes that came from the member."
        case .sent: "Bytes that went to the member."
        }
    }

    func value(of member: StatusSnapshot.MemberReading) -> UInt64 {
        switch self {
        case .requests: member.row.pointee.requests
        case .errors: member.row.pointee.errors
        case .received: member.row.pointee.bytes_in
        case .sent: member.row.pointee.bytes_out
        }
    }
}

/// What goes up and down.
enum MemberGauge: CaseIterable {
    case inflight, load, available, updateAge, weight, share, tiedClients

    var name: StaticString {
        switch self {
        case .inflight: "farm_member_inflight"
        case .load: "farm_member_load"
        case .available: "farm_member_available"
        case .updateAge: "farm_member_update_age_seconds"
        case .weight: "farm_member_weight"
        case .share: "farm_member_share"
        case .tiedClients: "farm_member_tied_clients"
        }
    }

    var unit: StaticString { self == .updateAge ? "seconds" : "" }

    var help: StaticString {
        switch self {
        case .inflight: "Requests in flight."
        case .load: "Load made of the metrics that the member pushed; none while it is unknown."
        case .available: "1 when admin is on, health is up and fresh is in."
        case .updateAge: "Age of the last update; none when it has never reported."
        case .weight: "Weight, 1 to 1000."
        case .share: "Part of new requests that it gets as things stand, 0 to 1."
        case .tiedClients: "Clients that instructions tie to it, about."
        }
    }

    /// NaN: not known.
    func value(of member: StatusSnapshot.MemberReading) -> Double {
        switch self {
        case .inflight: Double(member.inflight)
        case .load: member.load
        case .available: member.isAvailable ? 1 : 0
        case .updateAge: member.age
        case .weight: Double(member.row.pointee.weight)
        case .share: (member.share * 10_000).rounded() / 10_000
        case .tiedClients: Double(member.clients)
        }
    }
}

/// What is one of several states: the three axes of a member.
enum MemberAxis: CaseIterable {
    case admin, health, fresh

    var name: StaticString {
        switch self {
        case .admin: "farm_member_admin"
        case .health: "farm_member_health"
        case .fresh: "farm_member_fresh"
        }
    }

    var help: StaticString {
        switch self {
        case .admin: "What the administrator wants."
        case .health: "Whether the member works."
        case .fresh: "Whether the member reports in time."
        }
    }

    var count: Int { self == .admin ? 3 : 2 }

    func state(_ at: Int) -> StaticString {
        switch self {
        case .admin: (Admin(rawValue: UInt32(at)) ?? .off).name
        case .health: at == 0 ? "up" : "down"
        case .fresh: at == 0 ? "in" : "out"
        }
    }

    /// The number of the state that a member is in.
    func state(of member: StatusSnapshot.MemberReading) -> Int {
        switch self {
        case .admin: Int(member.state.admin.rawValue)
        case .health: member.state.isUp ? 0 : 1
        case .fresh: member.isIn ? 0 : 1
        }
    }
}

/// What only grows, of a farm.
enum FarmCounter: CaseIterable {
    case failovers, redirected, forwarded, suspects, handedOn, retriesHeldBack

    var name: StaticString {
        switch self {
        case .failovers: "farm_failovers"
        case .redirected: "farm_redirected"
        case .forwarded: "farm_forwarded"
        case .suspects: "farm_suspects"
        case .handedOn: "farm_handed_on"
        case .retriesHeldBack: "farm_retries_held_back"
        }
    }

    var help: StaticString {
        switch self {
        case .failovers: "Attempts after a request's first."
        case .redirected: "Requests that FarmRedirect answered."
        case .forwarded: "Requests that FarmForward had served elsewhere."
        case .suspects: "Requests that broke two members in a row and were stopped."
        case .handedOn: "Requests that a member handed to another."
        case .retriesHeldBack: "Attempts that the retry budget did not allow."
        }
    }

    func value(of farm: StatusSnapshot.FarmReading) -> UInt64 {
        switch self {
        case .failovers: farm.row.pointee.failovers
        case .redirected: farm.row.count(of: .redirected)
        case .forwarded: farm.row.count(of: .forwarded)
        case .suspects: farm.row.pointee.suspects
        case .handedOn: farm.row.pointee.handed_on
        case .retriesHeldBack: farm.row.pointee.retries_held_back
        }
    }
}
