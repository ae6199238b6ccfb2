import CFarm
import CFarmABI
import CKills
import FarmCore
import FarmTestSupport
import Foundation

@testable import FarmTables

/// What a process does while it is killed: each kind takes a lock, or writes what no lock guards.
enum Kind: Int, CaseIterable {
    case memberNote, farmNote, update, newName, failure, trial, request

    /// In the victim, between the marks.
    func run(_ engine: UnsafeMutablePointer<Engine>, _ round: Int) {
        switch self {
        case .memberNote: manage(engine, Note.text(writer: 0, round, member: "m"))
        case .farmNote: manage(engine, Note.text(writer: 0, round, member: nil))
        case .update: push(engine, "farm=f&member=m&cpu=\(round)&health=\(round % 2 == 0 ? "up" : "down")")
        case .newName: push(engine, "farm=f&member=n&name\(round)=\(round)")
        case .failure: serve(engine, round, fails: true)
        case .trial: serve(engine, round, fails: false)
        case .request: serve(engine, round, fails: round % 2 == 0)
        }
    }

    /// What is half done of these is nothing that a lock guards, so the marks are set by hand.
    var isUnlocked: Bool { self == .request }

    /// What must be so before it, so that a lock is taken at all: a member that is up to fall, or one that is down and due.
    func prepare(_ engine: UnsafeMutablePointer<Engine>) {
        guard self == .failure || self == .trial || self == .request else { return }
        manage(engine, "farm=f&admin=on&by=preparer")
        for local in 0..<engine.pointee.farms[0].members.count {
            _ = engine.pointee.write(farm: 0, local: local) { row in
                let isDown = self == .trial
                let state = MemberState(word: 0).with(downByFailures: isDown)
                farm_set32(&row.pointee.fails, isDown ? 1 : 0)
                farm_set32(&row.pointee.failing, isDown ? 1 : 0)
                farm_set64(&row.pointee.retry_at, isDown ? 1 : 0)
                // As if the last trial had begun long ago.
                farm_set64(&row.pointee.tried_at, 0)
                farm_member_row_note(row).set(.plain(since: 1)) { row.publish(state) }
            }
        }
        engine.pointee.farm(0).pointee.changed()
    }
}

/// Notes of which who and why belong together, so that a torn one shows.
enum Note {
    static func text(writer: Int, _ round: Int, member: String?) -> String {
        let target = member.map { "&member=\($0)" } ?? ""
        let until = hasEnd(round) ? "&until=2d" : ""
        // The texts of two rounds have different lengths: half of a longer one would stay behind a shorter one.
        let admin = ["on", "drain", "off"][round % 3]
        let weight = member == nil ? "" : "&weight=\(1 + round % 1000)"
        return "farm=f\(target)&admin=\(admin)&by=\(by(writer, round))&reason=\(reason(writer, round))\(until)\(weight)"
    }

    /// `on` has none.
    private static func hasEnd(_ round: Int) -> Bool { round % 2 == 0 && round % 3 != 0 }

    private static func by(_ writer: Int, _ round: Int) -> String {
        String(repeating: "w\(writer)", count: 1 + round % 20) + "-\(round)"
    }

    private static func reason(_ writer: Int, _ round: Int) -> String {
        String(repeating: "r", count: 150 - 7 * (round % 20)) + "-" + by(writer, round).suffix(20)
    }

    /// Whether such a note has been written by somebody, or is nobody's. `preparer` gives no reason.
    static func isOne(_ note: AdminNote) -> Bool {
        let by = String(cString: farm_note_by(note))
        let reason = String(cString: farm_note_reason(note))
        if by.isEmpty || by == "preparer" { return reason.isEmpty && note.pointee.until_us == 0 }
        guard by.first == "w", let writer = by.dropFirst().first?.wholeNumberValue,
            let round = by.split(separator: "-").last.flatMap({ Int($0) })
        else { return false }
        return by == Self.by(writer, round) && reason == Self.reason(writer, round)
            && (note.pointee.until_us != 0) == hasEnd(round)
    }
}

func manage(_ engine: UnsafeMutablePointer<Engine>, _ text: String) {
    var bytes = Array(text.utf8)
    let output = Output()
    let made = bytes.withUnsafeMutableBufferPointer {
        engine.pointee.manage(
            $0, by: Engine.Asker(name: UnsafeBufferPointer(start: nil, count: 0), nonce: nil), out: output.handle)
    }
    if !made { fail("a change was refused: \(output.text)") }
}

func push(_ engine: UnsafeMutablePointer<Engine>, _ text: String) {
    var bytes = Array(text.utf8)
    let output = Output()
    bytes.withUnsafeMutableBufferPointer { engine.pointee.update($0, caller: nil, out: output.handle) }
    if output.status != 200 { fail("an update was refused: \(output.text)") }
}

/// One request from its choice to its end, if a member will do.
func serve(_ engine: UnsafeMutablePointer<Engine>, _ round: Int, fails: Bool) {
    guard var request = chosen(engine) else { return }
    if !fails { _ = engine.answered(&request, status: 200, mayResend: true, now: CFarmABI.farm_host_clock()) }
    _ = engine.end(
        &request, saw: fails ? .unreachable : [.answer, .sent], mayResend: true, bytesIn: 1, bytesOut: 1)
}

func chosen(_ engine: UnsafeMutablePointer<Engine>) -> farm_request? {
    var request = farm_request()
    request.flags = FARM_REQUEST_IDEMPOTENT | FARM_REQUEST_BODY_READY
    return engine.choose(&request, now: CFarmABI.farm_host_clock()) ? request : nil
}
