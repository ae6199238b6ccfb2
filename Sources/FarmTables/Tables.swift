import CAPR
import CFarm
import FarmCore

/// How fine the locks are: FarmLocks. Raw values are those of the C interface.
public enum LockGranularity: UInt32 {
    case row = 0
    case farm = 1
    case engine = 2

    public var name: StaticString {
        switch self {
        case .row: "row"
        case .farm: "farm"
        case .engine: "engine"
        }
    }

    /// How many locks a block with these rows wants.
    public func lockCount(farms: UInt32, members: UInt32) -> UInt32 {
        switch self {
        // And one for the names of metrics.
        case .row: members == .max ? members : members + 1
        case .farm: farms == .max ? farms : farms + 1
        case .engine: 1
        }
    }
}

/// The tables of one httpd instance: blocks of shared memory that are made by the parent and live as long as it does.
/// Rows never move. The blocks are kept over configurations, but not this struct: each configuration opens them anew, since
/// the code may be another by then. Every process has its own copy of it, inherited when it was forked; a block that was
/// added later is known to the processes that came later, which are the only ones that need it.
public struct Tables {
    /// As many as the number of a farm's row can tell apart. Each block is at least a quarter of all before it (`wanted`), so
    /// that the rows become too many long before the blocks do.
    static let mostBlocks = 256

    public let granularity: LockGranularity
    let blocks: UnsafeMutableBufferPointer<Block>
    public private(set) var blockCount = 0

    public init(granularity: LockGranularity) {
        self.granularity = granularity
        blocks = .allocate(capacity: Self.mostBlocks)
    }

    /// Frees what this process knows of the tables. The shared memory and the locks belong to the pool.
    public func deallocate() {
        for block in known { block.locks.deallocate() }
        blocks.deallocate()
    }

    var known: UnsafeMutableBufferPointer<Block>.SubSequence { blocks[0..<blockCount] }

    public var first: Block { blocks[0] }

    /// Adds a block; APR's status. The parent, before it forks.
    public mutating func grow(
        _ layout: BlockLayout, pool: OpaquePointer, locks: UnsafePointer<OpaquePointer>,
        lockCount: UInt32
    ) -> apr_status_t {
        guard layout.isSound else { return apr_status_t(CAPR.APR_EINVAL) }
        guard blockCount < Self.mostBlocks else { return apr_status_t(CAPR.APR_ENOMEM) }
        let copy = UnsafeMutableBufferPointer<OpaquePointer>.allocate(capacity: Int(lockCount))
        for at in 0..<Int(lockCount) { copy.initializeElement(at: at, to: locks[at]) }
        let (block, status) = Block.create(layout, number: UInt32(blockCount), pool: pool, locks: copy)
        guard let block else {
            copy.deallocate()
            return status
        }
        blocks.initializeElement(at: blockCount, to: block)
        blockCount += 1
        return 0
    }

    /// Takes a block that exists, the next in order; false when it is not of this layout. The parent, when it opens the
    /// tables for a configuration.
    public mutating func adopt(_ base: UnsafeMutableRawPointer, locks: UnsafeBufferPointer<OpaquePointer>) -> Bool {
        guard blockCount < Self.mostBlocks else { return false }
        let copy = UnsafeMutableBufferPointer<OpaquePointer>.allocate(capacity: locks.count)
        _ = copy.initialize(fromContentsOf: locks)
        guard let block = Block.adopt(base, locks: copy), block.header.pointee.block_number == UInt32(blockCount),
            granularity.lockCount(farms: block.layout.farms, members: block.layout.members) == UInt32(locks.count)
        else {
            copy.deallocate()
            return false
        }
        blocks.initializeElement(at: blockCount, to: block)
        blockCount += 1
        return true
    }

    /// Where the shared memory of a block begins; nil past the last.
    public func base(_ block: UInt32) -> UnsafeMutableRawPointer? {
        Int(block) < blockCount ? blocks[Int(block)].base : nil
    }

    /// How large a block should be that is added for rows that are missing: with room for a quarter more, and at least a
    /// quarter of what there is, so that a server whose names change at each restart has few blocks and not one for each.
    public func wanted(missing: (farms: UInt32, members: UInt32)) -> (farms: UInt32, members: UInt32) {
        var farms: UInt32 = 0
        var members: UInt32 = 0
        for block in known {
            farms += block.layout.farms
            members += block.layout.members
        }
        return (
            max(missing.farms + (missing.farms + 3) / 4, farms / 4, 4),
            max(missing.members + (missing.members + 3) / 4, members / 4, 16)
        )
    }

    /// How many processes of earlier versions of the module live; the parent writes it, the status shows it.
    public var oldProcesses: UInt32 {
        get { farm_get32(&first.header.pointee.old_processes) }
        nonmutating set { farm_set32(&first.header.pointee.old_processes, newValue) }
    }

    /// Where a row is.
    public struct Place: Equatable {
        public var block: Int
        public var index: Int
    }

    public func member(_ place: Place) -> MemberRow { blocks[place.block].member(place.index) }
    public func farm(_ place: Place) -> FarmRow { blocks[place.block].farm(place.index) }

    public func values(_ place: Place) -> UnsafeMutablePointer<UInt64> { blocks[place.block].values(place.index) }

    func history(farm place: Place) -> History { blocks[place.block].history(farm: place.index) }
    func history(member place: Place) -> History { blocks[place.block].history(member: place.index) }

    func clients(_ place: Place) -> TiedClients { TiedClients(blocks[place.block].tied(place.index)) }

    /// The lock over the names of metrics, and with FarmLocks row over what the administrator wants of whole farms. With
    /// FarmLocks engine it is the one of all rows: never take both.
    var metricNamesLock: OpaquePointer { first.locks[first.locks.count - 1] }

    /// The farm that a member's row belongs to, by the number it keeps (`number(of:)`).
    func farm(number: UInt32) -> FarmRow? { place(farm: number).map { farm($0) } }

    /// Where the row of a farm is, by the same number.
    func place(farm number: UInt32) -> Place? {
        let place = Place(block: Int(number >> 24), index: Int(number & 0xFF_FFFF))
        guard place.block < blockCount, place.index < Int(blocks[place.block].layout.farms) else { return nil }
        return place
    }

    /// The lock over what the administrator wants of a farm as a whole.
    func lock(farm: Place) -> OpaquePointer {
        switch granularity {
        case .row: metricNamesLock
        case .farm: blocks[farm.block].locks[farm.index]
        case .engine: blocks[0].locks[0]
        }
    }

    /// The lock over a member's row.
    func lock(member: Place, farm: Place) -> OpaquePointer {
        switch granularity {
        case .row: blocks[member.block].locks[member.index]
        case .farm: blocks[farm.block].locks[farm.index]
        case .engine: blocks[0].locks[0]
        }
    }
}
