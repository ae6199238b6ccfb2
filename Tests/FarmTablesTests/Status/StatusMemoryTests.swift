import CFarm
import CFarmABI
import FarmCore
import FarmTestSupport
import Foundation
import Testing

@testable import FarmTables

/// A trap would end the child that shows the status, just when somebody must see what is wrong. So whatever stands in the
/// shared rows, each form is written to its end and is well formed. In processes of their own, for a trap takes them along.
@Suite struct StatusMemoryTests {
    /// Fills all that the status reads of a farm and its members, but for their names.
    private static func fill(_ engine: UnsafeMutablePointer<Engine>, _ byte: () -> UInt8) {
        func scrawl<Row>(_ row: UnsafeMutablePointer<Row>, keeping kept: Range<Int> = 0..<0) {
            UnsafeMutableRawPointer(row).withMemoryRebound(to: UInt8.self, capacity: MemoryLayout<Row>.size) { bytes in
                for at in 0..<MemoryLayout<Row>.size where !kept.contains(at) { bytes[at] = byte() }
            }
        }
        let block = engine.pointee.tables.first
        for farm in engine.pointee.farms.indices {
            scrawl(engine.pointee.farms[farm].row, keeping: 0..<64)
            engine.pointee.farms[farm].row.pointee.sequence = 0
            for local in engine.pointee.farms[farm].members.indices {
                let row = engine.pointee.farms[farm].members[local].row
                scrawl(row, keeping: 832..<896)
                row.pointee.sequence = 0
                for metric in 0..<Int(block.layout.metrics) {
                    engine.pointee.values(farm: farm, local: local)[metric] =
                        (0..<8).reduce(0) { word, _ in word << 8 | UInt64(byte()) }
                }
            }
        }
        for cell in 0..<6 {
            let history = engine.pointee.history(farm: cell % 2)
            let local = engine.pointee.history(farm: 0, local: cell % 3)
            for one in [history, local] {
                one.note(
                    History.Sample(
                        at: UInt64(byte()) << 30 | UInt64(byte()) << 16, requests: UInt64(byte()) << 24,
                        failures: UInt64(byte()), inflight: UInt32(byte())))
            }
        }
    }

    private static func writeAll(_ engine: UnsafeMutablePointer<Engine>, now: UInt64, _ what: String) {
        HostClock.$now.withValue(now) {
            let json = engine.status(.json)
            precondition(
                (try? JSONSerialization.jsonObject(with: Data(json))) is [String: Any],
                "\(what): \(String(decoding: json, as: UTF8.self))")
            precondition((try? OpenMetrics(engine.text(.openMetrics))) != nil, what)
            precondition((try? Markup(engine.text(.page, manager: "/m", nonce: "1"))) != nil, what)
            precondition((try? Markup(engine.text(.section))) != nil, what)
            let lines = engine.text(.lines).split(separator: "\n", omittingEmptySubsequences: false).dropLast()
            precondition(lines.allSatisfy { $0.contains(": ") && !$0.hasSuffix(": ") }, what)
        }
    }

    private static func make(_ world: World, _ algorithm: Algorithm) -> UnsafeMutablePointer<Engine> {
        var spec = farm("f", "a", "b", "c")
        (spec.algorithm, spec.expect, spec.slowStart, spec.panic) = (algorithm.rawValue, 1_000_000, 5_000_000, 40)
        guard let engine = world.configure([spec, farm("g", "a")]), engine.start(pid: 1) else {
            preconditionFailure("no engine")
        }
        return engine
    }

    @Test func rowsOfOneByte() async {
        await #expect(processExitsWith: .success) {
            for algorithm in Algorithm.allCases {
                let world = World()
                let engine = StatusMemoryTests.make(world, algorithm)
                for byte in [0x00, 0x01, 0x20, 0x3C, 0x7F, 0x80, 0xC3, 0xFE, 0xFF] as [UInt8] {
                    StatusMemoryTests.fill(engine) { byte }
                    for now in [0, 5_000_000, 1 << 40, .max] as [UInt64] {
                        StatusMemoryTests.writeAll(engine, now: now, "\(algorithm), byte \(byte) at \(now)")
                    }
                }
            }
        }
    }

    @Test func rowsOfRandomBytes() async {
        await #expect(processExitsWith: .success) {
            for algorithm in Algorithm.allCases {
                let world = World()
                let engine = StatusMemoryTests.make(world, algorithm)
                var numbers = Numbers(UInt64(algorithm.rawValue) + 1)
                for round in 0..<50 {
                    let few = numbers.next() % 3 == 0
                    StatusMemoryTests.fill(engine) {
                        let word = numbers.next()
                        return few && word % 4 != 0 ? 0 : UInt8(truncatingIfNeeded: word >> 8)
                    }
                    let now = numbers.next() >> (numbers.next() % 40)
                    StatusMemoryTests.writeAll(engine, now: now, "\(algorithm), round \(round)")
                }
            }
        }
    }

    /// Names that have lost their end, and a count of metrics that no table has.
    @Test func namesWithoutAnEnd() async {
        await #expect(processExitsWith: .success) {
            let world = World()
            let engine = StatusMemoryTests.make(world, .adaptive)
            for at in 0..<64 {
                farm_row_name(engine.pointee.farms[0].row)[at] = 0x66
                farm_member_row_name(engine.row(0))[at] = 0x6D
            }
            engine.pointee.tables.first.header.pointee.metric_count = .max
            let metrics = engine.pointee.tables.metricCount
            for metric in 0..<metrics {
                engine.pointee.values(farm: 0, local: 0)[metric] = SharedDouble.word(Double(metric))
                for at in 0..<40 {
                    farm_metric_row_name(engine.pointee.tables.first.metricName(metric))[at] =
                        CChar(at == 0 ? 0x61 + metric : 0x78)
                }
            }
            StatusMemoryTests.writeAll(engine, now: 1, "no ends")
            let farm = String(repeating: "f", count: 63)
            let member = String(repeating: "m", count: 63)
            precondition(
                engine.lines()["farm[\(farm)].member[\(member)].metric[a\(String(repeating: "x", count: 31))]"] != nil)
        }
    }

    /// Sketches of tied clients of any content: a number, or at least none that traps.
    @Test func sketchesOfAnyKind() async {
        await #expect(processExitsWith: .success) {
            let world = World()
            let engine = StatusMemoryTests.make(world, .adaptive)
            let tied = engine.pointee.tables.first.tied(engine.pointee.memberPlaces[0].index)
            for byte in [0x00, 0x01, 0x34, 0x35, 0x7F, 0xFF] as [UInt8] {
                for width in [0, 1, 900, .max] as [UInt32] {
                    memset(farm_tied_row_registers(tied), Int32(byte), Int(FARM_TIED_SPANS * FARM_TIED_REGISTERS))
                    tied.pointee.until = .max
                    tied.pointee.width = width
                    for span in 0..<Int(FARM_TIED_SPANS) {
                        farm_tied_row_ends(tied)[span] =
                            width == 0 ? .max : 1_790_000_000 / UInt64(width) + 1 + UInt64(span)
                    }
                    HostClock.$wall.withValue(1_790_000_000_000_000) {
                        StatusMemoryTests.writeAll(engine, now: 1, "byte \(byte), width \(width)")
                    }
                }
            }
        }
    }
}
