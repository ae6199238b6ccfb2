import CFarm
import CFarmABI
import FarmCore

/// The status as OpenMetrics. Names and labels are the contract's and never change.
extension StatusSnapshot {
    func writeMetrics(_ out: inout MetricsWriter) {
        writeMembers(&out)
        writeFarms(&out)
        writeInstructions(&out)
        writeModule(&out)
        out.end()
    }

    private typealias Labels = MetricsWriter.Labels

    private func forEachMember(_ body: (FarmReading, MemberReading) -> Void) {
        for farm in farms {
            for at in farm.members { body(farm, members[at]) }
        }
    }

    private static func label(_ labels: inout Labels, _ farm: FarmReading, _ member: MemberReading) {
        labels.add("farm", farm.name)
        labels.add("member", member.name)
    }

    /// A family with one sample a member, where it is known.
    private func counts(
        _ out: inout MetricsWriter, _ name: StaticString, unit: StaticString = "", help: StaticString,
        _ value: (MemberReading) -> UInt64
    ) {
        out.begin(name, .counter, unit: unit, help: help)
        forEachMember { farm, member in
            out.sample("_total", count: value(member)) { Self.label(&$0, farm, member) }
        }
    }

    private func gauges(
        _ out: inout MetricsWriter, _ name: StaticString, unit: StaticString = "", help: StaticString,
        _ value: (MemberReading) -> Double
    ) {
        out.begin(name, .gauge, unit: unit, help: help)
        forEachMember { farm, member in
            let value = value(member)
            if !value.isNaN { out.sample(number: value) { Self.label(&$0, farm, member) } }
        }
    }

    private func states(
        _ out: inout MetricsWriter, _ name: StaticString, _ states: [StaticString], help: StaticString,
        _ current: (MemberReading) -> Int
    ) {
        out.begin(name, .stateSet, help: help)
        forEachMember { farm, member in
            let current = current(member)
            for (at, state) in states.enumerated() {
                out.sample(count: at == current ? 1 : 0) { labels in
                    Self.label(&labels, farm, member)
                    labels.add(name, state)
                }
            }
        }
    }

    private func writeMembers(_ out: inout MetricsWriter) {
        counts(&out, "farm_member_requests", help: "Attempts at this member.") { $0.row.pointee.requests }
        counts(&out, "farm_member_errors", help: "Attempts that failed.") { $0.row.pointee.errors }
        gauges(&out, "farm_member_inflight", help: "Requests in flight.") { Double($0.inflight) }
        gauges(&out, "farm_member_load", help: "Load made of the metrics that the member pushed.") { $0.load }
        gauges(&out, "farm_member_available", help: "1 when admin is on, health is up and fresh is in.") {
            $0.isAvailable ? 1 : 0
        }
        states(&out, "farm_member_admin", ["on", "drain", "off"], help: "What the administrator wants.") {
            Int($0.state.admin.rawValue)
        }
        states(&out, "farm_member_health", ["up", "down"], help: "Whether the member works.") { $0.state.isUp ? 0 : 1 }
        states(&out, "farm_member_fresh", ["in", "out"], help: "Whether the member reports in time.") {
            $0.isIn ? 0 : 1
        }
        counts(&out, "farm_member_received_bytes", unit: "bytes", help: "Bytes that came from the member.") {
            $0.row.pointee.bytes_in
        }
        counts(&out, "farm_member_sent_bytes", unit: "bytes", help: "Bytes that went to the member.") {
            $0.row.pointee.bytes_out
        }
        writeLatencies(&out)
        out.begin("farm_member_metric", .gauge, help: "The last value of each metric that the member pushed.")
        forEachMember { farm, member in
            forEachMetric(of: member) { name, value in
                out.sample(number: value) { labels in
                    Self.label(&labels, farm, member)
                    labels.add("metric", name)
                }
            }
        }
        gauges(
            &out, "farm_member_update_age_seconds", unit: "seconds",
            help: "Age of the last update; none when it has never reported."
        ) { $0.age }
        gauges(&out, "farm_member_weight", help: "Weight, 1 to 1000.") { Double($0.row.pointee.weight) }
        gauges(&out, "farm_member_share", help: "Part of new requests that it gets as things stand, 0 to 1.") {
            ($0.share * 10_000).rounded() / 10_000
        }
        gauges(&out, "farm_member_tied_clients", help: "Clients that instructions tie to it, about.") {
            Double($0.clients)
        }
    }

    /// One bucket an octave: the table has four, which would be read by nobody and cost a scraper four times as much.
    private func writeLatencies(_ out: inout MetricsWriter) {
        out.begin(
            "farm_member_latency_seconds", .histogram, unit: "seconds",
            help: "From the choice of the member to the status line of its answer.")
        forEachMember { farm, member in
            let label = { (labels: inout Labels) in Self.label(&labels, farm, member) }
            var count: UInt64 = 0
            for at in 0..<LatencyBuckets.count {
                let bound = LatencyBuckets.lowerBound(of: at)
                if at > 0 && bound & (bound - 1) == 0 {
                    out.bucket(upTo: Double(bound) / 1_000_000, count: count, label)
                }
                count &+= member.buckets[at]
            }
            out.bucket(upTo: .infinity, count: count, label)
            out.sample("_count", count: count, label)
            out.sample("_sum", number: Double(member.row.pointee.latency_sum) / 1_000_000, label)
        }
    }

    private func farmCounts(
        _ out: inout MetricsWriter, _ name: StaticString, help: StaticString, _ value: (FarmReading) -> UInt64
    ) {
        out.begin(name, .counter, help: help)
        for farm in farms {
            out.sample("_total", count: value(farm)) { $0.add("farm", farm.name) }
        }
    }

    private func writeFarms(_ out: inout MetricsWriter) {
        farmCounts(&out, "farm_failovers", help: "Attempts after a request's first.") { $0.row.pointee.failovers }
        farmCounts(&out, "farm_requests", help: "Requests of clients.") { $0.row.pointee.requests }
        farmCounts(&out, "farm_redirected", help: "Requests that FarmRedirect answered.") { $0.row.pointee.redirected }
        farmCounts(&out, "farm_forwarded", help: "Requests that FarmForward had served elsewhere.") {
            $0.row.pointee.forwarded
        }
        out.begin("farm_condition", .stateSet, help: "How the farm stands.")
        for farm in farms {
            for state in [Condition.ok, .full, .offline, .down] {
                out.sample(count: farm.condition == state ? 1 : 0) { labels in
                    labels.add("farm", farm.name)
                    labels.add("farm_condition", state.name)
                }
            }
        }
    }

    private func writeInstructions(_ out: inout MetricsWriter) {
        out.begin("farm_instructions", .counter, help: "Instruction cookies by what became of them.")
        for result in InstructionResult.allCases {
            out.sample("_total", count: instructions(result)) { $0.add("result", result.name) }
        }
    }

    private func writeModule(_ out: inout MetricsWriter) {
        out.begin("farm_module", .info, help: "mod_proxy_farm, and the server it runs in.")
        out.sample("_info", count: 1) { labels in
            labels.add("version", ByteWriter.bytes(of: engine.config.version))
            labels.add("mpm", ByteWriter.bytes(of: engine.config.mpm))
        }
    }
}
