import CAPR
import CFarmABI

/// Taking a lock of the tables.
enum Locking {
    /// How often the parent tries, a millisecond apart: far longer than a live process has a lock.
    static let parentTries = 50

    /// Takes a lock; false when it cannot be had. A child waits for it: whoever has it writes one row, and has it for
    /// microseconds. The parent does not wait for ever, since some mechanisms (`Mutex posixsem`) keep the lock of a process
    /// that has died, and then nobody would start children or end.
    static func take(_ lock: OpaquePointer, isParent: Bool) -> Bool {
        guard isParent else { return apr_global_mutex_lock(lock) == 0 }
        for attempt in 0..<parentTries {
            if attempt > 0 { farm_host_pause(1000) }
            if apr_global_mutex_trylock(lock) == 0 { return true }
        }
        return false
    }
}
