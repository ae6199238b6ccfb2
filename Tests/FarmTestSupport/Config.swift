import CFarmABI
import Foundation

public struct MemberSpec {
    public var name: String
    public var url: String
    public var weight: UInt32
    public var tier: UInt32
    public var admin: UInt32
    public var maxInflight: UInt32
    /// Who stands in for it, by its place in the farm.
    public var redirect: UInt32?
    /// Nil: the name.
    public var route: String?

    public init(_ name: String, weight: UInt32 = 1, tier: UInt32 = 0, admin: UInt32 = 0, maxInflight: UInt32 = 0) {
        self.name = name
        url = "http://\(name).test:8080"
        self.weight = weight
        self.tier = tier
        self.admin = admin
        self.maxInflight = maxInflight
    }
}

public struct FarmSpec {
    public var name: String
    public var members: [MemberSpec]
    /// As farm_on_algorithm answers: 0 is the default.
    public var algorithm: UInt32 = 0
    public var maxAttempts: UInt32 = 3
    public var retrySafe = true
    public var failOnTimeout = false
    public var fall: UInt32 = 1
    public var retry: UInt64 = 10_000_000
    /// Microseconds; 0: off.
    public var recover: UInt64 = 0
    public var failOnStatus: [Int] = []
    /// FarmLoad; nil: the mean.
    public var load: String?
    /// FarmExpectUpdate, in microseconds; 0: off.
    public var expect: UInt64 = 0
    public var expectIgnores = false
    public var slowStart: UInt64 = 0
    /// Percent.
    public var panic: UInt32 = 0
    public var eject = false
    /// FarmSticky cookie, and its name; nil: FarmCookie's, which is `farm`, a dot and the farm's.
    public var setsCookie = false
    public var ownCookie: String?
    public var stickySeconds: UInt32 = 3600
    public var passesCookie = false
    /// FarmSticky route: the cookie's name and the path parameter's.
    public var sticky: (cookie: String, parameter: String)?

    public init(_ name: String, _ members: [MemberSpec]) {
        self.name = name
        self.members = members
    }
}

/// A configuration as the shim would hand it over. It must live as long as the engines that are made of it.
public final class Config {
    public let pointer: UnsafeMutablePointer<farm_config>
    private let farms: UnsafeMutablePointer<farm_farm_config>
    private let members: UnsafeMutablePointer<farm_member_config>
    private var texts: [UnsafeMutablePointer<CChar>] = []

    public init(
        _ specs: [FarmSpec], farmCapacity: UInt32 = 4, memberCapacity: UInt32 = 16, slots: UInt32 = 8,
        metrics: UInt32 = 16
    ) {
        let count = specs.reduce(0) { $0 + $1.members.count }
        pointer = .allocate(capacity: 1)
        pointer.initialize(to: farm_config())
        farms = .allocate(capacity: max(1, specs.count))
        members = .allocate(capacity: max(1, count))
        var next = 0
        for (at, spec) in specs.enumerated() {
            (farms + at).initialize(to: farmRow(spec, firstMember: next))
            for member in spec.members {
                (members + next).initialize(to: memberRow(member))
                next += 1
            }
        }
        pointer.pointee.farms = UnsafePointer(farms)
        pointer.pointee.members = UnsafePointer(members)
        pointer.pointee.farm_count = UInt32(specs.count)
        pointer.pointee.member_count = UInt32(count)
        pointer.pointee.farm_capacity = farmCapacity
        pointer.pointee.member_capacity = memberCapacity
        pointer.pointee.slot_capacity = slots
        pointer.pointee.metric_capacity = metrics
        pointer.pointee.cookie = UnsafePointer(keep("farm"))
        pointer.pointee.cookie_length = 4
        pointer.pointee.version = UnsafePointer(keep("1.2.3"))
        pointer.pointee.built = UnsafePointer(keep("tests"))
        pointer.pointee.mpm = UnsafePointer(keep("event"))
    }

    deinit {
        for text in texts { free(text) }
        members.deallocate()
        farms.deallocate()
        pointer.deallocate()
    }

    /// For tests that make it wrong.
    public func changeFarm(_ at: Int, _ change: (inout farm_farm_config) -> Void) { change(&farms[at]) }

    private func keep(_ text: String) -> UnsafeMutablePointer<CChar> {
        let copy = strdup(text)!
        texts.append(copy)
        return copy
    }

    private func farmRow(_ spec: FarmSpec, firstMember: Int) -> farm_farm_config {
        var farm = farm_farm_config()
        farm.name = UnsafePointer(keep(spec.name))
        farm.name_length = UInt32(spec.name.utf8.count)
        farm.algorithm = spec.algorithm
        farm.first_member = UInt32(firstMember)
        farm.member_count = UInt32(spec.members.count)
        farm.max_attempts = spec.maxAttempts
        farm.retry_safe = spec.retrySafe ? 1 : 0
        farm.fail_on_timeout = spec.failOnTimeout ? 1 : 0
        farm.fall = spec.fall
        farm.retry_us = spec.retry
        farm.recover_us = spec.recover
        if let load = spec.load {
            farm.load = UnsafePointer(keep(load))
            farm.load_length = UInt32(load.utf8.count)
        }
        farm.expect_us = spec.expect
        farm.expect_ignore = spec.expectIgnores ? 1 : 0
        farm.slowstart_us = spec.slowStart
        let cookie = spec.ownCookie ?? "farm." + spec.name
        farm.instruction_cookie = UnsafePointer(keep(cookie))
        farm.instruction_cookie_length = UInt32(cookie.utf8.count)
        farm.sets_cookie = spec.setsCookie ? 1 : 0
        farm.sticky_seconds = spec.stickySeconds
        farm.passes_cookie = spec.passesCookie ? 1 : 0
        farm.panic = spec.panic
        farm.eject = spec.eject ? 1 : 0
        if let sticky = spec.sticky {
            farm.sticky_cookie = UnsafePointer(keep(sticky.cookie))
            farm.sticky_cookie_length = UInt32(sticky.cookie.utf8.count)
            farm.sticky_parameter = UnsafePointer(keep(sticky.parameter))
            farm.sticky_parameter_length = UInt32(sticky.parameter.utf8.count)
        }
        withUnsafeMutableBytes(of: &farm.fail_on_status) { words in
            let words = words.bindMemory(to: UInt64.self)
            for status in spec.failOnStatus { words[status / 64] |= 1 << UInt64(status % 64) }
        }
        return farm
    }

    private func memberRow(_ spec: MemberSpec) -> farm_member_config {
        var member = farm_member_config()
        member.name = UnsafePointer(keep(spec.name))
        member.name_length = UInt32(spec.name.utf8.count)
        member.url = UnsafePointer(keep(spec.url))
        member.url_length = UInt32(spec.url.utf8.count)
        member.weight = spec.weight
        member.tier = spec.tier
        member.admin = spec.admin
        member.max_inflight = spec.maxInflight
        member.redirect = spec.redirect ?? FARM_NONE
        let route = spec.route ?? spec.name
        member.route = UnsafePointer(keep(route))
        member.route_length = UInt32(route.utf8.count)
        return member
    }
}
