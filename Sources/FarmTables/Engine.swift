import CFarm
import CFarmABI
import FarmCore

/// One configuration bound to rows, in one process: made by the parent, inherited by the children, freed with the
/// configuration. Every thread of a child may use it at the same time; what it changes stands in shared memory, in
/// single atomics or under a row's lock.
public struct Engine {
    let config: farm_config
    public let tables: Tables
    public let farms: UnsafeMutableBufferPointer<Farm>
    let members: UnsafeMutableBufferPointer<Member>
    let policies: UnsafeMutableBufferPointer<RequestPolicy>
    let farmPlaces: UnsafeMutableBufferPointer<Tables.Place>
    let memberPlaces: UnsafeMutableBufferPointer<Tables.Place>
    let index: FarmIndex
    let loads: UnsafeMutableBufferPointer<LoadMeasure>
    let routes: UnsafeMutableBufferPointer<MemberIndex>
    let names: UnsafeMutableBufferPointer<MemberIndex>
    private let randomState: UnsafeMutablePointer<UInt64>
    /// The ledger of a process that serves no requests: the parent, or a child without a slot.
    private let nowhere: UnsafeMutablePointer<UInt32>
    /// The number of this configuration.
    private let generation: UInt32
    public private(set) var pid: UInt32 = 0
    /// Whether this process has a slot of the ledger; without one it chooses no member.
    public private(set) var serves = false
    /// Whether this is a child without a slot. Nothing tells the parent which rows it knows, and they may be others' by now: it
    /// writes none. The parent itself has no slot either.
    private(set) var isOutside = false

    /// Binds the configuration; nil when it does not fit into the rows there are.
    public init?(_ tables: Tables, config: farm_config) {
        guard config.isSound else { return nil }
        let binding = tables.plan(config)
        guard binding.farmsMissing == 0 && binding.membersMissing == 0 else { return nil }
        let wallClock = farm_host_wall_clock()
        tables.bind(config, binding, wallClock: wallClock)
        generation = tables.first.header.pointee.config_generation
        self.config = config
        self.tables = tables
        randomState = .allocate(capacity: 1)
        randomState.initialize(to: farm_host_seed())
        nowhere = .allocate(capacity: 1)
        nowhere.initialize(to: 0)
        members = .allocate(capacity: binding.members.count)
        memberPlaces = .allocate(capacity: binding.members.count)
        for (at, place) in binding.members.enumerated() {
            memberPlaces.initializeElement(at: at, to: place)
            members.initializeElement(at: at, to: Member(row: tables.member(place), ledger: nowhere))
        }
        farms = .allocate(capacity: binding.farms.count)
        farmPlaces = .allocate(capacity: binding.farms.count)
        policies = .allocate(capacity: binding.farms.count)
        for (at, place) in binding.farms.enumerated() {
            let farm = config.farms[at]
            let range = Int(farm.first_member)..<Int(farm.first_member + farm.member_count)
            farmPlaces.initializeElement(at: at, to: place)
            policies.initializeElement(at: at, to: RequestPolicy(farm))
            farms.initializeElement(
                at: at,
                to: Farm(
                    row: tables.farm(place), members: UnsafeMutableBufferPointer(rebasing: members[range]),
                    algorithm: Algorithm(rawValue: farm.algorithm) ?? .adaptive,
                    health: PassiveHealth(
                        fall: max(1, farm.fall), retry: farm.retry_us, recover: farm.recover_us),
                    freshness: Freshness(expect: farm.expect_us, ignores: farm.expect_ignore != 0),
                    slowStart: SlowStart(time: farm.slowstart_us), panic: min(100, farm.panic)))
            for local in 0..<Int(farm.member_count) {
                let redirect = config.members[Int(farm.first_member) + local].redirect
                if redirect < farm.member_count { farms[at].setRedirect(local, to: redirect) }
            }
        }
        routes = .allocate(capacity: binding.farms.count)
        names = .allocate(capacity: binding.farms.count)
        for at in 0..<binding.farms.count {
            let farm = config.farms[at]
            routes.initializeElement(
                at: at, to: MemberIndex(config, farm: at, by: .route, isUsed: farm.sticky_cookie != nil))
            names.initializeElement(at: at, to: MemberIndex(config, farm: at, by: .name))
            for local in 0..<Int(farm.member_count) {
                tables.clients(binding.members[Int(farm.first_member) + local]).prepare(
                    lifetime: UInt64(farm.sticky_seconds))
            }
        }
        loads = .allocate(capacity: binding.farms.count)
        for at in 0..<binding.farms.count {
            loads.initializeElement(at: at, to: LoadMeasure(config.farms[at], tables))
        }
        index = FarmIndex(config)
        creditNewcomers(wallClock)
        measureLoads()
    }

    /// The formulas may be others than before: every load is computed anew.
    func measureLoads() {
        for farm in 0..<farms.count {
            for local in 0..<farms[farm].members.count {
                let load = SharedDouble.word(loads[farm].load(of: values(farm: farm, local: local)))
                guard load != farm_get64(&farms[farm].members[local].row.pointee.load) else { continue }
                _ = write(farm: UInt32(farm), local: local) { farm_set64(&$0.pointee.load, load) }
            }
        }
    }

    /// Members that are new, or that the configuration has brought back, begin with their farm's traffic behind them.
    private func creditNewcomers(_ wallClock: UInt64) {
        for farm in farms {
            for (at, member) in farm.members.enumerated()
            where member.row.pointee.note.since_us == wallClock && member.row.state.isAvailable {
                farm.creditTraffic(at) { $0.row.pointee.note.since_us != wallClock }
            }
        }
    }

    public func deallocate() {
        for farm in farms { farm.deallocate() }
        farms.deallocate()
        members.deallocate()
        policies.deallocate()
        for load in loads { load.deallocate() }
        loads.deallocate()
        for route in routes { route.deallocate() }
        routes.deallocate()
        for name in names { name.deallocate() }
        names.deallocate()
        farmPlaces.deallocate()
        memberPlaces.deallocate()
        index.deallocate()
        randomState.deallocate()
        nowhere.deallocate()
    }

    var random: RandomSource { RandomSource(state: randomState) }

    /// What a child is to do. Raw values are those of the C interface.
    public enum ChildStart: UInt32 {
        /// It may not use the farms.
        case outside = 0
        case serves = 1
        /// It is to end before it serves anybody.
        case late = 2
    }

    /// Makes this process's copy one that serves: its cells of the ledger, its own random numbers. `pid`: 0 when it cannot.
    public mutating func startChild(pid: UInt32) -> ChildStart {
        self.pid = pid
        isOutside = true
        randomState.pointee = farm_host_seed()
        guard pid != 0 else { return .outside }
        guard let slot = tables.claimSlot(pid: pid, generation: generation) else {
            Log.noSlot(tables.first.layout.slots)
            return .outside
        }
        guard !tables.isLate(generation: generation) else {
            Log.late()
            return .late
        }
        for at in 0..<members.count {
            let place = memberPlaces[at]
            members[at].ledger = tables.blocks[place.block].cell(slot: slot, member: place.index)
        }
        for at in 0..<farms.count { farms[at].setSlot(UInt32(slot)) }
        for at in 0..<farms.count { _ = renewedView(at, now: farm_host_clock()) }
        serves = true
        isOutside = false
        return .serves
    }

    /// The farm's number in the configuration, by the host of a URL.
    @inline(__always)
    public func findFarm(_ host: UnsafeBufferPointer<UInt8>) -> UInt32 { index.find(host) }

    @inline(__always)
    func farm(_ at: Int) -> UnsafeMutablePointer<Farm> { farms.baseAddress.unsafelyUnwrapped + at }

    @inline(__always)
    func policy(_ at: Int) -> UnsafeMutablePointer<RequestPolicy> { policies.baseAddress.unsafelyUnwrapped + at }

    /// Where a farm's members begin in the configuration.
    func firstMember(_ farm: UInt32) -> UInt32 { config.farms[Int(farm)].first_member }

    /// Whether this is the configuration in force.
    var isCurrent: Bool { farm_get32(&tables.first.header.pointee.config_generation) == generation }

    /// The values of a member's metrics.
    func values(farm: Int, local: Int) -> UnsafeMutablePointer<UInt64> {
        tables.values(memberPlaces[Int(firstMember(UInt32(farm))) + local])
    }

    /// A member of a farm by its name, farm-local; nil when there is none.
    func findMember(_ name: UnsafeBufferPointer<UInt8>, farm: Int) -> Int? { names[farm].find(name).map { Int($0) } }

    /// Writes a member's row under its lock.
    func write<Result>(farm: UInt32, local: Int, _ body: (MemberRow) -> Result) -> Result? {
        let row = farms[Int(farm)].members[local].row
        let place = memberPlaces[Int(firstMember(farm)) + local]
        let lock = tables.lock(member: place, farm: farmPlaces[Int(farm)])
        return RowWriting.write(row, lock: lock, pid: pid) { body(row) }
    }

    /// Writes what the administrator wants of a farm as a whole under its lock.
    func write<Result>(farm: Int, _ body: (FarmRow) -> Result) -> Result? {
        let row = farms[farm].row
        return RowWriting.write(row, lock: tables.lock(farm: farmPlaces[farm]), pid: pid) { body(row) }
    }

    /// The view of a farm to choose from when the one that there is, is out of date: first what the clock has brought.
    @inline(never)
    func renewedView(_ farm: Int, now: UInt64) -> UnsafeMutablePointer<View>? {
        if let view = farms[farm].goodView(now: now) { return view }
        var deadline = endStates(farm: farm, now: now)
        if config.farms[farm].eject != 0 {
            deadline = min(deadline, now &+ Outliers.interval)
            ejectOutlier(farm: farm, now: now)
        }
        deadline = min(deadline, watch(farm: farm, farms[farm].condition(now: now), now: now))
        return farms[farm].renewedView(now: now, deadline: deadline)
    }
}

extension RequestPolicy {
    init(_ farm: farm_farm_config) {
        var statuses = InlineArray<10, UInt64>(repeating: 0)
        let words = farm.fail_on_status
        statuses[0] = words.0
        statuses[1] = words.1
        statuses[2] = words.2
        statuses[3] = words.3
        statuses[4] = words.4
        statuses[5] = words.5
        statuses[6] = words.6
        statuses[7] = words.7
        statuses[8] = words.8
        statuses[9] = words.9
        self.init(
            maxAttempts: max(1, min(UInt32(FARM_MOST_ATTEMPTS), farm.max_attempts)),
            retrySafe: farm.retry_safe != 0, failOnTimeout: farm.fail_on_timeout != 0, failOnStatus: statuses)
    }
}
