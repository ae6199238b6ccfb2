import FarmTestSupport
import Foundation
import Testing

@testable import FarmCore

/// OpenMetrics 1.0 as its reader has it: lines, labels that are unescaped, numbers.
@Suite struct MetricsWriterTests {
    private let pieces = Pieces()

    private func write(_ body: (inout MetricsWriter) -> Void) {
        let pieces = pieces
        var metrics = MetricsWriter(
            sink: { pieces.take($0, $1) }, formatNumber: { farm_host_number($0, $1) })
        body(&metrics)
    }

    /// The labels of a sample, unescaped as the standard says; nil when they are not well formed.
    private static func labels(_ sample: ArraySlice<UInt8>) -> (labels: [[UInt8]], rest: ArraySlice<UInt8>)? {
        var labels: [[UInt8]] = []
        var rest = sample
        guard rest.popFirst() == 0x7B else { return nil }
        while true {
            guard let equals = rest.firstIndex(of: 0x3D) else { return nil }
            rest = rest[(equals + 1)...]
            guard rest.popFirst() == 0x22 else { return nil }
            var value: [UInt8] = []
            reading: while true {
                guard let byte = rest.popFirst() else { return nil }
                switch byte {
                case 0x22: break reading
                case 0x0A: return nil
                case 0x5C:
                    switch rest.popFirst() {
                    case 0x5C: value.append(0x5C)
                    case 0x22: value.append(0x22)
                    case 0x6E: value.append(0x0A)
                    default: return nil
                    }
                default: value.append(byte)
                }
            }
            labels.append(value)
            switch rest.popFirst() {
            case 0x2C: continue
            case 0x7D: return (labels, rest)
            default: return nil
            }
        }
    }

    @Test func families() {
        write { out in
            out.begin("farm_member_requests", .counter, help: "Attempts at this member.")
            out.sample("_total")
            bytes("app").withUnsafeBufferPointer { out.label("farm", $0) }
            bytes("a:80").withUnsafeBufferPointer { out.label("member", $0) }
            out.value(count: 7)
            out.begin("farm_member_received_bytes", .counter, unit: "bytes", help: "Bytes.")
            out.begin("farm_condition", .stateSet, help: "How.")
            out.sample()
            out.label("farm_condition", "ok")
            out.value(count: 1)
            out.begin("farm_load", .gauge, help: "Load.")
            out.sample()
            out.value(-0.5)
            out.begin("farm_latency_seconds", .histogram, unit: "seconds", help: "Latency.")
            out.begin("farm_module", .info, help: "It.")
            out.sample("_info")
            out.value(count: 1)
            out.end()
        }
        #expect(
            pieces.text == """
                # TYPE farm_member_requests counter
                # HELP farm_member_requests Attempts at this member.
                farm_member_requests_total{farm="app",member="a:80"} 7
                # TYPE farm_member_received_bytes counter
                # UNIT farm_member_received_bytes bytes
                # HELP farm_member_received_bytes Bytes.
                # TYPE farm_condition stateset
                # HELP farm_condition How.
                farm_condition{farm_condition="ok"} 1
                # TYPE farm_load gauge
                # HELP farm_load Load.
                farm_load -0.5
                # TYPE farm_latency_seconds histogram
                # UNIT farm_latency_seconds seconds
                # HELP farm_latency_seconds Latency.
                # TYPE farm_module info
                # HELP farm_module It.
                farm_module_info 1
                # EOF

                """)
    }

    /// Whatever a label holds, it reads back, and the sample is one line.
    @Test func everyLabelReadsBack() throws {
        for text in HostileText.all {
            pieces.pieces = []
            write { out in
                out.begin("f", .gauge, help: "h")
                out.sample()
                text.withUnsafeBufferPointer { out.label("a", $0) }
                out.label("b", "x")
                text.withUnsafeBufferPointer { out.label("c", $0) }
                out.value(count: 3)
            }
            let lines = pieces.all.split(separator: 0x0A, omittingEmptySubsequences: false)
            #expect(lines.count == 4 && lines[3].isEmpty, "\(text)")
            let (labels, rest) = try #require(Self.labels(lines[2].dropFirst()), "\(text)")
            #expect(labels == [text, bytes("x"), text])
            #expect(Array(rest) == bytes(" 3"))
        }
    }

    @Test(
        arguments: [
            (.nan, "NaN"), (.signalingNaN, "NaN"), (.infinity, "+Inf"), (-.infinity, "-Inf"), (0, "0.0"),
            (-2.25, "-2.25"), (1e300, "1e+300"), (.leastNonzeroMagnitude, "5e-324"),
        ] as [(Double, String)])
    func numbers(_ number: Double, _ written: String) {
        write { out in
            out.begin("f", .gauge, help: "h")
            out.sample()
            out.value(number)
        }
        #expect(pieces.text.hasSuffix("\nf \(written)\n"))
    }

    @Test func counts() {
        for count in [0, 1, UInt64.max] {
            write { out in
                out.begin("f", .counter, help: "h")
                out.sample("_total")
                out.value(count: count)
            }
            #expect(pieces.text.hasSuffix("\nf_total \(count)\n"))
        }
    }

    /// The last bound of a histogram is +Inf.
    @Test func bounds() {
        write { out in
            out.begin("f", .histogram, help: "h")
            for bound in ["0.000128", nil] {
                out.sample("_bucket")
                out.label("farm", "app")
                bytes(bound ?? "").withUnsafeBufferPointer { out.label(upTo: bound == nil ? nil : $0) }
                out.value(count: 5)
            }
        }
        #expect(
            pieces.text.hasSuffix(
                "\nf_bucket{farm=\"app\",le=\"0.000128\"} 5\nf_bucket{farm=\"app\",le=\"+Inf\"} 5\n"))
    }

    /// Labels of one sample are not the next one's.
    @Test func samplesAreApart() {
        write { out in
            out.begin("f", .gauge, help: "h")
            for at in 0..<3 {
                out.sample()
                if at != 1 { out.label("a", "x") }
                out.value(count: UInt64(at))
            }
        }
        #expect(pieces.text.hasSuffix("\nf{a=\"x\"} 0\nf 1\nf{a=\"x\"} 2\n"))
    }

    @Test(arguments: [1, 32, 33, .max] as [UInt32]) func aFormatterThatMiscounts(_ length: UInt32) {
        let pieces = pieces
        var metrics = MetricsWriter(
            sink: { pieces.take($0, $1) },
            formatNumber: { _, into in
                for at in 0..<32 { into[at] = 0x37 }
                return length
            })
        metrics.begin("f", .gauge, help: "h")
        metrics.sample()
        metrics.value(1.5)
        _ = consume metrics
        #expect(pieces.text.hasSuffix("\nf \(String(repeating: "7", count: Int(min(32, length))))\n"))
    }

    @Test func longAnswers() {
        write { out in
            out.begin("f", .counter, help: "h")
            for at in 0..<5_000 {
                out.sample("_total")
                bytes("m\(at)").withUnsafeBufferPointer { out.label("member", $0) }
                out.value(count: UInt64(at))
            }
            out.end()
        }
        let lines = pieces.text.split(separator: "\n").dropFirst(2)
        #expect(lines.count == 5_001 && lines.last == "# EOF")
        for (at, line) in lines.dropLast().enumerated() { #expect(line == "f_total{member=\"m\(at)\"} \(at)") }
        #expect(pieces.pieces.count > 20)
    }
}
