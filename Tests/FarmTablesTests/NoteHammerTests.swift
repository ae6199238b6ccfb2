import CFarm
import CFarmABI
import FarmCore
import FarmTestSupport
import Foundation
import Testing

@testable import FarmTables

/// Administrators who change their minds all the time, of a member and of its farm, while others read the status and serve.
@Suite struct NoteHammerTests {
    private static let writers = 3
    private static let readers = 3
    private static let rounds = 1_200

    /// Notes as status and state file show them must be ones that somebody wrote: who and why belong together, and so does
    /// until when. Each writer's texts are of another length, and hold the same number.
    private static func by(_ number: Int, _ round: Int) -> String {
        String(repeating: "w\(number)", count: 1 + number * 8) + "-\(round)"
    }
    private static func reason(_ number: Int, _ round: Int) -> String {
        String(repeating: "ä", count: 90 - number * 30) + "-\(by(number, round).suffix(8))"
    }
    private static func isOne(_ by: String?, _ reason: String?, _ until: String?) -> Bool {
        guard let by, let reason else { return by == nil && reason == nil && until == nil }
        guard
            let number = (0..<writers).first(where: {
                reason.hasPrefix(String(repeating: "ä", count: 90 - $0 * 30) + "-")
            })
        else { return false }
        guard let round = by.split(separator: "-").last.flatMap({ Int($0) }) else { return false }
        return by == Self.by(number, round) && reason == Self.reason(number, round)
            && (until != nil) == (round % 2 == 0)
    }

    /// What readers have found wrong.
    private final class Findings: @unchecked Sendable {
        private let lock = NSLock()
        private var kept: [String] = []
        private var seen: Set<String> = []
        var all: [String] { lock.withLock { kept } }
        var notes: Int { lock.withLock { seen.count } }
        func add(_ what: String) { lock.withLock { kept.append(what) } }
        func note(_ by: String) { lock.withLock { _ = seen.insert(by) } }
    }

    @Test(arguments: [LockGranularity.row, .farm, .engine]) func noTornText(_ granularity: LockGranularity) throws {
        let world = World(granularity: granularity)
        let engine = try world.child([farm("notes", "m", "n")], pid: 1)
        let shared = Shared(engine)
        let findings = Findings()
        onThreads(Self.writers + Self.readers + 1) { number in
            let engine = shared.value
            if number < Self.writers {
                for round in 0..<Self.rounds { Self.change(engine, number, round, findings) }
            } else if number < Self.writers + Self.readers {
                for _ in 0..<Self.rounds / 4 { Self.look(engine, findings) }
            } else {
                for round in 0..<Self.rounds * 2 {
                    guard var request = engine.chosen(now: UInt64(round)) else { continue }
                    _ = engine.answered(&request, status: 200, mayResend: true, now: UInt64(round))
                    _ = engine.end(
                        &request, saw: [.answer, .sent], mayResend: true, bytesIn: 1, bytesOut: 1, now: UInt64(round))
                }
            }
        }
        #expect(findings.all.isEmpty, "\(findings.all.count): \(findings.all.first ?? "")")
        #expect(findings.notes > 10, "readers and writers have met")
        #expect(world.ledgerTotal() == 0)
        #expect(engine.row(0).pointee.sequence % 2 == 0 && engine.pointee.farms[0].row.pointee.sequence % 2 == 0)
        #expect(engine.row(0).pointee.note.writing == 0)
    }

    private static func change(
        _ engine: UnsafeMutablePointer<Engine>, _ number: Int, _ round: Int, _ findings: Findings
    ) {
        let admin = ["off", "drain"][round % 2]
        let until = round % 2 == 0 ? "&until=2d" : ""
        let target = round % 3 == 0 ? "" : "&member=m"
        let text =
            "farm=notes\(target)&admin=\(admin)&by=\(by(number, round))&reason=\(reason(number, round))\(until)"
        let answer = ManagementTests.manage(engine, text, wall: UInt64(Date().timeIntervalSince1970 * 1_000_000))
        if answer.status != 200 { findings.add(answer.text) }
    }

    private static func look(_ engine: UnsafeMutablePointer<Engine>, _ findings: Findings) {
        let output = Output()
        engine.pointee.writeStatus(.json, controls: .none, to: output.handle)
        guard let status = try? JSONSerialization.jsonObject(with: Data(output.bytes)) as? [String: Any],
            let farm = (status["farms"] as? [[String: Any]])?.first,
            let member = (farm["members"] as? [[String: Any]])?.first
        else { return findings.add("no JSON: \(output.text)") }
        for row in [farm, member] {
            let (by, reason) = (row["admin_by"] as? String, row["admin_reason"] as? String)
            if !isOne(by, reason, row["admin_until"] as? String) {
                findings.add("\(by ?? "-") | \(reason ?? "-") | \(row["admin_until"] ?? "-")")
            }
            if let by { findings.note(by) }
        }
        let file = StateFileTests.write(engine)
        var copy = bytes(file)
        let fault = copy.withUnsafeMutableBufferPointer { text -> String? in
            let lines = text.split(separator: 0x0A).dropFirst()
            for line in lines {
                var line = Array(line)
                let isLine = line.withUnsafeMutableBufferPointer { line in
                    guard let record = StateRecord.read(line, number: { _ in 0 }) else { return false }
                    let (by, reason) = (
                        String(decoding: record.by, as: UTF8.self), String(decoding: record.reason, as: UTF8.self)
                    )
                    return by.isEmpty && reason.isEmpty || isOne(by, reason, record.until == 0 ? nil : "")
                }
                if !isLine { return String(decoding: line, as: UTF8.self) }
            }
            return nil
        }
        if let fault { findings.add("state file: \(fault)") }
    }
}
