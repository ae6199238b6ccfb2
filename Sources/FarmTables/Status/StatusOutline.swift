import CFarm
import CFarmABI
import FarmCore

/// What the status says, in whatever form it is written. The names are the contract's and never change; the manual lists
/// them.
extension StatusSnapshot {
    func write<Writer: StatusWriter & ~Copyable>(_ out: inout Writer) {
        out.section("module") { writeModule(&$0) }
        out.list("farms", of: "farm") { out in
            for farm in farms { out.item(farm.name) { writeFarm(&$0, farm) } }
        }
        out.section("cookies") { out in
            for result in InstructionResult.allCases { out.field(result.name, count: instructions(result)) }
        }
    }

    private func writeModule<Writer: StatusWriter & ~Copyable>(_ out: inout Writer) {
        let header = engine.tables.first.header
        out.field("version", bytes: ByteWriter.bytes(of: engine.config.version))
        out.field("built", bytes: ByteWriter.bytes(of: engine.config.built))
        out.field("mpm", bytes: ByteWriter.bytes(of: engine.config.mpm))
        out.field("generation", count: UInt64(farm_get32(&header.pointee.config_generation)))
        out.field("old_processes", count: UInt64(engine.tables.oldProcesses))
        out.field("locks", word: engine.tables.granularity.name)
        out.field("started", time: header.pointee.started_us)
        out.field("now", time: wallClock)
    }

    private func writeFarm<Writer: StatusWriter & ~Copyable>(_ out: inout Writer, _ farm: FarmReading) {
        out.field("algorithm", word: farm.algorithm)
        out.field("admin", word: farm.admin.name)
        writeNote(&out, farm.note, admin: farm.admin)
        out.field("condition", word: farm.condition.name)
        out.field("available", count: UInt64(farm.available))
        out.field("requests", count: farm.row.pointee.requests)
        out.field("failovers", count: farm.row.pointee.failovers)
        for outcome in RequestOutcome.allCases { out.field(outcome.name, count: farm.row.count(of: outcome)) }
        out.field("suspects", count: farm.row.pointee.suspects)
        out.field("waiting", count: 0)
        out.field("handed_on", count: farm.row.pointee.handed_on)
        out.field("retries_held_back", count: farm.row.pointee.retries_held_back)
        out.section("came") { out in
            for arrival in Arrival.allCases { out.field(arrival.name, count: farm.row.count(of: arrival)) }
        }
        out.section("answers") { out in
            for answer in AnswerClass.allCases { out.field(answer.name, count: farm.row.count(of: answer)) }
        }
        out.field("requests_per_s", number: (farm.rates?.requests).rounded)
        out.field("failovers_per_s", number: (farm.rates?.failures).rounded)
        out.list("members", of: "member") { out in
            for at in farm.members {
                out.item(members[at].name) { writeMember(&$0, members[at]) }
            }
        }
    }

    private func writeMember<Writer: StatusWriter & ~Copyable>(_ out: inout Writer, _ member: MemberReading) {
        let row = member.row
        out.field("url", bytes: member.url)
        out.field("admin", word: member.state.admin.name)
        writeNote(&out, member.note, admin: member.state.admin)
        out.field("health", word: member.state.isUp ? "up" : "down")
        if let cause = member.downBy { out.field("health_by", word: cause) } else { out.unknown("health_by") }
        out.field("health_since", time: row.pointee.status_since_us)
        if let error = member.lastError {
            out.section("last_error") { out in
                error.withText { out.field("what", bytes: $0) }
                out.field("at", time: row.pointee.last_error_at)
            }
        } else {
            out.unknown("last_error")
        }
        out.field("next_trial", time: member.nextTrial)
        out.field("fresh", word: member.isIn ? "in" : "out")
        out.field("available", flag: member.isAvailable)
        out.field("tier", count: UInt64(row.pointee.tier))
        out.field("weight", count: UInt64(row.pointee.weight))
        out.field("configured_weight", count: UInt64(row.pointee.configured_weight))
        out.field("share", number: (member.share * 10_000).rounded() / 10_000)
        out.field("load", number: member.load)
        out.field("inflight", count: UInt64(member.inflight))
        out.field("max_inflight", count: UInt64(row.pointee.max_inflight))
        out.field("requests", count: row.pointee.requests)
        out.field("errors", count: row.pointee.errors)
        out.field("requests_per_s", number: (member.rates?.requests).rounded)
        out.field("errors_per_s", number: (member.rates?.failures).rounded)
        out.field("bytes_in", count: row.pointee.bytes_in)
        out.field("bytes_out", count: row.pointee.bytes_out)
        out.section("latency_ms") { out in
            out.field("ewma", number: member.averageLatency.milliseconds)
            out.field("p50", number: member.latency(0.5).milliseconds)
            out.field("p99", number: member.latency(0.99).milliseconds)
            out.field("count", count: member.latencyCount)
            out.field("sum", number: Optional(Double(row.pointee.latency_sum)).milliseconds)
        }
        out.map("metrics", of: "metric") { out in
            for metric in 0..<metricCount {
                if let value = metricValue(metric, of: member) { out.entry(metricName(metric), value) }
            }
        }
        out.section("sticky") { out in
            out.field("clients", count: member.clients)
            out.field("until", time: member.clientsUntil &* 1_000_000)
        }
        out.field("update_age_s", number: member.age)
        out.field("updates", count: row.pointee.updates)
        out.field("bad_reports", count: row.pointee.bad_reports)
    }

    /// Who set admin, why, and what there was to end when it was not `on`.
    private func writeNote<Writer: StatusWriter & ~Copyable>(_ out: inout Writer, _ note: AdminNote, admin: Admin) {
        out.field("admin_by", text: ByteWriter.bytes(of: farm_note_by(note), limit: AdminWord.longestBy))
        out.field("admin_reason", text: ByteWriter.bytes(of: farm_note_reason(note), limit: AdminWord.longestReason))
        out.field("admin_since", time: note.pointee.since_us)
        out.field("admin_until", time: note.pointee.until_us)
        guard admin != .on else { return out.unknown("drain") }
        let work = note.work
        out.section("drain") { out in
            out.field("inflight_at_start", number: work.map { Double($0.inflight) } ?? .nan)
            out.field("clients_at_start", number: work.map { Double($0.clients) } ?? .nan)
        }
    }
}

extension Optional<Double> {
    /// Microseconds in milliseconds, to the microsecond; NaN: not known.
    fileprivate var milliseconds: Double { map { $0.rounded() / 1000 } ?? .nan }

    /// A rate, as well as it is known; NaN: not at all.
    fileprivate var rounded: Double { map { ($0 * 100).rounded() / 100 } ?? .nan }
}
