import CFarm
import CFarmABI
import FarmCore

/// What the status says, read once: all of its formats are written from the same copies. Of each row it is one moment's
/// copy, made without stopping anybody. Owns memory until it goes.
struct StatusSnapshot: ~Copyable {
    let engine: Engine
    /// Monotonic and wall clock of the answer, in microseconds.
    let now: UInt64
    let wallClock: UInt64
    let metricCount: Int
    private let farmRows: UnsafeMutablePointer<farm_farm_row>
    private let rows: UnsafeMutablePointer<farm_member_row>
    /// Members over the copies, for what a farm says of its members.
    private let copies: UnsafeMutableBufferPointer<Member>
    private let values: UnsafeMutablePointer<UInt64>
    private let shares: UnsafeMutablePointer<Double>
    let farms: UnsafeMutableBufferPointer<FarmReading>
    /// Of all farms, in the order of the configuration.
    let members: UnsafeMutableBufferPointer<MemberReading>

    /// A farm, as it was.
    struct FarmReading {
        var number: Int
        /// A copy, the snapshot's.
        var row: FarmRow
        var algorithm: StaticString
        var admin: Admin
        var condition: Condition
        var available: Int
        var inflight: UInt32
        var rates: History.Rates?
        var history: History
        /// In the snapshot's.
        var members: Range<Int>
    }

    /// A member, as it was.
    struct MemberReading {
        /// A copy, the snapshot's.
        var row: MemberRow
        /// Of its metrics, by number; the snapshot's.
        var values: UnsafePointer<UInt64>
        var url: UnsafeBufferPointer<UInt8>
        var state: MemberState
        var isIn: Bool
        var isAvailable: Bool
        /// The part of new requests that it gets, 0 to 1.
        var share: Double
        /// NaN: unknown.
        var load: Double
        /// Seconds since its last update; NaN: never.
        var age: Double
        /// By the wall clock, in microseconds; 0: no request may try it.
        var nextTrial: UInt64
        var rates: History.Rates?
        var history: History
        /// Clients tied to it, and until when, in Unix seconds; 0: none is.
        var clients: UInt64
        var clientsUntil: UInt64
    }

    init(_ engine: Engine) {
        self.engine = engine
        metricCount = engine.tables.metricCount
        farmRows = .allocate(capacity: max(1, engine.farms.count))
        rows = .allocate(capacity: max(1, engine.members.count))
        copies = .allocate(capacity: engine.members.count)
        values = .allocate(capacity: max(1, engine.members.count * metricCount))
        shares = .allocate(capacity: max(1, engine.members.count))
        farms = .allocate(capacity: engine.farms.count)
        members = .allocate(capacity: engine.members.count)
        now = farm_host_clock()
        wallClock = farm_host_wall_clock()
        for at in 0..<engine.farms.count {
            _ = engine.endStates(farm: at, now: now)
            let farm = engine.farms[at]
            Self.copy(farm.row, to: farmRows + at)
            let first = Int(engine.firstMember(UInt32(at)))
            for local in 0..<farm.members.count {
                copy(farm.members[local], engine.values(farm: at, local: local), to: first + local)
            }
            let last = first + farm.members.count
            let copied = farm.over(farmRows + at, UnsafeMutableBufferPointer(rebasing: copies[first..<last]))
            var measured = Shares(copied, now: now)
            measured.all(into: shares + first)
            measured.deallocate()
            farms.initializeElement(at: at, to: reading(farm: at, copied, members: first..<last))
            _ = engine.watch(farm: at, farms[at].condition, now: now)
            for number in first..<last {
                members.initializeElement(
                    at: number, to: reading(member: number, of: copied, at, isAlone: farms[at].available == 0))
            }
        }
    }

    deinit {
        farmRows.deallocate()
        rows.deallocate()
        copies.deallocate()
        values.deallocate()
        shares.deallocate()
        farms.deallocate()
        members.deallocate()
    }

    private func copy(_ member: Member, _ live: UnsafePointer<UInt64>, to at: Int) {
        let row = member.row
        let copy = rows + at
        copies.initializeElement(at: at, to: Member(row: copy, ledger: member.ledger))
        let kept = values + at * metricCount
        let isOne = RowWriting.read(&row.pointee.sequence) {
            Self.copyWords(row, to: copy)
            for metric in 0..<metricCount { kept[metric] = farm_get64(live + metric) }
        }
        if isOne && RowWriting.isWhole(farm_member_row_note(copy)) { return }
        Self.forget(farm_member_row_note(copy))
        for metric in 0..<metricCount { kept[metric] = SharedDouble.word(.nan) }
    }

    private static func copy(_ row: FarmRow, to copy: FarmRow) {
        let isOne = RowWriting.read(&row.pointee.sequence) { copyWords(row, to: copy) }
        if !isOne || !RowWriting.isWhole(farm_row_note(copy)) { forget(farm_row_note(copy)) }
    }

    /// Of a copy that may be of two notes or reports nothing is said that only their words together say. The state and the load,
    /// which requests go by as they stand, are of one of them.
    private static func forget(_ note: AdminNote) { note.initialize(to: farm_admin_note()) }

    /// Word by word, as every word of a row may be read at any time. From the last to the first, so that no copy has more requests
    /// that have ended than have begun.
    private static func copyWords<Row>(_ row: UnsafeMutablePointer<Row>, to copy: UnsafeMutablePointer<Row>) {
        let words = MemoryLayout<Row>.size / MemoryLayout<UInt64>.size
        row.withMemoryRebound(to: UInt64.self, capacity: words) { from in
            copy.withMemoryRebound(to: UInt64.self, capacity: words) { to in
                for at in stride(from: words - 1, through: 0, by: -1) { to[at] = farm_read64(from + at) }
            }
        }
    }

    /// `farm` is the one over the copies.
    private func reading(farm at: Int, _ farm: Farm, members: Range<Int>) -> FarmReading {
        let history = engine.history(farm: at)
        let inflight = members.reduce(UInt32(0)) { $0 &+ InFlight.count(rows + $1) }
        return FarmReading(
            number: at, row: farmRows + at, algorithm: farm.algorithm.name, admin: farm.admin,
            condition: farm.condition(now: now), available: members.count { farm.isAvailable(rows + $0, now: now) },
            inflight: inflight, rates: history.rates(Engine.sample(farmRows + at, inflight: inflight, now: now)),
            history: history, members: members)
    }

    /// `farm` is the one over the copies, and has this number. `isAlone`: no member of it is available.
    private func reading(member at: Int, of farm: Farm, _ farmNumber: Int, isAlone: Bool) -> MemberReading {
        let row = rows + at
        let local = at - Int(engine.firstMember(UInt32(farmNumber)))
        let history = engine.history(farm: farmNumber, local: local)
        let seconds = wallClock / 1_000_000
        let clients = engine.clients(farm: farmNumber, local: local)
        let trial =
            row.state.mayBeTriedByTied ? farm.health.nextTrial(row, for: isAlone ? .stranded : .repeatable) : nil
        return MemberReading(
            row: row, values: values + at * metricCount, url: ByteWriter.bytes(of: engine.config.members[at].url),
            state: row.state, isIn: farm.freshness.isIn(row, now: now), isAvailable: farm.isAvailable(row, now: now),
            share: shares[at], load: farm.freshness.load(row, now: now), age: Self.age(row.pointee.updated_us, now),
            nextTrial: trial.map { wallTime($0) } ?? 0,
            rates: history.rates(Engine.sample(row, now: now)), history: history,
            clients: UInt64(clients.count(now: seconds).rounded()), clientsUntil: clients.until(now: seconds) ?? 0)
    }

    /// A monotonic time by the wall clock.
    private func wallTime(_ time: UInt64) -> UInt64 {
        if time >= now { return wallClock &+ (time - now) }
        return wallClock > now - time ? wallClock - (now - time) : 0
    }

    private static func age(_ updated: UInt64, _ now: UInt64) -> Double {
        updated == 0 ? .nan : Double(now > updated ? (now - updated) / 1000 : 0) / 1000
    }

    /// The name of a metric, by its number.
    func metricName(_ number: Int) -> UnsafeBufferPointer<UInt8> {
        let row = engine.tables.first.metricName(number)
        return ByteWriter.bytes(of: farm_metric_row_name(row), limit: Int(FARM_METRIC_NAME_MAX))
    }

    /// What a member pushed of a metric, by its number; nil: never, or it is not known any more.
    func metricValue(_ number: Int, of member: MemberReading) -> Double? {
        let value = SharedDouble.value(member.values[number])
        return value.isNaN ? nil : value
    }

    /// How often instructions came to each result.
    func instructions(_ result: InstructionResult) -> UInt64 {
        farm_get64(farm_block_cookies(engine.tables.first.header) + Int(result.rawValue))
    }
}

extension StatusSnapshot.FarmReading {
    var name: UnsafeBufferPointer<UInt8> { ByteWriter.bytes(of: farm_row_name(row), limit: Names.longest) }
    var note: AdminNote { farm_row_note(row) }
}

extension StatusSnapshot.MemberReading {
    var name: UnsafeBufferPointer<UInt8> { ByteWriter.bytes(of: farm_member_row_name(row), limit: Names.longest) }
    var note: AdminNote { farm_member_row_note(row) }
    var buckets: UnsafePointer<UInt64> { UnsafePointer(farm_member_row_buckets(row)!) }
    var inflight: UInt32 { InFlight.count(row) }

    /// What put it down; nil: it is up.
    var downBy: StaticString? {
        if state.isUp { return nil }
        if state.isDownByMonitor { return state.isDownByManager ? "manager" : "monitor" }
        return state.isOutlier ? "outlier" : "failures"
    }

    /// What failed last; nil: nothing has.
    var lastError: LastError? {
        let error = LastError(word: row.pointee.last_error)
        return error.isSome && row.pointee.last_error_at != 0 ? error : nil
    }

    /// Its average latency in microseconds; nil: not known.
    var averageLatency: Double? { Experience.latency(row).map { Double($0) } }

    /// A quantile of its latencies in microseconds; nil: not known.
    func latency(_ quantile: Double) -> Double? { LatencyBuckets.quantile(quantile, of: buckets) }

    /// How many latencies were measured.
    var latencyCount: UInt64 { (0..<LatencyBuckets.count).reduce(0) { $0 &+ buckets[$1] } }
}
