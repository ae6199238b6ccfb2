/// The status of a server, as far as it is shown here. Whatever is missing, or not as it should be, is unknown: servers of
/// other versions are read too.
public struct FarmsStatus: Sendable {
    public let json: JSON
    public let farms: [FarmStatus]
    /// Children that run an earlier version of the module: what they have in flight, the status does not show.
    public let oldProcesses: Int
    /// Of the answer, in microseconds since 1970.
    public let now: UInt64

    /// Nil when it is no status of this module's.
    public init?(_ json: JSON, now: UInt64 = Moment.now) {
        guard json["module"] != nil, let farms = json["farms"]?.array else { return nil }
        let read = farms.map(FarmStatus.init)
        guard read.allSatisfy({ $0 != nil }) else { return nil }
        self.json = json
        self.farms = read.compactMap(\.self)
        oldProcesses = json["module"]?["old_processes"]?.count ?? 0
        self.now = json["module"]?["now"]?.string.flatMap { Moment.read($0, now: 0) } ?? now
    }

    /// The farm of that name, in any case.
    public func farm(_ name: String) -> FarmStatus? { farms.first { Grammar.sameFarm($0.name, name) } }

    /// What there is instead of a name that is not; nil when both are there, or there is nothing to say.
    func hint(farm: String?, member: String?) -> String? {
        guard let farm else { return nil }
        guard let found = self.farm(farm) else {
            return farms.isEmpty
                ? "no farm is configured" : NearNames.hint(farm.lowercased(), "there are the farms ", farms.map(\.name))
        }
        guard let member, found.member(member) == nil else { return nil }
        return found.members.isEmpty
            ? "it has no members" : NearNames.hint(member, "its members are ", found.members.map(\.name))
    }

    /// The farm or member that a target names; throws what is wrong with its name.
    public func find(_ target: Target) throws -> (FarmStatus, MemberStatus?) {
        guard let farm = farm(target.farm) else {
            throw Failure(.data, "there is no farm '\(target.farm)'; \(hint(farm: target.farm, member: nil) ?? "")")
        }
        guard let name = target.member else { return (farm, nil) }
        guard let member = farm.member(name) else {
            throw Failure(
                .data, "farm \(farm.name) has no member '\(name)'; \(hint(farm: farm.name, member: name) ?? "")")
        }
        return (farm, member)
    }

    /// The status of what a target names and nothing else, as JSON.
    public func json(of target: Target) throws -> JSON {
        let (farm, member) = try find(target)
        guard case .object(let keys) = json, case .object(let farmKeys) = farm.json else { return json }
        let kept = member.map { one in
            JSON.object(farmKeys.map { $0.key == "members" ? JSON.Member("members", .array([one.json])) : $0 })
        }
        return .object(keys.map { $0.key == "farms" ? JSON.Member("farms", .array([kept ?? farm.json])) : $0 })
    }
}

/// What an administrator wants of a farm or member, and who says so.
public struct AdminStatus: Sendable {
    /// `on`, `drain` or `off`.
    public let state: String
    public let by: String?
    public let reason: String?
    /// Microseconds since 1970.
    public let since: UInt64?
    public let until: UInt64?
    /// What there was when it was set: requests in flight, and clients tied.
    public let inflightAtStart: Int?
    public let clientsAtStart: Int?

    init(_ json: JSON) {
        func time(_ key: String) -> UInt64? { json[key]?.string.flatMap { Moment.read($0, now: 0) } }
        state = json["admin"]?.string ?? "-"
        by = json["admin_by"]?.string
        reason = json["admin_reason"]?.string
        since = time("admin_since")
        until = time("admin_until")
        inflightAtStart = json["drain"]?["inflight_at_start"]?.count
        clientsAtStart = json["drain"]?["clients_at_start"]?.count
    }
}

/// A farm.
public struct FarmStatus: Sendable {
    public let json: JSON
    public let name: String
    public let algorithm: String
    public let admin: AdminStatus
    public let condition: String
    public let available: Int?
    public let requestsPerSecond: Double?
    public let failovers: Int?
    public let members: [MemberStatus]

    init?(_ json: JSON) {
        guard let name = json["name"]?.string, let members = json["members"]?.array else { return nil }
        self.json = json
        self.name = name
        algorithm = json["algorithm"]?.string ?? "-"
        admin = AdminStatus(json)
        condition = json["condition"]?.string ?? "-"
        available = json["available"]?.count
        requestsPerSecond = json["requests_per_s"]?.double
        failovers = json["failovers"]?.count
        let read = members.map(MemberStatus.init)
        guard read.allSatisfy({ $0 != nil }) else { return nil }
        self.members = read.compactMap(\.self)
    }

    /// The member of that name; case matters.
    public func member(_ name: String) -> MemberStatus? { members.first { $0.name == name } }
}

/// A member.
public struct MemberStatus: Sendable {
    public let json: JSON
    public let name: String
    public let url: String?
    public let admin: AdminStatus
    public let health: String
    public let healthBy: String?
    /// Microseconds since 1970.
    public let healthSince: UInt64?
    /// What failed last.
    public let lastError: String?
    /// Microseconds since 1970.
    public let nextTrial: UInt64?
    public let fresh: String
    public let isAvailable: Bool
    public let tier: Int?
    public let weight: Int?
    public let share: Double?
    public let requestsPerSecond: Double?
    public let inflight: Int?
    public let load: Double?
    /// Milliseconds.
    public let p50: Double?
    public let p99: Double?
    public let errors: Int?
    /// Seconds since its last update.
    public let age: Double?
    /// Clients tied to it.
    public let clients: Int?

    init?(_ json: JSON) {
        guard let name = json["name"]?.string else { return nil }
        self.json = json
        self.name = name
        url = json["url"]?.string
        admin = AdminStatus(json)
        health = json["health"]?.string ?? "-"
        healthBy = json["health_by"]?.string
        healthSince = json["health_since"]?.string.flatMap { Moment.read($0, now: 0) }
        lastError = json["last_error"]?["what"]?.string
        nextTrial = json["next_trial"]?.string.flatMap { Moment.read($0, now: 0) }
        fresh = json["fresh"]?.string ?? "-"
        isAvailable = json["available"]?.bool ?? false
        tier = json["tier"]?.count
        weight = json["weight"]?.count
        share = json["share"]?.double
        requestsPerSecond = json["requests_per_s"]?.double
        inflight = json["inflight"]?.count
        load = json["load"]?.double
        p50 = json["latency_ms"]?["p50"]?.double
        p99 = json["latency_ms"]?["p99"]?.double
        errors = json["errors"]?.count
        age = json["update_age_s"]?.double
        clients = json["sticky"]?["clients"]?.count
    }
}
