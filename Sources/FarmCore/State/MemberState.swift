import CFarm

/// A member's row in shared memory. The pointer is valid for the life of the process: rows never move.
public typealias MemberRow = UnsafeMutablePointer<farm_member_row>

/// A farm's row in shared memory.
public typealias FarmRow = UnsafeMutablePointer<farm_farm_row>

/// What the administrator wants of a member. Raw values are those of the row.
public enum Admin: UInt32 {
    case on = 0
    /// Only requests already tied to it.
    case drain = 1
    /// Administratively offline.
    case off = 2

    public var name: StaticString {
        switch self {
        case .on: "on"
        case .drain: "drain"
        case .off: "off"
        }
    }
}

/// The two axes of a member's state that stand in one word of its row, so that a choice reads them with one load.
public struct MemberState: Equatable {
    public var word: UInt32

    public init(word: UInt32) { self.word = word }

    /// A value that no code writes (a torn row) reads as `off`: nothing is sent to a member whose state is unknown.
    public var admin: Admin { Admin(rawValue: word & FARM_ADMIN_MASK) ?? .off }
    public var isDownByFailures: Bool { word & FARM_DOWN_BY_FAILURES != 0 }
    /// Stays until a monitor says otherwise.
    public var isDownByMonitor: Bool { word & FARM_DOWN_BY_MONITOR != 0 }
    /// With `isDownByMonitor`: somebody set it by farm-manager.
    public var isDownByManager: Bool { word & FARM_DOWN_BY_MANAGER != 0 }
    /// With `isDownByFailures`: it stood out from its farm (`Outliers`).
    public var isOutlier: Bool { word & FARM_DOWN_AS_OUTLIER != 0 }
    public var isUp: Bool { !isDownByFailures && !isDownByMonitor }
    /// Down by failures alone, and wanted: a request may try it.
    public var mayBeTried: Bool { word & ~FARM_DOWN_AS_OUTLIER == FARM_ADMIN_ON | FARM_DOWN_BY_FAILURES }
    /// Down by failures alone, and on or draining: a request that is tied to it may try it.
    public var mayBeTriedByTied: Bool { MemberState(word: word & ~FARM_ADMIN_DRAIN).mayBeTried }
    /// Admin is `on` and health is `up`.
    public var isAvailable: Bool { word == FARM_ADMIN_ON }
    /// Admin is `on` or `drain`, and health is `up`: it serves those who are tied to it.
    public var servesTied: Bool { word & ~FARM_ADMIN_DRAIN == FARM_ADMIN_ON }

    public func with(admin: Admin) -> MemberState {
        MemberState(word: (word & ~FARM_ADMIN_MASK) | admin.rawValue)
    }

    public func with(downByFailures: Bool) -> MemberState {
        MemberState(
            word: downByFailures ? word | FARM_DOWN_BY_FAILURES : word & ~(FARM_DOWN_BY_FAILURES | FARM_DOWN_AS_OUTLIER)
        )
    }

    /// Down by failures, because it stands out from its farm.
    public var asOutlier: MemberState { MemberState(word: word | FARM_DOWN_BY_FAILURES | FARM_DOWN_AS_OUTLIER) }

    public func with(downByMonitor: Bool, byManager: Bool = false) -> MemberState {
        let without = word & ~(FARM_DOWN_BY_MONITOR | FARM_DOWN_BY_MANAGER)
        guard downByMonitor else { return MemberState(word: without) }
        return MemberState(word: without | FARM_DOWN_BY_MONITOR | (byManager ? FARM_DOWN_BY_MANAGER : 0))
    }
}

extension UnsafeMutablePointer where Pointee == farm_member_row {
    /// Any thread of any process, without a lock.
    @inline(__always)
    public var state: MemberState { MemberState(word: farm_read32(&self.pointee.status)) }

    /// Holder of the row's lock only.
    @inline(__always)
    public func publish(_ state: MemberState) { farm_publish32(&self.pointee.status, state.word) }
}
