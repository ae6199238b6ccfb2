import CFarm
import CFarmABI
import FarmCore
import Foundation

@testable import FarmTables

/// One httpd from its start to its end: configurations that follow one another, children of each, what they have in flight, and
/// how they end. Beside the tables it counts for itself, and compares after each thing that happens.
public final class FuzzLife {
    /// A child: its own engine, of its own copy of a configuration, as if it had been forked just after a restart.
    private final class Child {
        let engine: OpaquePointer
        let pid: UInt32
        let serves: Bool
        var open: [farm_request] = []

        init(engine: OpaquePointer, pid: UInt32) {
            self.engine = engine
            self.pid = pid
            serves = farm_on_child_start(engine, pid) == FARM_CHILD_SERVES
        }
    }

    private static let slots: UInt32 = 4
    private let pool = Pool()
    private let granularity: UInt32
    private var tables: OpaquePointer
    /// Of each block.
    private var locks: [[UnsafeMutableRawPointer?]] = []
    /// Tables as they were opened for configurations before.
    private var closed: [OpaquePointer] = []
    private var configs: [Config] = []
    private var children: [Child] = []
    private var nextPid: UInt32 = 1
    /// Requests that a dead child had, whom nobody has buried.
    private var unburied: [(pid: UInt32, open: Int, hasSlot: Bool)] = []
    private var grown = 0

    public init(granularity: UInt32) {
        FuzzHost.now = 1_000_000
        FuzzHost.dead = []
        self.granularity = granularity % 3
        let config = Config([], farmCapacity: 2, memberCapacity: 3, slots: Self.slots, metrics: 4)
        configs = [config]
        let count = farm_on_lock_count(self.granularity, 2, 3)
        let locks = pool.locks(Int(count)).map { UnsafeMutableRawPointer($0) as UnsafeMutableRawPointer? }
        var error: Int32 = 0
        guard
            let tables = farm_on_tables_create(
                config.pointer, UnsafeMutableRawPointer(pool.handle), self.granularity, locks, count, &error)
        else { finding("no tables: \(error)") }
        self.tables = tables
        self.locks = [locks]
        guard farm_on_tables_granularity(tables) == self.granularity, farm_on_tables_metrics(tables) == 4 else {
            finding("the tables are not as they were asked for")
        }
    }

    // MARK: What happens

    /// A restart with these farms, and a child of it. Nothing when the tables have as many pieces as there may be.
    public func configure(_ farms: [FarmSpec]) {
        let config = Config(farms, farmCapacity: 2, memberCapacity: 3, slots: Self.slots, metrics: 4)
        configs.append(config)
        reopen()
        guard farm_on_metric_count(config.pointer) <= 4 else { finding("more metrics than the formulas name") }
        let missing = farm_on_tables_room(tables, config.pointer)
        if missing.farms_missing > 0 || missing.members_missing > 0 {
            guard farm_on_engine_create(tables, config.pointer) == nil else {
                finding("it fits, and misses \(missing)")
            }
            guard grow(missing.farms_missing, missing.members_missing) else { return }
        }
        guard let engine = farm_on_engine_create(tables, config.pointer) else { finding("it does not fit after all") }
        let living = children.filter(\.serves).count + unburied.filter(\.hasSlot).count
        let child = Child(engine: engine, pid: nextPid)
        guard child.serves == (living < Self.slots) else { finding("\(living) live, and one serves: \(child.serves)") }
        nextPid += 1
        children.append(child)
    }

    private func grow(_ farms: UInt32, _ members: UInt32) -> Bool {
        let count = farm_on_lock_count(granularity, farms, members)
        let locks = pool.locks(Int(count)).map { UnsafeMutableRawPointer($0) as UnsafeMutableRawPointer? }
        var error: Int32 = 0
        let handle = UnsafeMutableRawPointer(pool.handle)
        guard farm_on_tables_grow(tables, farms, members, handle, locks, count &+ 1, &error) == 0, error != 0 else {
            finding("a number of locks that is wrong")
        }
        grown += 1
        let hasGrown = farm_on_tables_grow(tables, farms, members, handle, locks, count, &error) == 1
        guard hasGrown == (error == 0), hasGrown || grown > 60 else { finding("no piece \(grown): \(error)") }
        if hasGrown { self.locks.append(locks) }
        return hasGrown
    }

    /// As the parent does at a restart, whose code may be new: the same blocks, and nothing that it knew of them.
    private func reopen() {
        guard let opened = farm_on_tables_open(granularity) else { finding("tables cannot be opened") }
        for (number, locks) in self.locks.enumerated() {
            let base = farm_on_tables_base(tables, UInt32(number))
            guard farm_on_tables_adopt(opened, base, locks, UInt32(locks.count) &- 1) == 0 else {
                finding("a block with a lock too few")
            }
            guard farm_on_tables_adopt(opened, base, locks, UInt32(locks.count)) == 1 else {
                finding("block \(number) is not taken")
            }
        }
        guard farm_on_tables_base(opened, UInt32(self.locks.count)) == nil else { finding("a block too many") }
        closed.append(tables)
        tables = opened
        farm_on_old_processes(tables, UInt32(self.locks.count))
    }

    private func child(_ number: UInt8) -> Child? { children.isEmpty ? nil : children[Int(number) % children.count] }

    /// A request of a child's, which is left open.
    public func choose(_ number: UInt8, farm: UInt8, flags: UInt8) {
        guard let child = child(number) else { return }
        var request = farm_request()
        // Also of farms that are not there.
        request.farm = farm == 0xFF ? FARM_NONE : UInt32(farm % 5)
        request.flags =
            (flags & 1 != 0 ? FARM_REQUEST_IDEMPOTENT : 0) | (flags & 16 != 0 ? FARM_REQUEST_BODY_READY : 0)
        farm_on_key(&request, "key", 3)
        let condition = farm_on_condition(child.engine, &request)
        guard condition <= 3 else { finding("the condition \(condition)") }
        if farm_on_trial_due(child.engine, &request, FuzzHost.now) == 1 && !child.serves {
            finding("a child without a slot knows of a trial")
        }
        if farm_on_choose(child.engine, &request, FuzzHost.now) == 1 {
            guard child.serves else { finding("a child without a slot has chosen") }
            child.open.append(request)
        }
    }

    /// The newest request of a child's has a connection to its member.
    public func connect(_ number: UInt8) {
        guard let child = child(number), !child.open.isEmpty else { return }
        let at = child.open.count - 1
        let limit = farm_on_connect_limit(child.engine, &child.open[at])
        guard limit == 0 || child.open[at].flags & FARM_REQUEST_TRIAL != 0 else {
            finding("a limit for what is no trial")
        }
        farm_on_connected(child.engine, &child.open[at])
    }

    /// The oldest request of a child's goes on as httpd saw it; it may choose again. `more`: what is seen beyond the first
    /// eight bits.
    public func end(_ number: UInt8, saw: UInt8, status: UInt8, more: UInt8) {
        guard let child = child(number), !child.open.isEmpty else { return }
        var request = child.open.removeFirst()
        let mayResend: Int32 = status & 1 == 0 ? 1 : 0
        let saw = UInt32(saw) | UInt32(more) << 8
        if saw & (FARM_SAW_ANSWER | FARM_SAW_HELD) != 0 {
            // 25 times 4 and 1 is a switch of protocols.
            let status = status == 25 ? 101 : UInt32(status) * 4
            _ = farm_on_answer(child.engine, &request, status, mayResend, FuzzHost.now)
        }
        if farm_on_end(child.engine, &request, saw, mayResend, 1, 1) == 1,
            farm_on_choose(child.engine, &request, FuzzHost.now) == 1
        {
            child.open.append(request)
        } else if request.broken != 0 {
            finding("a request is over, and nobody is charged for it: \(request.broken)")
        }
    }

    public func drop(_ number: UInt8) {
        guard let child = child(number), !child.open.isEmpty else { return }
        var request = child.open.removeLast()
        farm_on_drop(child.engine, &request)
        guard request.broken == 0 else { finding("a request is dropped, and nobody is charged for it") }
        farm_on_drop(child.engine, &request)
    }

    /// A child ends, with what it has open; the parent sees it, or finds out later.
    public func kill(_ number: UInt8, isSeen: Bool) {
        guard let child = child(number) else { return }
        children.removeAll { $0 === child }
        if isSeen {
            farm_on_child_gone(tables, child.pid)
        } else {
            FuzzHost.dead.insert(child.pid)
            unburied.append((child.pid, child.open.count, child.serves))
        }
        farm_on_engine_destroy(child.engine)
    }

    public func sweep() {
        farm_on_sweep(tables)
        unburied = []
        var pids = [UInt32](repeating: 0, count: Int(farm_on_processes(tables, nil, 0)))
        let count = farm_on_processes(tables, &pids, UInt32(pids.count))
        guard Set(pids[..<Int(count)]) == Set(children.filter(\.serves).map(\.pid)) else {
            finding("the processes are \(pids[..<Int(count)])")
        }
    }

    public func pass(_ time: UInt8) {
        FuzzHost.now += UInt64(time) * 500_000
        if let child = children.last { farm_on_tick(child.engine) }
    }

    public func leadElsewhere(_ number: UInt8, farm: UInt8) {
        guard let child = child(number) else { return }
        let farm = farm == 0xFF ? FARM_NONE : UInt32(farm)
        var request = child.open.popLast() ?? farm_request()
        farm_on_drop(child.engine, &request)
        var reason = [CChar](repeating: 0, count: 512)
        _ = farm_on_refused(child.engine, &request, request.farm & 7, &reason, 512)
        farm_on_redirected(&request)
        farm_on_forwarded(&request, farm)
        farm_on_finished(child.engine, &request, farm, 0)
    }

    // MARK: What must hold

    private var blocks: UnsafeMutableBufferPointer<Block>.SubSequence {
        UnsafeMutablePointer<Tables>(tables).pointee.known
    }

    /// Requests in flight by the rows are those that were begun and have not ended, also of members that are configured no more.
    public func check() {
        let open = children.reduce(0) { $0 + $1.open.count } + unburied.reduce(0) { $0 + $1.open }
        var counted = 0
        for block in blocks {
            for member in 0..<Int(block.layout.members) {
                let row = block.member(member)
                let inflight = Int(Int32(bitPattern: farm_get32(&row.pointee.inflight)))
                guard inflight >= 0 else { finding("\(inflight) in flight at one member") }
                guard row.pointee.sequence & 1 == 0 else { finding("a row is left half written") }
                counted += inflight
            }
        }
        guard counted == open else { finding("\(counted) in flight by the rows, and \(open) are") }
    }

    /// Everybody ends; nothing is left.
    public func finish() {
        while !children.isEmpty { kill(0, isSeen: true) }
        sweep()
        check()
        for slot in 0..<Int(Self.slots) where blocks.first!.slot(slot).pointee.pid != 0 { finding("a slot is left") }
        for tables in closed + [tables] { farm_on_tables_close(tables) }
    }
}
