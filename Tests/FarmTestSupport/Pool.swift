import CAPR
import Foundation

/// A pool of APR's, with what a test makes in it: shared memory and locks of the mechanism that needs no files.
public final class Pool {
    public let handle: OpaquePointer

    private static let started: Void = { _ = apr_initialize() }()

    public init() {
        Self.started
        var pool: OpaquePointer?
        let status = apr_pool_create_ex(&pool, nil, nil, nil)
        precondition(status == 0, "APR gives no pool")
        handle = pool!
    }

    deinit { apr_pool_destroy(handle) }

    public func locks(_ count: Int) -> [OpaquePointer] {
        (0..<count).map { _ in
            var lock: OpaquePointer?
            let status = apr_global_mutex_create(&lock, nil, APR_LOCK_PROC_PTHREAD, handle)
            precondition(status == 0, "APR gives no lock")
            return lock!
        }
    }
}
