import CAPR
import CFarmABI
import CFarmBench
import FarmCore
import FarmTables
import Foundation

/// Tables as httpd's parent makes them, with farms of equal members, and the engine over them. It lives as long as the
/// program.
struct BenchWorld {
    let engine: UnsafeMutablePointer<Engine>
    let members: Int
    let farms: Int

    /// `members` of all farms together. The locks are of the mechanism that is the default of Linux.
    init(algorithm: Algorithm, farms: Int, members: Int, slots: Int, granularity: LockGranularity) {
        self.farms = farms
        self.members = members
        let tables = UnsafeMutablePointer<Tables>.allocate(capacity: 1)
        tables.initialize(to: Tables(granularity: granularity))
        let pool = Self.pool()
        let locks = Self.locks(granularity.lockCount(farms: UInt32(farms), members: UInt32(members)), pool)
        let layout = BlockLayout(farms: UInt32(farms), members: UInt32(members), slots: UInt32(slots), metrics: 16)
        let status = tables.pointee.grow(layout, pool: pool, locks: locks, lockCount: UInt32(locks.count))
        precondition(status == 0, "APR gives no shared memory")
        let config = Self.config(algorithm, farms: farms, members: members, slots: slots)
        guard let made = Engine(tables.pointee, config: config) else { preconditionFailure("the engine does not fit") }
        engine = .allocate(capacity: 1)
        engine.initialize(to: made)
    }

    /// The text of an update of a member, counted over all farms.
    func update(of member: Int, load: Double) -> [UInt8] {
        let each = members / farms
        let text = "farm=\(Self.farmName(member / each))&member=\(Self.memberName(member % each))"
        return Array("\(text)&cpu=\(String(format: "%.3f", load))&db=\(member % 97)".utf8)
    }

    static func farmName(_ number: Int) -> String { "farm\(number)" }
    static func memberName(_ number: Int) -> String { "m" + String(format: "%04d", number) }

    private static func pool() -> OpaquePointer {
        var pool: OpaquePointer?
        let status = apr_initialize() == 0 ? apr_pool_create_ex(&pool, nil, nil, nil) : 1
        guard status == 0, let pool else { preconditionFailure("APR gives no pool") }
        return pool
    }

    private static func locks(_ count: UInt32, _ pool: OpaquePointer) -> [OpaquePointer] {
        (0..<count).map { _ in
            var lock: OpaquePointer?
            let status = apr_global_mutex_create(&lock, nil, APR_LOCK_PROC_PTHREAD, pool)
            guard status == 0, let lock else { preconditionFailure("APR gives no lock") }
            return lock
        }
    }

    private static func config(_ algorithm: Algorithm, farms: Int, members: Int, slots: Int) -> farm_config {
        let farmRows = UnsafeMutablePointer<farm_farm_config>.allocate(capacity: farms)
        let memberRows = UnsafeMutablePointer<farm_member_config>.allocate(capacity: members)
        let each = members / farms
        for at in 0..<farms {
            var farm = farm_farm_config()
            (farm.name, farm.name_length) = kept(farmName(at))
            farm.algorithm = algorithm.rawValue
            farm.first_member = UInt32(at * each)
            farm.member_count = UInt32(each)
            farm.max_attempts = 3
            farm.retry_safe = 1
            farm.fall = 1
            farm.retry_us = 10_000_000
            (farm.instruction_cookie, farm.instruction_cookie_length) = kept("farm")
            (farmRows + at).initialize(to: farm)
        }
        for at in 0..<members {
            var member = farm_member_config()
            (member.name, member.name_length) = kept(memberName(at % each))
            (member.url, member.url_length) = kept("http://\(memberName(at % each)).test:8080")
            member.weight = 1
            member.redirect = FARM_NONE
            (member.route, member.route_length) = (member.name, member.name_length)
            (memberRows + at).initialize(to: member)
        }
        var config = farm_config()
        config.farms = UnsafePointer(farmRows)
        config.members = UnsafePointer(memberRows)
        config.farm_count = UInt32(farms)
        config.member_count = UInt32(members)
        config.farm_capacity = UInt32(farms)
        config.member_capacity = UInt32(members)
        config.slot_capacity = UInt32(slots)
        config.metric_capacity = 16
        (config.cookie, config.cookie_length) = kept("farm")
        config.version = kept("bench").0
        config.built = kept("bench").0
        config.mpm = kept("event").0
        return config
    }

    private static func kept(_ text: String) -> (UnsafePointer<CChar>?, UInt32) {
        (strdup(text).map { UnsafePointer($0) }, UInt32(text.utf8.count))
    }
}

extension UnsafeMutablePointer where Pointee == Engine {
    /// Stores an update; whether it was right. `room` is at least as long as the text and is written over.
    func store(_ text: [UInt8], room: UnsafeMutableBufferPointer<UInt8>) -> Bool {
        _ = room.update(fromContentsOf: text)
        pointee.update(UnsafeMutableBufferPointer(rebasing: room[0..<text.count]), caller: nil, out: nil)
        return bench_status() == 200
    }
}
