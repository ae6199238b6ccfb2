import CFarm
import CFarmABI
import FarmCore
import FarmTestSupport
import Testing

@testable import FarmTables

/// One httpd instance as its parent sees it: a pool, tables, and the configurations it has had.
final class World {
    let pool = Pool()
    let tables: UnsafeMutablePointer<Tables>
    /// The locks of the first block, as they were given.
    let locks: [OpaquePointer]
    private var configs: [Config] = []
    private var engines: [UnsafeMutablePointer<Engine>] = []

    init(
        farms: UInt32 = 4, members: UInt32 = 16, slots: UInt32 = 8, metrics: UInt32 = 16,
        granularity: LockGranularity = .row
    ) {
        tables = .allocate(capacity: 1)
        tables.initialize(to: Tables(granularity: granularity))
        locks = pool.locks(Int(granularity.lockCount(farms: farms, members: members)))
        let status = tables.pointee.grow(
            BlockLayout(farms: farms, members: members, slots: slots, metrics: metrics), pool: pool.handle,
            locks: locks, lockCount: UInt32(locks.count))
        precondition(status == 0)
    }

    deinit {
        for engine in engines {
            engine.pointee.deallocate()
            engine.deallocate()
        }
        tables.pointee.deallocate()
        tables.deallocate()
    }

    /// The next configuration, as at a restart; nil when it does not fit. Each call also stands for the one copy of it
    /// that a child inherits: two children are two of them.
    func configure(_ farms: [FarmSpec], members: UInt32 = 16) -> UnsafeMutablePointer<Engine>? {
        let config = Config(farms, memberCapacity: members)
        configs.append(config)
        guard let made = Engine(tables.pointee, config: config.pointer.pointee) else { return nil }
        let engine = UnsafeMutablePointer<Engine>.allocate(capacity: 1)
        engine.initialize(to: made)
        engines.append(engine)
        return engine
    }

    /// Copies of one configuration, as children have them that are forked in it.
    func copies(of farms: [FarmSpec], _ count: Int) -> [UnsafeMutablePointer<Engine>]? {
        let before = generation
        let copies = (0..<count).compactMap { _ in
            tables.pointee.first.header.pointee.config_generation = before
            return configure(farms)
        }
        return copies.count == count ? copies : nil
    }

    /// A configuration in a process that serves.
    func child(_ farms: [FarmSpec], pid: UInt32) throws -> UnsafeMutablePointer<Engine> {
        let engine = try #require(configure(farms))
        #expect(engine.start(pid: pid))
        return engine
    }

    /// The next configuration; where rows are missing, in tables with another block, as httpd makes it.
    func configureWithRoom(_ farms: [FarmSpec]) -> UnsafeMutablePointer<Engine>? {
        let config = Config(farms)
        let wanted = withExtendedLifetime(config) {
            let missing = tables.pointee.missing(config.pointer.pointee)
            return missing == (0, 0) ? (0, 0) : tables.pointee.wanted(missing: missing)
        }
        if wanted != (0, 0) {
            guard grow(farms: wanted.0, members: wanted.1) == 0 else { return nil }
        }
        return configure(farms)
    }

    func grow(farms: UInt32, members: UInt32) -> Int32 {
        let count = tables.pointee.granularity.lockCount(farms: farms, members: members)
        let first = tables.pointee.first.layout
        let layout = BlockLayout(farms: farms, members: members, slots: first.slots, metrics: first.metrics)
        return tables.pointee.grow(layout, pool: pool.handle, locks: pool.locks(Int(count)), lockCount: count)
    }

    var generation: UInt32 { tables.pointee.first.header.pointee.config_generation }

    /// Sum of every cell of the ledger, over all blocks and slots.
    func ledgerTotal() -> Int {
        tables.pointee.known.reduce(0) { sum, block in
            (0..<Int(block.layout.slots)).reduce(sum) { sum, slot in
                (0..<Int(block.layout.members)).reduce(sum) { $0 + Int(block.cell(slot: slot, member: $1).pointee) }
            }
        }
    }
}

// An argument of parameterised tests.
extension LockGranularity: @unchecked Sendable {}

extension UnsafeMutablePointer where Pointee == Engine {
    /// Makes it the engine of a child.
    func start(pid: UInt32) -> Bool { pointee.startChild(pid: pid) == .serves }

    /// The row of a member by its number in the configuration.
    func row(_ member: Int) -> MemberRow { pointee.members[member].row }

    func inflight(_ member: Int) -> Int32 { Int32(bitPattern: farm_get32(&row(member).pointee.inflight)) }

    /// Ends an attempt at a time of the test's choice.
    func end(
        _ request: UnsafeMutablePointer<farm_request>, saw: Evidence, mayResend: Bool, bytesIn: UInt64,
        bytesOut: UInt64, now: UInt64
    ) -> Bool {
        HostClock.$now.withValue(now) {
            end(request, saw: saw, mayResend: mayResend, bytesIn: bytesIn, bytesOut: bytesOut)
        }
    }

    /// A request, chosen once.
    func chosen(farm: UInt32 = 0, idempotent: Bool = true, bodyReady: Bool = true, now: UInt64 = 1) -> farm_request? {
        var request = farm_request()
        request.farm = farm
        request.addressed = farm
        request.flags =
            (idempotent ? FARM_REQUEST_IDEMPOTENT : 0) | (bodyReady ? FARM_REQUEST_BODY_READY : 0)
        return choose(&request, now: now) ? request : nil
    }
}

/// A farm of members with weight 1.
func farm(_ name: String, _ members: String..., change: (inout FarmSpec) -> Void = { _ in }) -> FarmSpec {
    var spec = FarmSpec(name, members.map { MemberSpec($0) })
    change(&spec)
    return spec
}
