import CAPR
import CFarm
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
        let sequence = farm_get32(&row.pointee.sequence)
        if sequence & 1 != 0 {
            Log.repaired(row, deadWriter: farm_get32(&row.pointee.writer))
            repair(row)
        }
        farm_set32(&row.pointee.writer, pid)
        farm_set32(&row.pointee.sequence, sequence | 1)
        farm_fence()
        let result = body()
        farm_publish32(&row.pointee.sequence, (sequence | 1) &+ 1)
        _ = apr_global_mutex_unlock(lock)
        return result
    }

    /// Makes every field under the lock a value that some writer could have left: what was half done is undone in the
    /// member's favour, and the next failure or trial decides anew.
    static func repair(_ row: MemberRow) {
        let state = row.state
        let admin =
            Admin(rawValue: state.word & FARM_ADMIN_MASK)
            ?? Admin(rawValue: row.pointee.configured_admin) ?? .off
        let down = state.isDownByFailures && farm_get64(&row.pointee.retry_at) != 0
        row.publish(
            MemberState(word: 0).with(admin: admin).with(downByFailures: down).with(
                downByMonitor: state.isDownByMonitor && Admin(rawValue: state.word & FARM_ADMIN_MASK) != nil))
        if !down {
            farm_set32(&row.pointee.fails, 0)
            farm_set64(&row.pointee.retry_at, 0)
        }
        row.pointee.failed_trials = min(row.pointee.failed_trials, 4)
        let weight = farm_get32(&row.pointee.weight)
        if weight < 1 || weight > 1000 {
            farm_set32(&row.pointee.weight, max(1, min(1000, row.pointee.configured_weight)))
        }
    }
}
