import CAPR
import CFarm
import CFarmABI
import FarmCore

/// Writing a row: takes the lock, marks the row as being written, and repairs it first when its last writer died at it.
///
/// APR frees the lock of a dead owner but does not say so. Each row therefore carries its own mark: an odd sequence
/// number and the writer's pid, set after the lock was taken and cleared before it is released.
enum RowWriting {
    /// Runs `body` with the row's lock held; nil when the lock could not be taken, and then nothing was done.
    static func write<Result>(_ row: MemberRow, lock: OpaquePointer, pid: UInt32, _ body: () -> Result) -> Result? {
        guard apr_global_mutex_lock(lock) == 0 else {
            Log.lockFailed(row)
            return nil
        }
        if farm_get32(&row.pointee.sequence) & 1 != 0 { repairDead(row) }
        let result = marked(&row.pointee.sequence, &row.pointee.writer, pid, body)
        _ = apr_global_mutex_unlock(lock)
        return result
    }

    /// The same for a farm's row.
    static func write<Result>(_ row: FarmRow, lock: OpaquePointer, pid: UInt32, _ body: () -> Result) -> Result? {
        guard apr_global_mutex_lock(lock) == 0 else {
            Log.lockFailed(row)
            return nil
        }
        if farm_get32(&row.pointee.sequence) & 1 != 0 { repairDead(row) }
        let result = marked(&row.pointee.sequence, &row.pointee.writer, pid, body)
        _ = apr_global_mutex_unlock(lock)
        return result
    }

    private static func marked<Result>(
        _ sequence: UnsafeMutablePointer<UInt32>, _ writer: UnsafeMutablePointer<UInt32>, _ pid: UInt32,
        _ body: () -> Result
    ) -> Result {
        let before = farm_get32(sequence)
        farm_set32(writer, pid)
        farm_set32(sequence, before | 1)
        farm_fence()
        let result = body()
        farm_publish32(sequence, (before | 1) &+ 1)
        return result
    }

    /// Repairs a row that a dead writer has left marked, if nobody has its lock: who has it, repairs it. The parent, after a
    /// process has died. Whose mark it is, is not asked: who died while repairing has not put its own there yet.
    static func repairLeft(_ row: MemberRow, lock: OpaquePointer) {
        repairLeft(&row.pointee.sequence, &row.pointee.writer, lock) { repairDead(row) }
    }

    /// The same for a farm's row.
    static func repairLeft(_ row: FarmRow, lock: OpaquePointer) {
        repairLeft(&row.pointee.sequence, &row.pointee.writer, lock) { repairDead(row) }
    }

    private static func repairLeft(
        _ sequence: UnsafeMutablePointer<UInt32>, _ writer: UnsafeMutablePointer<UInt32>, _ lock: OpaquePointer,
        _ repair: () -> Void
    ) {
        guard farm_get32(sequence) & 1 != 0, apr_global_mutex_trylock(lock) == 0 else { return }
        if farm_get32(sequence) & 1 != 0 {
            repair()
            marked(sequence, writer, 0) {}
        }
        _ = apr_global_mutex_unlock(lock)
    }

    private static func repairDead(_ row: MemberRow) {
        Log.repaired(row, deadWriter: farm_get32(&row.pointee.writer))
        repair(row)
    }

    private static func repairDead(_ row: FarmRow) {
        Log.repaired(row, deadWriter: farm_get32(&row.pointee.writer))
        farm_row_note(row).repair()
    }

    /// Reads fields that belong together: again and again while somebody is writing them, but not for ever, for a writer
    /// may have died. One that lives may have lost its processor in the middle: it gets time to go on, about 50 ms in all.
    /// False: what was read last is not of one moment, and is not to be believed.
    static func read(_ sequence: UnsafeMutablePointer<UInt32>, _ body: () -> Void) -> Bool {
        for attempt in 0..<200 {
            if attempt >= 100 { farm_host_pause(500) }
            let before = farm_read32(sequence)
            body()
            farm_fence()
            if before & 1 == 0 && farm_get32(sequence) == before { return true }
        }
        return false
    }

    /// A copy of a note that is one note, and what `also` reads of the same moment; nil when there is none to be had now,
    /// and then each word that `also` has read stands alone.
    static func withCopy(
        _ note: AdminNote, _ sequence: UnsafeMutablePointer<UInt32>, also: () -> Void = {},
        _ body: (AdminNote?) -> Void
    ) {
        withUnsafeTemporaryAllocation(of: farm_admin_note.self, capacity: 1) { room in
            let copy = room.baseAddress!
            copy.initialize(to: farm_admin_note())
            let isOne = read(sequence) {
                note.copy(to: copy)
                also()
            }
            body(isOne && isWhole(copy) ? copy : nil)
        }
    }

    /// Whether a copy is of a note that nobody was changing: the parent changes one without a mark where it cannot have the lock.
    static func isWhole(_ copy: AdminNote) -> Bool { copy.pointee.writing == 0 }

    /// Makes every field under the lock a value that some writer could have left: what was half done is undone in the
    /// member's favour, and the next failure or trial decides anew.
    static func repair(_ row: MemberRow) {
        let state = row.state
        let admin =
            Admin(rawValue: state.word & FARM_ADMIN_MASK)
            ?? Admin(rawValue: row.pointee.configured_admin) ?? .off
        let down = state.isDownByFailures && farm_get64(&row.pointee.retry_at) != 0
        let repaired = MemberState(word: 0).with(admin: admin).with(downByFailures: down).with(
            downByMonitor: state.isDownByMonitor && Admin(rawValue: state.word & FARM_ADMIN_MASK) != nil)
        row.publish(down && state.isOutlier ? repaired.asOutlier : repaired)
        farm_member_row_note(row).repair()
        if !down {
            PassiveHealth.completed(row)
            farm_set64(&row.pointee.retry_at, 0)
        }
        row.pointee.failed_trials = min(row.pointee.failed_trials, 4)
        let weight = farm_get32(&row.pointee.weight)
        if weight < 1 || weight > 1000 {
            farm_set32(&row.pointee.weight, max(1, min(1000, row.pointee.configured_weight)))
        }
    }
}
