import CFarm
import CFarmABI
import FarmCore

/// The status as JSON: docs/manual.md has its shape. What is unknown or unset is null.
extension Engine {
    public func writeStatus(to out: UnsafeMutableRawPointer?) {
        var json = JSONWriter(
            sink: { bytes, length in
                farm_host_write(out, UnsafeRawPointer(bytes).assumingMemoryBound(to: CChar.self), UInt32(length))
            },
            formatNumber: { farm_host_number($0, $1) },
            formatTime: { farm_host_time($0, $1) })
        json.object { json in
            json.key("module")
            writeModule(&json)
            json.key("farms")
            json.array { json in
                for at in 0..<farms.count { writeFarm(&json, at) }
            }
            // No instruction is read in this version: nothing of any kind has been seen.
            json.key("cookies")
            json.object { json in
                for name: StaticString in [
                    "accepted", "bad_mac", "expired", "malformed", "unknown_key",
                    "unknown_target", "other_client",
                ] {
                    json.key(name)
                    json.number(UInt64(0))
                }
            }
        }
    }

    private func writeModule(_ json: inout JSONWriter) {
        let header = tables.first.header
        json.object { json in
            json.key("version")
            json.string(ByteWriter.bytes(of: config.version))
            json.key("built")
            json.string(ByteWriter.bytes(of: config.built))
            json.key("mpm")
            json.string(ByteWriter.bytes(of: config.mpm))
            json.key("generation")
            json.number(UInt64(header.pointee.config_generation))
            json.key("locks")
            json.string(tables.granularity.name)
            json.key("started")
            json.time(header.pointee.started_us)
        }
    }

    private func writeFarm(_ json: inout JSONWriter, _ at: Int) {
        let farm = farms[at]
        let row = farm.row
        _ = endStates(farm: at, now: farm_host_clock())
        json.object { json in
            json.key("name")
            json.string(ByteWriter.bytes(of: farm_row_name(row), limit: Names.longest))
            json.key("algorithm")
            json.string(farm.algorithm.name)
            json.key("admin")
            json.string(farm.admin.name)
            writeNote(&json, farm_row_note(row), &row.pointee.sequence)
            json.key("condition")
            json.string(farm.condition(now: farm_host_clock()).name)
            json.key("available")
            json.number(UInt64(farm.members.count { farm.isAvailable($0.row, now: farm_host_clock()) }))
            json.key("requests")
            json.number(farm_get64(&row.pointee.requests))
            json.key("failovers")
            json.number(farm_get64(&row.pointee.failovers))
            json.key("redirected")
            json.number(farm_get64(&row.pointee.redirected))
            json.key("forwarded")
            json.number(farm_get64(&row.pointee.forwarded))
            json.key("members")
            json.array { json in
                for local in 0..<farm.members.count { writeMember(&json, farm: at, local) }
            }
        }
    }

    private func writeMember(_ json: inout JSONWriter, farm: Int, _ local: Int) {
        let row = farms[farm].members[local].row
        let member = config.members[Int(config.farms[farm].first_member) + local]
        let state = row.state
        json.object { json in
            json.key("name")
            json.string(ByteWriter.bytes(of: farm_member_row_name(row), limit: Names.longest))
            json.key("url")
            json.string(ByteWriter.bytes(of: member.url))
            let freshness = farms[farm].freshness
            let now = farm_host_clock()
            writeState(
                &json, row, state, isIn: freshness.isIn(row, now: now),
                isAvailable: farms[farm].isAvailable(row, now: now))
            json.key("tier")
            json.number(UInt64(farm_get32(&row.pointee.tier)))
            json.key("weight")
            json.number(UInt64(farm_get32(&row.pointee.weight)))
            json.key("load")
            json.number(freshness.load(row, now: now))
            json.key("inflight")
            json.number(UInt64(InFlight.count(row)))
            json.key("requests")
            json.number(farm_get64(&row.pointee.requests))
            json.key("errors")
            json.number(farm_get64(&row.pointee.errors))
            json.key("bytes_in")
            json.number(farm_get64(&row.pointee.bytes_in))
            json.key("bytes_out")
            json.number(farm_get64(&row.pointee.bytes_out))
            writeLatency(&json, row)
            json.key("metrics")
            json.object { json in writeMetrics(&json, values(farm: farm, local: local)) }
            json.key("update_age_s")
            let updated = farm_get64(&row.pointee.updated_us)
            json.number(updated == 0 ? .nan : Double(now > updated ? (now - updated) / 1000 : 0) / 1000)
            json.key("updates")
            json.number(farm_get64(&row.pointee.updates))
            json.key("bad_reports")
            json.number(farm_get64(&row.pointee.bad_reports))
        }
    }

    private func writeMetrics(_ json: inout JSONWriter, _ values: UnsafePointer<UInt64>) {
        for metric in 0..<tables.metricCount {
            let value = SharedDouble.value(farm_get64(values + metric))
            guard !value.isNaN else { continue }
            json.key(ByteWriter.bytes(of: farm_metric_row_name(tables.first.metricName(metric)), limit: 32))
            json.number(value)
        }
    }

    private func writeNote(
        _ json: inout JSONWriter, _ note: AdminNote, _ sequence: UnsafeMutablePointer<UInt32>
    ) {
        RowWriting.withCopy(note, sequence) { copy in
            json.key("admin_by")
            json.text(ByteWriter.bytes(of: farm_note_by(copy), limit: AdminWord.longestBy))
            json.key("admin_reason")
            json.text(ByteWriter.bytes(of: farm_note_reason(copy), limit: AdminWord.longestReason))
            json.key("admin_since")
            json.time(copy.pointee.since_us)
            json.key("admin_until")
            json.time(copy.pointee.until_us)
        }
    }

    private func writeState(
        _ json: inout JSONWriter, _ row: MemberRow, _ state: MemberState, isIn: Bool, isAvailable: Bool
    ) {
        json.key("admin")
        json.string(state.admin.name)
        writeNote(&json, farm_member_row_note(row), &row.pointee.sequence)
        json.key("health")
        json.string(state.isUp ? "up" : "down")
        json.key("health_by")
        if state.isUp { json.null() } else { json.string(Self.cause(state)) }
        json.key("fresh")
        json.string(isIn ? "in" : "out")
        json.key("available")
        json.bool(isAvailable)
    }

    private static func cause(_ state: MemberState) -> StaticString {
        state.isDownByMonitor ? "monitor" : state.isOutlier ? "outlier" : "failures"
    }

    private func writeLatency(_ json: inout JSONWriter, _ row: MemberRow) {
        let average = DecayingAverage(word: farm_get64(&row.pointee.latency))
        let buckets = UnsafePointer<UInt64>(farm_member_row_buckets(row))!
        json.key("latency_ms")
        json.object { json in
            json.key("ewma")
            if average.isEmpty { json.null() } else { json.number(Double(average.value).rounded() / 1000) }
            json.key("p50")
            Self.write(&json, LatencyBuckets.quantile(0.5, of: buckets))
            json.key("p99")
            Self.write(&json, LatencyBuckets.quantile(0.99, of: buckets))
        }
    }

    private static func write(_ json: inout JSONWriter, _ microseconds: Double?) {
        if let microseconds { json.number(microseconds.rounded() / 1000) } else { json.null() }
    }
}
