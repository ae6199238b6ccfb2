import FarmTestSupport
import Foundation
import Testing

@testable import FarmCore

/// "Each value of the JSON is a line." "A key never holds `: `." "What is unknown is `-`."
@Suite struct LinesWriterTests {
    private let pieces = Pieces()

    private func write(_ body: (inout LinesWriter) -> Void) {
        let pieces = pieces
        var lines = LinesWriter(
            sink: { pieces.take($0, $1) },
            formatNumber: { farm_host_number($0, $1) },
            formatTime: { farm_host_time($0, $1) })
        body(&lines)
    }

    @Test func nothingIsNothing() {
        write { _ in }
        #expect(pieces.pieces.isEmpty)
        write { lines in
            lines.section("module") { _ in }
            lines.list("farms", of: "farm") { _ in }
            lines.map("metrics", of: "metric") { _ in }
        }
        #expect(pieces.pieces.isEmpty)
    }

    @Test func theKeyIsTheWay() {
        write { lines in
            lines.section("module") { $0.field("version", word: "1.2") }
            lines.list("farms", of: "farm") { lines in
                for name in ["app", "b"] {
                    bytes(name).withUnsafeBufferPointer { name in
                        lines.item(name) { lines in
                            lines.field("requests", count: 4)
                            lines.list("members", of: "member") { lines in
                                bytes("10.0.0.1:80").withUnsafeBufferPointer { member in
                                    lines.item(member) { lines in
                                        lines.field("available", flag: false)
                                        lines.section("latency_ms") { $0.field("p99", number: 12.5) }
                                        lines.map("metrics", of: "metric") { lines in
                                            bytes("cpu.user").withUnsafeBufferPointer { lines.entry($0, 0.25) }
                                            bytes("gone").withUnsafeBufferPointer { lines.entry($0, .nan) }
                                        }
                                        lines.field("after", flag: true)
                                    }
                                }
                            }
                            lines.field("last", count: 0)
                        }
                    }
                }
            }
            lines.field("top", time: 1_790_000_000_000_000)
        }
        let farm = { (name: String) in
            """
            farm[\(name)].requests: 4
            farm[\(name)].member[10.0.0.1:80].available: false
            farm[\(name)].member[10.0.0.1:80].latency_ms.p99: 12.5
            farm[\(name)].member[10.0.0.1:80].metric[cpu.user]: 0.25
            farm[\(name)].member[10.0.0.1:80].metric[gone]: -
            farm[\(name)].member[10.0.0.1:80].after: true
            farm[\(name)].last: 0

            """
        }
        #expect(
            pieces.text == "module.version: 1.2\n" + farm("app") + farm("b") + "top: 2026-09-21T14:13:20Z\n")
    }

    /// The longest names that there can be are written whole.
    @Test func longestNames() {
        let (farm, member) = (String(repeating: "f", count: 63), String(repeating: "m", count: 63))
        let metric = String(repeating: "x", count: 32)
        write { lines in
            lines.list("farms", of: "farm") { lines in
                bytes(farm).withUnsafeBufferPointer { name in
                    lines.item(name) { lines in
                        lines.list("members", of: "member") { lines in
                            bytes(member).withUnsafeBufferPointer { name in
                                lines.item(name) { lines in
                                    lines.map("metrics", of: "metric") { lines in
                                        bytes(metric).withUnsafeBufferPointer { lines.entry($0, 1.5) }
                                    }
                                    lines.section("latency_ms") { $0.unknown("ewma") }
                                }
                            }
                        }
                    }
                }
            }
        }
        let before = "farm[\(farm)].member[\(member)]."
        #expect(pieces.text == "\(before)metric[\(metric)]: 1.5\n\(before)latency_ms.ewma: -\n")
    }

    /// A way that is longer than any is cut: no byte leaves its memory, and what follows is where it was.
    @Test func aWayThatIsTooLong() {
        let endless = [UInt8](repeating: 0x61, count: 1_000)
        write { lines in
            lines.list("farms", of: "farm") { lines in
                endless.withUnsafeBufferPointer { name in
                    lines.item(name) { lines in
                        lines.item(name) { $0.field("deep", count: 1) }
                        lines.field("x", count: 2)
                    }
                }
            }
            lines.field("y", count: 3)
        }
        #expect(pieces.text.split(separator: "\n").map { $0.suffix(2) } == [" 1", " 2", " 3"])
        #expect(pieces.text.hasSuffix("\ny: 3\n") && pieces.all.count < 800)
    }

    /// One line each, whatever it says: what begins the next line is never a text's own, and no value is empty.
    @Test func everyTextIsOneLine() {
        for text in HostileText.all {
            for isWritten in [true, false] {
                pieces.pieces = []
                write { lines in
                    text.withUnsafeBufferPointer {
                        if isWritten { lines.field("reason", text: $0) } else { lines.field("url", bytes: $0) }
                    }
                }
                let key = bytes(isWritten ? "reason: " : "url: ")
                #expect(pieces.all.starts(with: key) && pieces.all.last == 0x0A)
                let value = Array(pieces.all.dropFirst(key.count).dropLast())
                #expect(!value.isEmpty, "\(text)")
                #expect(value.allSatisfy { $0 >= 0x20 && $0 != 0x7F }, "\(text)")
                #expect(text.isEmpty ? value == [0x2D] : value.count == text.count, "\(text)")
                #expect(String(validating: value, as: UTF8.self) != nil, "\(text)")
                if !isWritten { #expect(value.allSatisfy { $0 < 0x7F }, "\(text)") }
            }
        }
    }

    /// What a person wrote, in UTF-8, is as it was written.
    @Test(arguments: ["neue Kühlung ❄", "a: b", "\u{202E}x", "\u{2028}", "<b>&\"'\\", "😀"]) func textIsKept(
        _ text: String
    ) {
        write { lines in bytes(text).withUnsafeBufferPointer { lines.field("reason", text: $0) } }
        #expect(pieces.text == "reason: \(text)\n")
    }

    @Test(
        arguments: [
            (0, "0.0"), (-1.5, "-1.5"), (1e300, "1e+300"), (.nan, "-"), (.infinity, "-"), (-.infinity, "-"),
            (.signalingNaN, "-"), (.leastNonzeroMagnitude, "5e-324"),
        ] as [(Double, String)])
    func numbers(_ number: Double, _ written: String) {
        write { lines in
            lines.field("load", number: number)
            bytes("cpu").withUnsafeBufferPointer { lines.entry($0, number) }
        }
        #expect(pieces.text == "load: \(written)\n[cpu]: \(written)\n")
    }

    @Test func countsTimesAndWords() {
        write { lines in
            lines.field("a", count: .max)
            lines.field("b", time: 0)
            lines.field("c", time: 1)
            lines.unknown("d")
            lines.field("e", word: "adaptive")
        }
        #expect(
            pieces.text == "a: 18446744073709551615\nb: -\nc: 1970-01-01T00:00:00Z\nd: -\ne: adaptive\n")
    }

    /// Someone else writes the digits; more of them than agreed must not leave the buffer.
    @Test(arguments: [1, 32, 33, .max] as [UInt32]) func aFormatterThatMiscounts(_ length: UInt32) {
        let pieces = pieces
        let format: (UnsafeMutablePointer<CChar>) -> UInt32 = { into in
            for at in 0..<32 { into[at] = 0x37 }
            return length
        }
        var lines = LinesWriter(
            sink: { pieces.take($0, $1) }, formatNumber: { format($1) }, formatTime: { format($1) })
        lines.field("a", number: 1.5)
        lines.field("b", time: 5)
        _ = consume lines
        let digits = String(repeating: "7", count: Int(min(32, length)))
        #expect(pieces.text == "a: \(digits)\nb: \(digits)\n")
    }

    /// Far more than the buffer holds.
    @Test func longAnswers() {
        write { lines in for at in 0..<5_000 { lines.field("requests", count: UInt64(at)) } }
        let lines = pieces.text.split(separator: "\n")
        #expect(lines == (0..<5_000).map { "requests: \($0)" }.map { Substring($0) })
        #expect(pieces.pieces.count > 10 && pieces.pieces.allSatisfy { !$0.isEmpty && $0.count <= 4_096 })
    }
}
