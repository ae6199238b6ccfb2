import CFarm
import CKills
import FarmCore
import Foundation

@testable import FarmTables

/// Ends the program, in whatever process: what the module must never do has happened, or the program is wrong.
func fail(_ what: String) -> Never {
    FileHandle.standardError.write(Data("BROKEN: \(what)\n".utf8))
    _exit(1)
}

/// What is looked at of the farm's rows, by its survivors.
struct Checks {
    let tables: UnsafeMutablePointer<Tables>
    let engine: UnsafeMutablePointer<Engine>
    /// Names of metrics are these, in any order, and `cpu`.
    let isName: (String) -> Bool

    private var farmRow: FarmRow { engine.pointee.farms[0].row }
    private var members: [MemberRow] {
        (0..<engine.pointee.farms[0].members.count).map { engine.pointee.members[$0].row }
    }

    /// Rows in which somebody is writing, or has died at it.
    var halfWritten: Int {
        members.filter { farm_get32(&$0.pointee.sequence) & 1 != 0 }.count
            + Int(farm_get32(&farmRow.pointee.sequence) & 1)
    }

    /// Those among them whose note is half changed.
    var halfNotes: Int {
        members.filter { farm_get32(&$0.pointee.note.writing) != 0 }.count
            + (farm_get32(&farmRow.pointee.note.writing) != 0 ? 1 : 0)
    }

    /// Members whose row and ledger do not say the same: some process is between its two writes.
    var halfCounted: Int {
        let block = tables.pointee.first
        return (0..<Int(block.layout.members)).filter { member in
            var sum: UInt32 = 0
            for slot in 0..<Int(block.layout.slots) { sum &+= farm_get32(block.cell(slot: slot, member: member)) }
            return farm_get32(&block.member(member).pointee.inflight) != sum
        }.count
    }

    /// What any reader may see at any time, also of a row that its writer has left half done.
    func look() {
        RowWriting.withCopy(farm_row_note(farmRow), &farmRow.pointee.sequence) {
            if let note = $0, !Note.isOne(note) {
                fail("a torn note of the farm: \(String(cString: farm_note_by(note)))")
            }
        }
        for row in members {
            RowWriting.withCopy(farm_member_row_note(row), &row.pointee.sequence) {
                if let note = $0, !Note.isOne(note) {
                    fail("a torn note of a member: \(String(cString: farm_note_by(note)))")
                }
            }
            let weight = farm_get32(&row.pointee.weight)
            if weight < 1 || weight > 1000 { fail("a weight that nobody wrote: \(weight)") }
            let word = farm_get32(&row.pointee.status)
            let known = FARM_ADMIN_MASK | FARM_DOWN_BY_FAILURES | FARM_DOWN_BY_MONITOR | FARM_DOWN_AS_OUTLIER
            if word & ~known != 0 || Admin(rawValue: word & FARM_ADMIN_MASK) == nil {
                fail("a status that nobody wrote: \(word)")
            }
            let load = SharedDouble.value(farm_get64(&row.pointee.load))
            if load < 0 || load.isInfinite { fail("a load that nobody reported: \(load)") }
        }
        for number in 0..<tables.pointee.metricCount {
            let name = String(cString: farm_metric_row_name(tables.pointee.first.metricName(number)))
            if !isName(name) { fail("a name that nobody pushed: \(name)") }
        }
    }

    /// After a write by somebody who lives, or the parent's look: nothing of a dead writer is left.
    func checkRepaired() {
        if halfWritten != 0 { fail("\(halfWritten) rows are marked as being written, and nobody writes") }
        if halfNotes != 0 { fail("\(halfNotes) notes are marked as being changed, and nobody changes them") }
        for row in members {
            let state = row.state
            let due = farm_get64(&row.pointee.retry_at)
            if state.isDownByFailures && due == 0 { fail("down by failures, and nobody will ever try it") }
            if farm_get32(&row.pointee.fails) > 1_000_000 { fail("failures without number") }
        }
    }

    /// When nobody serves: no place is taken, by the rows and by the ledger.
    func checkNothingInFlight() {
        for row in members {
            let count = Int32(bitPattern: farm_get32(&row.pointee.inflight))
            if count != 0 { fail("\(count) requests in flight at a member, and nobody serves") }
        }
        for block in tables.pointee.known {
            for slot in 0..<Int(block.layout.slots) {
                for member in 0..<Int(block.layout.members)
                where farm_get32(block.cell(slot: slot, member: member)) != 0 {
                    fail("a cell of the ledger is left")
                }
            }
        }
    }
}
