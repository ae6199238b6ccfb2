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
/// Rows never move. Every process has its own copy of this struct, inherited when it was forked; a block that was added
/// later is known to the processes that came later, which are the only ones that need it.
public struct Tables {
    /// Each restart can add one; the first is made large enough that few ever do.
    static let mostBlocks = 64

    public let granularity: LockGranularity
    let blocks: UnsafeMutableBufferPointer<Block>
    public private(set) var blockCount = 0

    public init(granularity: LockGranularity) {
        self.granularity = granularity
        blocks = .allocate(capacity: Self.mostBlocks)
    }

    /// For tests; httpd's tables live as long as its process. The shared memory itself belongs to the pool.
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
