import CFarm
import CFarmABI
import FarmCore

/// The status as OpenMetrics.
extension StatusSnapshot {
    func writeMetrics(_ out: inout MetricsWriter) {
        writeCounter(&out, .requests)
        writeCounter(&out, .errors)
        writeGauge(&out, .inflight)
        writeGauge(&out, .load)
        writeGauge(&out, .available)
        for axis in MemberAxis.allCases { writeAxis(&out, axis) }
        writeCounter(&out, .received)
        writeCounter(&out, .sent)
        writeLatencies(&out)
        writePushed(&out)
        writeGauge(&out, .updateAge)
        writeGauge(&out, .weight)
        writeGauge(&out, .share)
        writeGauge(&out, .tiedClients)
        writeOutcomes(&out)
        for counter in FarmCounter.allCases { writeFarmCounter(&out, counter) }
        writeConditions(&out)
        writeInstructions(&out)
        writeModule(&out)
        out.end()
    }

    private static func begin(
        _ out: inout MetricsWriter, _ suffix: StaticString, _ farm: FarmReading, _ member: MemberReading
    ) {
        out.sample(suffix)
        out.label("farm", farm.name)
        out.label("member", member.name)
    }

    private func writeCounter(_ out: inout MetricsWriter, _ counter: MemberCounter) {
        out.begin(counter.name, .counter, unit: counter.unit, help: counter.help)
        for farm in farms {
            for at in farm.members {
                Self.begin(&out, "_total", farm, members[at])
                out.value(count: counter.value(of: members[at]))
            }
        }
    }

    private func writeGauge(_ out: inout MetricsWriter, _ gauge: MemberGauge) {
        out.begin(gauge.name, .gauge, unit: gauge.unit, help: gauge.help)
        for farm in farms {
            for at in farm.members {
                let value = gauge.value(of: members[at])
                guard !value.isNaN else { continue }
                Self.begin(&out, "", farm, members[at])
                out.value(value)
            }
        }
    }

    private func writeAxis(_ out: inout MetricsWriter, _ axis: MemberAxis) {
        out.begin(axis.name, .stateSet, help: axis.help)
        for farm in farms {
            for at in farm.members {
                let current = axis.state(of: members[at])
                for state in 0..<axis.count {
                    Self.begin(&out, "", farm, members[at])
                    out.label(axis.name, axis.state(state))
                    out.value(count: state == current ? 1 : 0)
                }
            }
        }
    }

    /// One bucket an octave: the table has four, which nobody would read and every scrape would carry.
    private func writeLatencies(_ out: inout MetricsWriter) {
        out.begin(
            "farm_member_latency_seconds", .histogram, unit: "seconds",
            help: "From the choice of the member to the status line of its answer.")
        let bounds = LatencyBounds()
        for farm in farms {
            for at in farm.members { writeLatencies(&out, farm, members[at], bounds) }
        }
    }

    private func writeLatencies(
        _ out: inout MetricsWriter, _ farm: FarmReading, _ member: MemberReading, _ bounds: borrowing LatencyBounds
    ) {
        var count: UInt64 = 0
        var bucket = 0
        for octave in 0..<LatencyBounds.count {
            while bucket < LatencyBounds.bucket(octave) {
                count &+= member.buckets[bucket]
                bucket += 1
            }
            Self.begin(&out, "_bucket", farm, member)
            out.label(upTo: bounds[octave])
            out.value(count: count)
        }
        while bucket < LatencyBuckets.count {
            count &+= member.buckets[bucket]
            bucket += 1
        }
        Self.begin(&out, "_bucket", farm, member)
        out.label(upTo: nil)
        out.value(count: count)
        Self.begin(&out, "_count", farm, member)
        out.value(count: count)
        Self.begin(&out, "_sum", farm, member)
        out.value(Double(member.row.pointee.latency_sum) / 1_000_000)
    }

    private func writePushed(_ out: inout MetricsWriter) {
        out.begin("farm_member_metric", .gauge, help: "The last value of each metric that the member pushed.")
        for farm in farms {
            for at in farm.members {
                for metric in 0..<metricCount {
                    guard let value = metricValue(metric, of: members[at]) else { continue }
                    Self.begin(&out, "", farm, members[at])
                    out.label("metric", metricName(metric))
                    out.value(value)
                }
            }
        }
    }

    private func writeFarmCounter(_ out: inout MetricsWriter, _ counter: FarmCounter) {
        out.begin(counter.name, .counter, help: counter.help)
        for farm in farms {
            out.sample("_total")
            out.label("farm", farm.name)
            out.value(count: counter.value(of: farm))
        }
    }

    private func writeOutcomes(_ out: inout MetricsWriter) {
        out.begin("farm_requests", .counter, help: "Requests of clients that have ended, by outcome.")
        for farm in farms {
            for outcome in RequestOutcome.allCases {
                Self.begin(&out, farm, "outcome", outcome.name)
                out.value(count: farm.row.count(of: outcome))
            }
        }
        out.begin("farm_answers", .counter, help: "The same requests by the class of the status that the client got.")
        for farm in farms {
            for answer in AnswerClass.allCases {
                Self.begin(&out, farm, "class", answer.name)
                out.value(count: farm.row.count(of: answer))
            }
        }
        out.begin("farm_waiting", .gauge, help: "Requests that wait for a member.")
        for farm in farms {
            out.sample()
            out.label("farm", farm.name)
            out.value(count: 0)
        }
    }

    private static func begin(
        _ out: inout MetricsWriter, _ farm: FarmReading, _ label: StaticString, _ value: StaticString
    ) {
        out.sample("_total")
        out.label("farm", farm.name)
        out.label(label, value)
    }

    private func writeConditions(_ out: inout MetricsWriter) {
        out.begin("farm_condition", .stateSet, help: "How the farm stands.")
        for farm in farms {
            for number in Condition.ok.rawValue...Condition.down.rawValue {
                guard let condition = Condition(rawValue: number) else { continue }
                out.sample()
                out.label("farm", farm.name)
                out.label("farm_condition", condition.name)
                out.value(count: farm.condition == condition ? 1 : 0)
            }
        }
    }

    private func writeInstructions(_ out: inout MetricsWriter) {
        out.begin("farm_instructions", .counter, help: "Instruction cookies by what became of them.")
        for result in InstructionResult.allCases {
            out.sample("_total")
            out.label("result", result.name)
            out.value(count: instructions(result))
        }
    }

    private func writeModule(_ out: inout MetricsWriter) {
        out.begin("farm_module", .info, help: "mod_proxy_farm, and the server it runs in.")
        out.sample("_info")
        out.label("version", ByteWriter.bytes(of: engine.config.version))
        out.label("mpm", ByteWriter.bytes(of: engine.config.mpm))
        out.value(count: 1)
        out.begin("farm_old_processes", .gauge, help: "Children that run an earlier version of mod_proxy_farm.")
        out.sample()
        out.value(count: UInt64(engine.tables.oldProcesses))
    }
}
