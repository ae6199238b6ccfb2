import CFarm
import CFarmABI
import FarmCore

/// Binding a configuration to rows. A farm or member that was there before, by name, keeps its row with every counter
/// and state; a new one gets a free row; one that is gone is retired, and its row is used again only when no process is
/// left that knows it: none of a configuration from the one that made the row to the last one that had it.
extension Tables {
    /// Where the rows of a configuration are, in its order.
    struct Binding {
        var farms: [Place] = []
        var members: [Place] = []
        /// Farms and members without a row.
        var farmsMissing: UInt32 = 0
        var membersMissing: UInt32 = 0
    }

    /// What rows a configuration would get; changes nothing.
    func plan(_ config: farm_config) -> Binding {
        var binding = Binding()
        var free = FreeRows(self)
        for farmAt in 0..<Int(config.farm_count) {
            let farm = config.farms[farmAt]
            let farmName = UnsafeBufferPointer(start: farm.name, count: Int(farm.name_length))
            let known = findFarm(farmName)
            guard let place = known ?? free.nextFarm() else {
                binding.farmsMissing += 1
                binding.membersMissing += farm.member_count
                continue
            }
            binding.farms.append(place)
            for memberAt in Int(farm.first_member)..<Int(farm.first_member + farm.member_count) {
                let member = config.members[memberAt]
                let name = UnsafeBufferPointer(start: member.name, count: Int(member.name_length))
                let kept = known.flatMap { findMember(name, of: $0) }
                if let place = kept ?? free.nextMember() {
                    binding.members.append(place)
                } else {
                    binding.membersMissing += 1
                }
            }
        }
        return binding
    }

    /// How many farms and members of a configuration have no row.
    public func missing(_ config: farm_config) -> (farms: UInt32, members: UInt32) {
        guard config.isSound else { return (config.farm_count, config.member_count) }
        let binding = plan(config)
        return (binding.farmsMissing, binding.membersMissing)
    }

    /// Makes the plan true. The parent, when the plan misses nothing.
    func bind(_ config: farm_config, _ binding: Binding, wallClock: UInt64) {
        let generation = first.header.pointee.config_generation &+ 1
        farm_set32(&first.header.pointee.config_generation, generation)
        if first.header.pointee.started_us == 0 { first.header.pointee.started_us = wallClock }
        for farmAt in 0..<Int(config.farm_count) {
            let farm = config.farms[farmAt]
            let place = binding.farms[farmAt]
            let row = self.farm(place)
            if row.pointee.use == FARM_ROW_FREE {
                row.initialize(to: farm_farm_row())
                copyName(farm.name, Int(farm.name_length), to: farm_row_name(row))
                row.pointee.created_in = generation
                row.pointee.note.since_us = wallClock
                history(farm: place).forget()
            }
            // Nobody has taken samples meanwhile; it may have been for months, which their times cannot tell.
            if row.pointee.use == FARM_ROW_RETIRED {
                history(farm: place).forget()
                farm_set64(&row.pointee.condition_seen, 0)
                farm_set64(&row.pointee.condition_told, 0)
            }
            farm_set32(&row.pointee.use, FARM_ROW_USED)
            farm_set32(&row.pointee.retired_in, 0)
            let counts = (Algorithm(rawValue: farm.algorithm) ?? .adaptive).countsFarmInFlight
            farm_set32(&row.pointee.counts_inflight, counts ? 1 : 0)
            for memberAt in Int(farm.first_member)..<Int(farm.first_member + farm.member_count) {
                bind(config.members[memberAt], binding.members[memberAt], farm: place, wallClock: wallClock)
            }
            _ = farm_add64(&row.pointee.generation, 1 << 32)
        }
        retireOthers(than: binding, generation: generation)
    }

    /// A value set at run time holds until the configuration's own value for it changes.
    private func bind(_ member: farm_member_config, _ place: Place, farm: Place, wallClock: UInt64) {
        let row = self.member(place)
        if row.pointee.use == FARM_ROW_FREE {
            row.initialize(to: farm_member_row())
            copyName(member.name, Int(member.name_length), to: farm_member_row_name(row))
            row.pointee.farm = number(of: farm)
            row.pointee.created_in = first.header.pointee.config_generation
            row.pointee.weight = member.weight
            row.pointee.configured_weight = member.weight
            row.pointee.configured_admin = member.admin
            row.pointee.status_since_us = wallClock
            row.pointee.note.since_us = wallClock
            // Who joins while others serve comes to its share slowly, as one that comes back does.
            row.pointee.available_since = first.header.pointee.config_generation > 1 ? farm_host_clock() : 0
            clients(place).forget()
            history(member: place).forget()
            row.pointee.known_since_us = farm_host_clock()
            let values = self.values(place)
            for metric in 0..<Int(first.layout.metrics) { farm_set64(values + metric, 0) }
            row.publish(MemberState(word: member.admin))
        }
        // One that the configuration has brought back before its row was free.
        if row.pointee.use == FARM_ROW_RETIRED {
            farm_set64(&row.pointee.available_since, farm_host_clock())
            history(member: place).forget()
        }
        if row.pointee.configured_weight != member.weight {
            farm_set32(&row.pointee.configured_weight, member.weight)
            farm_set32(&row.pointee.weight, member.weight)
        }
        if row.pointee.configured_admin != member.admin {
            _ = takeAdmin(member.admin, of: place, farm: farm, wallClock: wallClock)
        }
        farm_set32(&row.pointee.tier, min(9, member.tier))
        farm_set32(&row.pointee.max_inflight, member.max_inflight)
        farm_set32(&row.pointee.use, FARM_ROW_USED)
        farm_set32(&row.pointee.retired_in, 0)
    }

    /// The configuration says something else of `admin` than the one before. Under the row's lock, since children of the
    /// configuration before may be changing the same words. False when the lock cannot be had: the row is as it was then, and
    /// the parent tries again (`Engine.tick`).
    func takeAdmin(_ admin: UInt32, of place: Place, farm: Place, wallClock: UInt64) -> Bool {
        let row = member(place)
        let change = {
            let wasAvailable = row.state.isAvailable
            farm_member_row_note(row).set(.plain(since: wallClock)) {
                row.publish(row.state.with(admin: Admin(rawValue: admin) ?? .off))
            }
            if !wasAvailable { farm_set64(&row.pointee.available_since, farm_host_clock()) }
            farm_set32(&row.pointee.configured_admin, admin)
        }
        return RowWriting.write(row, lock: lock(member: place, farm: farm), pid: 0, change) != nil
    }

    private func retireOthers(than binding: Binding, generation: UInt32) {
        for (number, block) in known.enumerated() {
            for index in 0..<Int(block.layout.farms) where block.farm(index).pointee.use == FARM_ROW_USED {
                guard !binding.farms.contains(Place(block: number, index: index)) else { continue }
                farm_set32(&block.farm(index).pointee.use, FARM_ROW_RETIRED)
                farm_set32(&block.farm(index).pointee.retired_in, generation)
            }
        }
        var kept = RowSet(self)
        for place in binding.members { kept.insert(place) }
        for (number, block) in known.enumerated() {
            for index in 0..<Int(block.layout.members) where block.member(index).pointee.use == FARM_ROW_USED {
                guard !kept.contains(Place(block: number, index: index)) else { continue }
                farm_set32(&block.member(index).pointee.use, FARM_ROW_RETIRED)
                farm_set32(&block.member(index).pointee.retired_in, generation)
            }
        }
        freeRetired(generation: generation)
    }

    /// A retired row is free one configuration later at the earliest, and only when no process lives that knows it. One that
    /// is older than the row does not, nor one that is younger than its end: so an old process that lives long holds back the
    /// rows that it knows and no others.
    private func freeRetired(generation: UInt32) {
        let inUse = generationsInUse()
        func isUnknown(createdIn: UInt32, retiredIn: UInt32) -> Bool {
            retiredIn < generation && !inUse.contains { $0 == 0 || ($0 >= createdIn && $0 < retiredIn) }
        }
        for block in known {
            for index in 0..<Int(block.layout.members) {
                let row = block.member(index)
                guard row.pointee.use == FARM_ROW_RETIRED,
                    isUnknown(createdIn: row.pointee.created_in, retiredIn: row.pointee.retired_in)
                else { continue }
                farm_set32(&row.pointee.use, FARM_ROW_FREE)
            }
            for index in 0..<Int(block.layout.farms) {
                let row = block.farm(index)
                guard row.pointee.use == FARM_ROW_RETIRED,
                    isUnknown(createdIn: row.pointee.created_in, retiredIn: row.pointee.retired_in)
                else { continue }
                farm_set32(&row.pointee.use, FARM_ROW_FREE)
            }
        }
    }

    private func findFarm(_ name: UnsafeBufferPointer<CChar>) -> Place? {
        for (number, block) in known.enumerated() {
            for index in 0..<Int(block.layout.farms) {
                let row = block.farm(index)
                if row.pointee.use != FARM_ROW_FREE && isName(farm_row_name(row), name) {
                    return Place(block: number, index: index)
                }
            }
        }
        return nil
    }

    private func findMember(_ name: UnsafeBufferPointer<CChar>, of farm: Place) -> Place? {
        let farmNumber = number(of: farm)
        for (number, block) in known.enumerated() {
            for index in 0..<Int(block.layout.members) {
                let row = block.member(index)
                if row.pointee.use != FARM_ROW_FREE && row.pointee.farm == farmNumber
                    && isName(farm_member_row_name(row), name)
                {
                    return Place(block: number, index: index)
                }
            }
        }
        return nil
    }

    /// One number for a farm's row over all blocks, for its members' rows to keep.
    func number(of farm: Place) -> UInt32 { UInt32(farm.block) << 24 | UInt32(farm.index) }

    private func isName(_ stored: UnsafePointer<CChar>, _ name: UnsafeBufferPointer<CChar>) -> Bool {
        for at in 0..<name.count where stored[at] != name[at] { return false }
        return stored[name.count] == 0
    }

    private func copyName(_ name: UnsafePointer<CChar>, _ length: Int, to stored: UnsafeMutablePointer<CChar>) {
        let kept = min(length, Names.longest)
        for at in 0..<kept { stored[at] = name[at] }
        stored[kept] = 0
    }
}

/// Hands out free rows, each once.
private struct FreeRows {
    private let tables: Tables
    private var farmAt = 0
    private var memberAt = 0
    private var farmBlock = 0
    private var memberBlock = 0

    init(_ tables: Tables) { self.tables = tables }

    mutating func nextFarm() -> Tables.Place? {
        while farmBlock < tables.blockCount {
            let block = tables.blocks[farmBlock]
            while farmAt < Int(block.layout.farms) {
                farmAt += 1
                if block.farm(farmAt - 1).pointee.use == FARM_ROW_FREE {
                    return Tables.Place(block: farmBlock, index: farmAt - 1)
                }
            }
            farmBlock += 1
            farmAt = 0
        }
        return nil
    }

    mutating func nextMember() -> Tables.Place? {
        while memberBlock < tables.blockCount {
            let block = tables.blocks[memberBlock]
            while memberAt < Int(block.layout.members) {
                memberAt += 1
                if block.member(memberAt - 1).pointee.use == FARM_ROW_FREE {
                    return Tables.Place(block: memberBlock, index: memberAt - 1)
                }
            }
            memberBlock += 1
            memberAt = 0
        }
        return nil
    }
}

/// A set of members' rows.
private struct RowSet {
    private var marks: [[Bool]]

    init(_ tables: Tables) {
        marks = tables.known.map { [Bool](repeating: false, count: Int($0.layout.members)) }
    }

    mutating func insert(_ place: Tables.Place) { marks[place.block][place.index] = true }
    func contains(_ place: Tables.Place) -> Bool { marks[place.block][place.index] }
}

extension farm_config {
    /// Whether its farms' members are where it says, and its capacities are ones that a block can have.
    var isSound: Bool {
        let layout = BlockLayout(
            farms: farm_capacity, members: member_capacity, slots: slot_capacity, metrics: metric_capacity)
        guard layout.isSound else { return false }
        for at in 0..<Int(farm_count) {
            let (end, overflow) = farms[at].first_member.addingReportingOverflow(farms[at].member_count)
            if overflow || end > member_count { return false }
        }
        return true
    }
}
