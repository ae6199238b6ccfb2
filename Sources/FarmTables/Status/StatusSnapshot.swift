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
                copy(farm.members[local].row, engine.values(farm: at, local: local), to: first + local)
            }
            var measured = Shares(farm, now: now)
            measured.all(into: shares + first)
            measured.deallocate()
            let reading = reading(farm: at)
            farms.initializeElement(at: at, to: reading)
            for number in reading.members {
                members.initializeElement(at: number, to: self.reading(member: number, of: reading))
            }
        }
    }

    deinit {
        farmRows.deallocate()
        rows.deallocate()
        values.deallocate()
        shares.deallocate()
        farms.deallocate()
        members.deallocate()
    }

    private func copy(_ row: MemberRow, _ live: UnsafePointer<UInt64>, to at: Int) {
        let copy = rows + at
        let kept = values + at * metricCount
        RowWriting.read(&row.pointee.sequence) {
            Self.copyWords(row, to: copy)
            for metric in 0..<metricCount { kept[metric] = farm_get64(live + metric) }
        }
        RowWriting.forgetHalf(farm_member_row_note(copy))
    }

    private static func copy(_ row: FarmRow, to copy: FarmRow) {
        RowWriting.read(&row.pointee.sequence) { copyWords(row, to: copy) }
        RowWriting.forgetHalf(farm_row_note(copy))
    }

    /// Word by word, as every word of a row may be read at any time.
    private static func copyWords<Row>(_ row: UnsafeMutablePointer<Row>, to copy: UnsafeMutablePointer<Row>) {
        let words = MemoryLayout<Row>.size / MemoryLayout<UInt64>.size
        row.withMemoryRebound(to: UInt64.self, capacity: words) { from in
            copy.withMemoryRebound(to: UInt64.self, capacity: words) { to in
                for at in 0..<words { to[at] = farm_get64(from + at) }
            }
        }
    }

    private func reading(farm at: Int) -> FarmReading {
        let farm = engine.farms[at]
        let first = Int(engine.firstMember(UInt32(at)))
        let members = first..<(first + farm.members.count)
        let history = engine.history(farm: at)
        let inflight = members.reduce(UInt32(0)) { $0 &+ InFlight.count(rows + $1) }
        return FarmReading(
            number: at, row: farmRows + at, algorithm: farm.algorithm.name,
            admin: Admin(rawValue: farmRows[at].admin) ?? .off, condition: farm.condition(now: now),
            available: members.count { farm.isAvailable(rows + $0, now: now) }, inflight: inflight,
            rates: history.rates(Engine.sample(farmRows + at, inflight: inflight, now: now)), history: history,
            members: members)
    }

    private func reading(member at: Int, of farm: FarmReading) -> MemberReading {
        let row = rows + at
        let local = at - farm.members.lowerBound
        let state = row.state
        let freshness = engine.farms[farm.number].freshness
        let history = engine.history(farm: farm.number, local: local)
        let seconds = wallClock / 1_000_000
        let clients = engine.clients(farm: farm.number, local: local)
        return MemberReading(
            row: row, values: values + at * metricCount, url: ByteWriter.bytes(of: engine.config.members[at].url),
            state: state, isIn: freshness.isIn(row, now: now),
            isAvailable: engine.farms[farm.number].isAvailable(row, now: now), share: shares[at],
            load: freshness.load(row, now: now), age: Self.age(row.pointee.updated_us, now),
            rates: history.rates(Engine.sample(row, now: now)), history: history,
            clients: UInt64(clients.count(now: seconds).rounded()), clientsUntil: clients.until(now: seconds) ?? 0)
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
        state.isUp ? nil : state.isDownByMonitor ? "monitor" : state.isOutlier ? "outlier" : "failures"
    }

    /// Its average latency in microseconds; nil: not known.
    var averageLatency: Double? {
        let average = DecayingAverage(word: row.pointee.latency)
        return average.isEmpty ? nil : Double(average.value)
    }

    /// A quantile of its latencies in microseconds; nil: not known.
    func latency(_ quantile: Double) -> Double? { LatencyBuckets.quantile(quantile, of: buckets) }

    /// How many latencies were measured.
    var latencyCount: UInt64 { (0..<LatencyBuckets.count).reduce(0) { $0 &+ buckets[$1] } }
}
