import CFarm
import CFarmABI
import FarmCore

/// farm-update: members say what they know of themselves. All of an update is stored, or nothing.
extension Engine {
    /// Stores the update in `text`, which is written over, and answers through `out`.
    public func update(
        _ text: UnsafeMutableBufferPointer<UInt8>, caller: UnsafeMutableRawPointer?, out: UnsafeMutableRawPointer?
    ) {
        guard !isOutside else { return refuse(UpdateRefusal(.outside, group: 0), out) }
        let capacity = Int(tables.first.layout.metrics)
        switch Update.parse(text, mostMetrics: capacity, number: Number.read) {
        case .refused(let refusal):
            refuse(refusal, out)
        case .update(let update):
            var targets: [Target] = []
            targets.reserveCapacity(update.groups.count)
            for at in 0..<update.groups.count {
                switch target(of: update.groups[at], number: at + 1, caller) {
                case .found(let target): targets.append(target)
                case .refused(let refusal): return refuse(refusal, out)
                }
            }
            if let refusal = addNames(of: update) { return refuse(refusal, out) }
            if let refusal = store(update, targets) { return refuse(refusal, out) }
            answer(targets, out)
        }
    }

    /// Whom a group speaks of.
    struct Target {
        var farm: Int
        var local: Int
    }

    private enum Search {
        case found(Target)
        case refused(UpdateRefusal)
    }

    private func target(of group: UpdateGroup, number: Int, _ caller: UnsafeMutableRawPointer?) -> Search {
        let farm = findFarm(group.farm)
        guard farm != FARM_NONE else { return .refused(UpdateRefusal(.unknownFarm, group: number, value: group.farm)) }
        if let name = group.member {
            guard let local = findMember(name, farm: Int(farm)) else {
                return .refused(UpdateRefusal(.unknownMember, group: number, name: group.farm, value: name))
            }
            return .found(Target(farm: Int(farm), local: local))
        }
        var member: UInt32 = 0
        let count = farm_host_caller(caller, farm, &member)
        guard count == 1, Int(member) < farms[Int(farm)].members.count else {
            let address = farm_host_caller_address(caller).map { ByteWriter.bytes(of: $0, limit: 64) }
            return .refused(
                UpdateRefusal(
                    count > 1 ? .severalCallers : .noCaller, group: number, name: group.farm, value: address))
        }
        return .found(Target(farm: Int(farm), local: Int(member)))
    }

    /// Gives a number to every name that has none, or to none of them when there is no room for all.
    private func addNames(of update: Update) -> UpdateRefusal? {
        var missing: [MetricName] = []
        for metric in update.metrics where tables.metric(metric.name) == nil && !missing.contains(metric.name) {
            missing.append(metric.name)
            // More than the whole table holds; the first of them will do for the message.
            if missing.count > Int(tables.first.layout.metrics) { break }
        }
        let added = tables.addMetrics(missing, isParent: pid == 0)
        var at = 0
        switch added {
        case .all: return nil
        case .noRoom(let first): at = first
        case .noLock: Log.namesLockFailed()
        }
        let group = update.groups.firstIndex { update.metrics[range($0)].contains { $0.name == missing[at] } } ?? 0
        return UpdateRefusal(added == .noLock ? .namesLocked : .tooManyNames, group: group + 1, metric: missing[at])
    }

    private func range(_ group: UpdateGroup) -> Range<Int> {
        group.firstMetric..<(group.firstMetric + group.metricCount)
    }

    /// What was stored when a lock cannot be taken stays stored; who sent the update hears of it.
    private func store(_ update: Update, _ targets: [Target]) -> UpdateRefusal? {
        let now = farm_host_clock()
        var failed: UpdateRefusal?
        for (at, target) in targets.enumerated() {
            let group = update.groups[at]
            if !store(update.metrics, range(group), health: group.health, target, now: now) {
                failed = failed ?? UpdateRefusal(.locked, group: at + 1)
            }
        }
        return failed
    }

    /// One short critical section: values, load and time of one member.
    private func store(
        _ metrics: [PushedMetric], _ range: Range<Int>, health: HealthVerdict?, _ target: Target, now: UInt64
    ) -> Bool {
        let farm = farms[target.farm]
        let values = self.values(farm: target.farm, local: target.local)
        let change = write(farm: UInt32(target.farm), local: target.local) { row in
            let wasIn = farm.freshness.isIn(row, now: now)
            let wasAvailable = farm.freshness.isAvailable(row, now: now)
            for at in range {
                if let number = tables.metric(metrics[at].name) {
                    farm_set64(values + Int(number), SharedDouble.word(metrics[at].value))
                }
            }
            // A child of an older configuration has an older formula: it leaves the load to the next update.
            if isCurrent {
                farm_set64(&row.pointee.load, SharedDouble.word(loads[target.farm].load(of: values)))
            }
            farm_set64(&row.pointee.updated_us, now)
            _ = farm_add64(&row.pointee.updates, 1)
            let health = health.map { MonitoredHealth.note($0, row, wallClock: farm_host_wall_clock()) }
            if !wasAvailable { farm.cameBack(target.local, now: now) }
            return (cameIn: !wasIn, health: health ?? .none)
        }
        guard let change else { return false }
        Log.monitored(farm.row, farm.members[target.local].row, change.health)
        if change.cameIn || change.health != .none {
            farm.changed()
            watch(farm: target.farm, now: now)
        } else {
            farm.loadChanged()
        }
        return true
    }

    /// What the header of an answer says of the load of its member.
    func storeReport(_ text: UnsafeBufferPointer<UInt8>, farm: Int, local: Int) {
        var metrics: [PushedMetric] = []
        let capacity = Int(tables.first.layout.metrics)
        let isReadable = LoadReport.read(text, mostMetrics: capacity, number: Number.read, into: &metrics)
        let added =
            isReadable
            ? tables.addMetrics(metrics.map { $0.name }.filter { tables.metric($0) == nil }, isParent: pid == 0)
            : .noRoom(0)
        // The member is not to blame for a lock.
        if added == .noLock { return Log.namesLockFailed() }
        guard added == .all else {
            _ = farm_add64(&farms[farm].members[local].row.pointee.bad_reports, 1)
            return
        }
        _ = store(
            metrics, 0..<metrics.count, health: nil, Target(farm: farm, local: local), now: farm_host_clock())
    }

    private func refuse(_ refusal: UpdateRefusal, _ out: UnsafeMutableRawPointer?) {
        farm_host_status(out, refusal.status)
        var writer = ByteWriter(host: out)
        refusal.write(to: &writer)
        writer.byte(0x0A)
    }

    /// `ok GROUPS`, and a line a group that tells the member how it is seen.
    private func answer(_ targets: [Target], _ out: UnsafeMutableRawPointer?) {
        farm_host_status(out, 200)
        var writer = ByteWriter(host: out)
        writer.text("ok ")
        writer.number(UInt64(targets.count))
        writer.byte(0x0A)
        let now = farm_host_clock()
        var shares: Shares?
        var sharesOf = -1
        for target in targets {
            if sharesOf != target.farm {
                _ = endStates(farm: target.farm, now: now)
                shares?.deallocate()
                shares = Shares(farms[target.farm], now: now)
                sharesOf = target.farm
            }
            writeSeen(&writer, target, share: shares?.share(of: target.local) ?? 0, now: now)
        }
        shares?.deallocate()
    }

    /// `FARM MEMBER admin=on health=up fresh=in available=yes`.
    func writeState(_ out: inout ByteWriter, farm at: Int, _ local: Int, now: UInt64) {
        let farm = farms[at]
        let row = farm.members[local].row
        let state = row.state
        out.cString(farm_row_name(farm.row), limit: Names.longest)
        out.byte(0x20)
        out.cString(farm_member_row_name(row), limit: Names.longest)
        out.text(" admin=")
        out.text(state.admin.name)
        out.text(state.isUp ? " health=up" : " health=down")
        out.text(farm.freshness.isIn(row, now: now) ? " fresh=in" : " fresh=out")
        out.text(farm.isAvailable(row, now: now) ? " available=yes" : " available=no")
    }

    private func writeSeen(_ out: inout ByteWriter, _ target: Target, share: Double, now: UInt64) {
        let farm = farms[target.farm]
        let row = farm.members[target.local].row
        writeState(&out, farm: target.farm, target.local, now: now)
        out.text(" share=")
        out.decimal((share * 10_000).rounded() / 10_000)
        out.text(" load=")
        let load = farm.freshness.load(row, now: now)
        // Four decimals tell people enough, and are written quickly; the status has all of them.
        out.decimal(load.magnitude >= 0.1 && load.magnitude < 1e9 ? (load * 10_000).rounded() / 10_000 : load)
        out.text(" inflight=")
        out.number(UInt64(InFlight.count(row)))
        out.byte(0x0A)
    }
}

extension ByteWriter {
    /// Writes to an answer of the host's.
    init(host out: UnsafeMutableRawPointer?) {
        self.init { bytes, length in
            farm_host_write(out, UnsafeRawPointer(bytes).assumingMemoryBound(to: CChar.self), UInt32(length))
        }
    }

    /// Microseconds since 1970 as RFC 3339.
    mutating func time(_ wallClock: UInt64) {
        withUnsafeTemporaryAllocation(of: CChar.self, capacity: 33) { text in
            let length = farm_host_time(wallClock, text.baseAddress!)
            text[Int(min(32, length))] = 0
            cString(text.baseAddress!)
        }
    }

    /// The same as people read it.
    mutating func readableTime(_ wallClock: UInt64) {
        withUnsafeTemporaryAllocation(of: CChar.self, capacity: 33) { text in
            let length = farm_host_time(wallClock, text.baseAddress!)
            text[Int(min(32, length))] = 0
            for byte in Self.bytes(of: text.baseAddress!, limit: 32) {
                if byte == 0x5A { self.text(" UTC") } else { self.byte(byte == 0x54 ? 0x20 : byte) }
            }
        }
    }

    /// A number in its shortest form; `-` when it is unknown.
    mutating func decimal(_ value: Double) {
        guard value.isFinite else { return byte(0x2D) }
        withUnsafeTemporaryAllocation(of: CChar.self, capacity: 33) { text in
            let length = farm_host_number(value, text.baseAddress!)
            text[Int(min(32, length))] = 0
            cString(text.baseAddress!)
        }
    }
}
