import CFarmABI
import FarmTestSupport
import Foundation
import Testing

/// A life through the C functions alone: tables, a configuration, a child that serves.
final class Abi {
    let pool = Pool()
    let config: Config
    let tables: OpaquePointer
    private(set) var engine: OpaquePointer

    init(
        _ farms: [FarmSpec], pid: UInt32? = 1, granularity: UInt32 = FARM_LOCKS_ROW, metrics: UInt32 = 16
    ) throws {
        config = Config(farms, farmCapacity: max(4, UInt32(farms.count)), metrics: metrics)
        let tables = try #require(Abi.makeTables(config, pool, granularity))
        self.tables = tables
        engine = try #require(farm_on_engine_create(tables, config.pointer))
        if let pid { #expect(farm_on_child_start(engine, pid) == FARM_CHILD_SERVES) }
    }

    // Others may have the tables still, so they are kept as long as the process lives.
    deinit { farm_on_engine_destroy(engine) }

    /// The condition of a farm for a request that wants nobody.
    func condition(_ farm: UInt32) -> UInt32 {
        var request = farm_request()
        request.farm = farm
        return farm_on_condition(engine, &request)
    }

    static func makeTables(_ config: Config, _ pool: Pool, _ granularity: UInt32) -> OpaquePointer? {
        let config = config.pointer
        let count = farm_on_lock_count(granularity, config.pointee.farm_capacity, config.pointee.member_capacity)
        let locks = pointers(pool.locks(Int(count)))
        var error: Int32 = 0
        let tables = farm_on_tables_create(
            config, UnsafeMutableRawPointer(pool.handle), granularity, locks, count, &error)
        if let tables { LivingTables.keep(tables) }
        return tables
    }

    static func pointers(_ locks: [OpaquePointer]) -> [UnsafeMutableRawPointer?] {
        locks.map { UnsafeMutableRawPointer($0) }
    }

    func find(_ name: String) -> UInt32 {
        name.withCString { farm_on_find_farm(engine, $0, UInt32(name.utf8.count)) }
    }

    func chosen(farm: UInt32 = 0) -> farm_request? {
        var request = farm_request()
        request.farm = farm
        request.addressed = farm
        request.flags = FARM_REQUEST_IDEMPOTENT | FARM_REQUEST_BODY_READY
        return farm_on_choose(engine, &request, 1) == 1 ? request : nil
    }

    /// How many members of the first farm, which has so many, a request gets one after the other.
    func available(_ members: Int) -> Int {
        var request = farm_request()
        var seen: Set<UInt32> = []
        for _ in 0..<members {
            guard farm_on_choose(engine, &request, 1) == 1 else { break }
            seen.insert(request.member)
            // Goes on to another one, as if this host had no connection left; nobody is charged.
            _ = farm_on_end(engine, &request, FARM_SAW_SHORTAGE, 1, 0, 0)
        }
        return seen.count
    }

    func status() -> [UInt8] {
        let output = Output()
        farm_on_status(engine, FARM_STATUS_JSON, nil, output.handle)
        return output.bytes
    }
}

/// Where LeakSanitizer finds all tables of this process: no function frees them, so they are none of its leaks, and what
/// their making has lost is one.
private enum LivingTables {
    private static let lock = NSLock()
    nonisolated(unsafe) private static var all: [OpaquePointer] = []

    static func keep(_ tables: OpaquePointer) {
        lock.withLock { all.append(tables) }
    }
}
