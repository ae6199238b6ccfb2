import CFarm
import CFarmABI
import FarmCore

/// What survives a full stop: `FarmStateFile`. The host reads and writes the file and adds a checksum; here is what stands
/// in it, a line for each farm or member that has something to remember. The parent only.
extension Engine {
    public func writeState(to out: UnsafeMutableRawPointer?) {
        var writer = ByteWriter(host: out)
        writer.text(StateRecord.firstLine)
        writer.byte(0x0A)
        for at in 0..<farms.count {
            writeFarmState(&writer, at)
            withUnsafeTemporaryAllocation(of: UInt64.self, capacity: tables.metricCount) { values in
                for local in 0..<farms[at].members.count { writeMemberState(&writer, at, local, values) }
            }
        }
    }

    private func writeFarmState(_ out: inout ByteWriter, _ at: Int) {
        let row = farms[at].row
        var admin = Admin.off
        RowWriting.withCopy(farm_row_note(row), &row.pointee.sequence, also: { admin = farms[at].admin }) { note in
            guard admin != .on || note?.hasAuthor == true else { return }
            beginLine(&out, at)
            writeAdmin(&out, admin, note)
            out.byte(0x0A)
        }
    }

    /// `values`: room for those of its metrics. Where there is no copy that is one report, none of them is written: the next file
    /// has them.
    private func writeMemberState(
        _ out: inout ByteWriter, _ at: Int, _ local: Int, _ values: UnsafeMutableBufferPointer<UInt64>
    ) {
        let row = farms[at].members[local].row
        let configured = config.members[Int(firstMember(UInt32(at))) + local]
        let live = self.values(farm: at, local: local)
        var state = row.state
        var weight: UInt32 = 0
        let also = {
            state = row.state
            weight = farm_get32(&row.pointee.weight)
            for metric in 0..<values.count { values[metric] = farm_get64(live + metric) }
        }
        RowWriting.withCopy(farm_member_row_note(row), &row.pointee.sequence, also: also) { note in
            let isAdministered = state.admin.rawValue != configured.admin || note?.hasAuthor == true
            let hasMetrics = note != nil && values.contains { !SharedDouble.value($0).isNaN }
            guard isAdministered || state.isDownByMonitor || weight != configured.weight || hasMetrics else { return }
            beginLine(&out, at)
            out.text("&member=")
            out.formEncoded(ByteWriter.bytes(of: farm_member_row_name(row), limit: Names.longest))
            out.text("&configured_admin=")
            out.text((Admin(rawValue: configured.admin) ?? .off).name)
            if isAdministered {
                writeAdmin(&out, state.admin, note)
            } else {
                out.text("&admin=")
                out.text(state.admin.name)
            }
            if state.isDownByMonitor { out.text("&health=down") }
            if state.isDownByManager { out.text("&health_by=manager") }
            out.text("&configured_weight=")
            out.number(UInt64(configured.weight))
            if weight != configured.weight {
                out.text("&weight=")
                out.number(UInt64(weight))
            }
            for metric in 0..<values.count where hasMetrics {
                let value = SharedDouble.value(values[metric])
                guard !value.isNaN else { continue }
                out.text("&metric=")
                out.cString(farm_metric_row_name(tables.first.metricName(metric)), limit: Names.longestMetric)
                out.text("%3A")
                writeEncoded(&out, value)
            }
            out.byte(0x0A)
        }
    }

    private func beginLine(_ out: inout ByteWriter, _ at: Int) {
        out.text("farm=")
        out.formEncoded(ByteWriter.bytes(of: farm_row_name(farms[at].row), limit: Names.longest))
    }

    /// nil: who, why and until when cannot be had now. The state is kept, as in a row that is repaired.
    private func writeAdmin(_ out: inout ByteWriter, _ admin: Admin, _ note: AdminNote?) {
        out.text("&admin=")
        out.text(admin.name)
        out.text("&by=")
        if let note { out.formEncoded(ByteWriter.bytes(of: farm_note_by(note), limit: AdminWord.longestBy)) }
        out.text("&reason=")
        if let note { out.formEncoded(ByteWriter.bytes(of: farm_note_reason(note), limit: AdminWord.longestReason)) }
        out.text("&since=")
        out.number(note?.pointee.since_us ?? farm_host_wall_clock())
        out.text("&until=")
        out.number(note?.pointee.until_us ?? 0)
    }

    /// An exponent has a `+`, which a form would read as a blank.
    private func writeEncoded(_ out: inout ByteWriter, _ value: Double) {
        withUnsafeTemporaryAllocation(of: CChar.self, capacity: 33) { text in
            let length = Int(min(32, farm_host_number(value, text.baseAddress!)))
            let start = UnsafeRawPointer(text.baseAddress!).assumingMemoryBound(to: UInt8.self)
            out.formEncoded(UnsafeBufferPointer(start: start, count: length))
        }
    }

    /// What is wrong with a state file, and where.
    public struct StateFault {
        /// From 1.
        public var line: Int
        public var what: StaticString
    }

    /// Takes over what stands in a file, all of it or nothing; `text` is written over. Farms and members that are not
    /// configured any more are passed by.
    public func readState(_ text: UnsafeMutableBufferPointer<UInt8>) -> StateFault? {
        var records: [StateRecord] = []
        var start = 0
        var line = 0
        while start < text.count {
            line += 1
            let end = text[start...].firstIndex(of: 0x0A) ?? text.count
            let bytes = UnsafeMutableBufferPointer(rebasing: text[start..<end])
            start = end + 1
            if line == 1 {
                if Names.isWord(UnsafeBufferPointer(bytes), StateRecord.firstLine) { continue }
                return StateFault(line: 1, what: Self.faultOfFirst(bytes))
            }
            guard let record = StateRecord.read(bytes, number: Number.read) else {
                return StateFault(line: line, what: "it is no line of a state file")
            }
            records.append(record)
        }
        guard line > 0 else { return StateFault(line: 1, what: "it is empty") }
        for record in records { apply(record) }
        measureLoads()
        return nil
    }

    private static func faultOfFirst(_ line: UnsafeMutableBufferPointer<UInt8>) -> StaticString {
        let known = StateRecord.anyFirstLine
        guard line.count > known.utf8CodeUnitCount,
            Names.isWord(UnsafeBufferPointer(rebasing: line[..<known.utf8CodeUnitCount]), known)
        else { return "it is no state file of mod_proxy_farm" }
        return "it was written by another version of mod_proxy_farm"
    }

    private func apply(_ record: StateRecord) {
        let farm = findFarm(record.farm)
        guard farm != FARM_NONE else { return }
        let at = Int(farm)
        let word = AdminWord(by: record.by, reason: record.reason, since: record.since, until: record.until)
        guard let name = record.member else {
            _ = write(farm: at) { row in
                farm_row_note(row).set(word) { farm_publish32(&row.pointee.admin, record.admin.rawValue) }
            }
            return farms[at].changed()
        }
        guard let local = findMember(name, farm: at) else { return }
        let configured = config.members[Int(firstMember(farm)) + local]
        let missing = record.metrics.map { $0.name }.filter { tables.metric($0) == nil }
        switch tables.addMetrics(missing, isParent: true) {
        case .all: break
        case .noRoom(let first): Log.noRoomForState(missing[first])
        case .noLock: Log.namesLockFailed()
        }
        if record.unreadMetrics > 0 {
            Log.unreadMetrics(farms[at].row, farms[at].members[local].row, record.unreadMetrics)
        }
        let values = self.values(farm: at, local: local)
        _ = write(farm: farm, local: local) { row in
            if record.weight != 0 && record.configuredWeight == configured.weight {
                farm_set32(&row.pointee.weight, record.weight)
            }
            for metric in record.metrics {
                if let number = tables.metric(metric.name) {
                    farm_set64(values + Int(number), SharedDouble.word(metric.value))
                }
            }
            if record.isDownByMonitor {
                row.publish(row.state.with(downByMonitor: true, byManager: record.isDownByManager))
            }
            if record.since != 0 && record.configuredAdmin.rawValue == configured.admin {
                farm_member_row_note(row).set(word) { row.publish(row.state.with(admin: record.admin)) }
            }
        }
        farms[at].changed()
    }

    /// Ends states whose time has come, though nobody asks. The parent.
    public func tick() {
        let now = farm_host_clock()
        for at in 0..<farms.count {
            takeAdmins(farm: at)
            _ = endStates(farm: at, now: now)
            noteHistory(farm: at, now: now)
            watch(farm: at, now: now)
        }
    }

    /// What the configuration says of `admin`, where the lock could not be had when it was taken.
    private func takeAdmins(farm at: Int) {
        let first = Int(firstMember(UInt32(at)))
        for local in 0..<farms[at].members.count {
            let admin = config.members[first + local].admin
            guard farms[at].members[local].row.pointee.configured_admin != admin else { continue }
            let isTaken = tables.takeAdmin(
                admin, of: memberPlaces[first + local], farm: farmPlaces[at], wallClock: farm_host_wall_clock())
            if isTaken { farms[at].changed() }
        }
    }
}

extension UnsafeMutablePointer where Pointee == farm_admin_note {
    /// Whether somebody set the state, and not the configuration. Of a copy.
    fileprivate var hasAuthor: Bool { pointee.by.0 != 0 }
}
