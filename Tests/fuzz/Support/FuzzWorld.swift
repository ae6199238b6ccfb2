import CFarm
import CFarmABI
import FarmCore
import Foundation

@testable import FarmTables

/// Tables, farms and a child that serves, made once through the C functions. Each input begins with the same memory: what
/// the one before has left there is taken back.
public final class FuzzWorld {
    static let client = "192.0.2.7"

    public let engine: OpaquePointer
    /// Known here, so that nothing of it counts as lost.
    private let tables: OpaquePointer
    private let pool = Pool()
    private let config: Config
    private let begin: UnsafeMutableRawPointer
    private let began: UInt64
    private var round: UInt64 = 0

    public init() {
        let config = Config(Self.farms, farmCapacity: 5)
        self.config = config
        config.pointer.pointee.metric_capacity = 8
        config.changeFarm(1) { farm in
            let formula = strdup("max(cpu, db / 100) + queue * 2")!
            farm.load = UnsafePointer(formula)
            farm.load_length = UInt32(strlen(formula))
            farm.expect_us = 1000
        }
        config.changeFarm(2) { farm in
            farm.expect_us = 1000
            farm.expect_ignore = 1
        }
        FuzzHost.urls = (0..<Int(config.pointer.pointee.member_count)).map {
            config.pointer.pointee.members[$0].url
        }
        FuzzHost.callers = [1, 0, 2, 1, 0]
        let wanted = farm_on_lock_count(
            FARM_LOCKS_ROW, config.pointer.pointee.farm_capacity, config.pointer.pointee.member_capacity)
        let locks = pool.locks(Int(wanted)).map { UnsafeMutableRawPointer($0) as UnsafeMutableRawPointer? }
        var error: Int32 = 0
        let handle = UnsafeMutableRawPointer(pool.handle)
        guard
            let tables = farm_on_tables_create(config.pointer, handle, FARM_LOCKS_ROW, locks, wanted, &error),
            let engine = farm_on_engine_create(tables, config.pointer),
            farm_on_child_start(engine, 1) == FARM_CHILD_SERVES
        else { finding("no tables: \(error)") }
        self.tables = tables
        self.engine = engine
        let block = UnsafeMutablePointer<Engine>(engine).pointee.tables.first
        begin = .allocate(byteCount: block.layout.size, alignment: 64)
        begin.copyMemory(from: block.base, byteCount: block.layout.size)
        began = FuzzHost.now
    }

    /// One farm of each kind of freshness and load, one of a single member, one without any. The first two are sticky by a route, the
    /// next two by a cookie.
    private static var farms: [FarmSpec] {
        func farm(_ name: String, _ algorithm: StaticString, _ members: [MemberSpec]) -> FarmSpec {
            var spec = FarmSpec(name, members)
            spec.algorithm = Algorithm(name: bytes(of: algorithm))!.rawValue
            if name == "app" || name == "gold" { spec.sticky = ("SID", "sid") }
            spec.setsCookie = name == "keyed" || name == "solo"
            return spec
        }
        var stoodInFor = MemberSpec("app4", admin: 2)
        stoodInFor.redirect = 0
        stoodInFor.route = "four"
        return [
            farm("app", "load", ["app1", "app2", "app3"].map { MemberSpec($0) } + [stoodInFor]),
            farm(
                "gold", "adaptive",
                [MemberSpec("g1", weight: 3), MemberSpec("g2", tier: 1), MemberSpec("g3", admin: 2)]),
            farm("keyed", "hash", [MemberSpec("10.0.0.1:8080", maxInflight: 1), MemberSpec("[k2]"), MemberSpec("k3")]),
            farm("solo", "roundrobin", [MemberSpec("one")]),
            farm("empty", "busyness", []),
        ]
    }

    private static func bytes(of text: StaticString) -> UnsafeBufferPointer<UInt8> {
        UnsafeBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount)
    }

    // MARK: The shared memory

    private var pointee: Engine { UnsafeMutablePointer<Engine>(engine).pointee }
    private var block: Block { pointee.tables.first }

    /// Takes back what the last input did. Views are this process's own, so every farm gets a generation that no view has.
    public func restart() {
        FuzzHost.now = began
        round += 1
        block.base.copyMemory(from: begin, byteCount: block.layout.size)
        for farm in pointee.farms { farm.row.pointee.generation = (round << 12 & 0xFFFF_F000) << 32 }
    }

    public func memory() -> [UInt8] {
        [UInt8](UnsafeRawBufferPointer(start: block.base, count: block.layout.size))
    }

    public func isAs(_ memory: [UInt8]) -> Bool {
        memory.withUnsafeBytes { memcmp($0.baseAddress!, block.base, block.layout.size) == 0 }
    }

    /// Metrics in use, values and loads: what only a finite number may have got into.
    public func checkNumbers() {
        let tables = pointee.tables
        let count = farm_get32(&block.header.pointee.metric_count)
        guard count <= block.layout.metrics else { finding("\(count) metrics in a table of \(block.layout.metrics)") }
        for farm in 0..<pointee.farms.count {
            for local in 0..<pointee.farms[farm].members.count {
                let values = pointee.values(farm: farm, local: local)
                for metric in 0..<tables.metricCount { check(values[metric]) }
                check(pointee.farms[farm].members[local].row.pointee.load)
                let row = pointee.farms[farm].members[local].row
                guard row.pointee.sequence & 1 == 0, row.pointee.note.writing == 0 else {
                    finding("a row is left half written")
                }
                guard (1...1000).contains(row.pointee.weight) else { finding("a weight of \(row.pointee.weight)") }
            }
        }
    }

    private func check(_ word: UInt64) {
        let value = SharedDouble.value(word)
        guard value.isFinite || value.isNaN else { finding("a value is \(value)") }
    }

    /// What would stand in the state file now.
    public func stateFile() -> [UInt8] {
        let file = FuzzAnswer(status: 200)
        farm_on_state_write(engine, file.handle)
        return file.bytes
    }

    /// Reads a state file; what is wrong with it, or nil.
    public func readState(_ text: some Collection<UInt8>) -> String? {
        var what: String?
        var line: UInt32 = 0
        withText(text) { text, length in
            what = farm_on_state_read(engine, text, length, &line).map { String(cString: $0) }
            guard (what == nil) == (line == 0), line <= length + 1 else { finding("line \(line) of \(length) bytes") }
        }
        return what
    }

    public func row(farm: Int, member: Int) -> MemberRow { pointee.farms[farm].members[member].row }

    /// Requests in flight, of all members.
    public var inflight: Int {
        pointee.farms.reduce(0) { sum, farm in
            farm.members.reduce(sum) { $0 + Int(Int32(bitPattern: farm_get32(&$1.row.pointee.inflight))) }
        }
    }
}

/// Hands `body` a copy of its own, at whose end ASan stands guard.
public func withText(_ bytes: some Collection<UInt8>, _ body: (UnsafeMutablePointer<CChar>, UInt32) -> Void) {
    let copy = UnsafeMutablePointer<CChar>.allocate(capacity: bytes.count)
    defer { copy.deallocate() }
    for (at, byte) in bytes.enumerated() { copy[at] = CChar(bitPattern: byte) }
    body(copy, UInt32(bytes.count))
}
