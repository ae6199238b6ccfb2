import CAPR
import CFarm
import FarmCore

/// How many rows of each kind a block has, and where they stand in it. docs/table-layout.md draws it.
public struct BlockLayout: Equatable {
    public let farms: UInt32
    public let members: UInt32
    public let slots: UInt32
    /// Values of each member; in the first block also names.
    public let metrics: UInt32

    public init(farms: UInt32, members: UInt32, slots: UInt32, metrics: UInt32) {
        self.farms = farms
        self.members = members
        self.slots = slots
        self.metrics = metrics
    }

    /// Whether a block of this size can be addressed; far above what the directives allow.
    var isSound: Bool { farms <= 1 << 16 && members <= 1 << 20 && slots <= 1 << 16 && metrics <= 1 << 12 }

    var farmsOffset: Int { MemoryLayout<farm_block_header>.stride }
    var membersOffset: Int { farmsOffset + Int(farms) * MemoryLayout<farm_farm_row>.stride }
    var valuesOffset: Int { membersOffset + Int(members) * MemoryLayout<farm_member_row>.stride }
    var namesOffset: Int { valuesOffset + Int(members) * valuesStride * MemoryLayout<UInt64>.stride }
    var nameIndexOffset: Int { namesOffset + Int(metrics) * MemoryLayout<farm_metric_row>.stride }
    var slotsOffset: Int { nameIndexOffset + nameIndexSize * MemoryLayout<UInt32>.stride }
    var ledgerOffset: Int { slotsOffset + Int(slots) * MemoryLayout<farm_slot_row>.stride }
    var historyOffset: Int { (ledgerOffset + Int(slots) * ledgerStride * MemoryLayout<UInt32>.stride + 63) & ~63 }
    /// Last: most of it is memory that is never touched.
    var tiedOffset: Int { historyOffset + (Int(farms) + Int(members)) * MemoryLayout<farm_history_row>.stride }

    /// Cells from one process's part of the ledger to the next one's: whole cache lines, so that two processes never
    /// write the same one.
    public var ledgerStride: Int { (Int(members) + 15) & ~15 }

    /// Values from one member to the next: whole cache lines.
    var valuesStride: Int { (Int(metrics) + 7) & ~7 }

    /// Words of the index of names: a power of two, at most half full.
    var nameIndexSize: Int {
        var size = 16
        while size < 2 * Int(metrics) { size *= 2 }
        return size
    }

    public var size: Int { tiedOffset + Int(members) * MemoryLayout<farm_tied_row>.stride }
}

/// A piece of shared memory with rows, and the locks over them. Anonymous memory: it is inherited by the children and
/// goes with the last process, so that a full stop leaves nothing behind.
public struct Block {
    let base: UnsafeMutableRawPointer
    public let layout: BlockLayout
    /// apr_global_mutex_t pointers; as many as the granularity asks for.
    let locks: UnsafeMutableBufferPointer<OpaquePointer>

    /// Makes a block in `pool`. On failure, APR's status.
    static func create(
        _ layout: BlockLayout, number: UInt32, pool: OpaquePointer, locks: UnsafeMutableBufferPointer<OpaquePointer>
    )
        -> (Block?, apr_status_t)
    {
        var shared: OpaquePointer?
        // Anonymous memory is zero, and stays out of memory until it is used. Room to begin on a cache line, wherever
        // the mapping begins.
        let status = apr_shm_create(&shared, apr_size_t(layout.size + Int(FARM_LINE)), nil, pool)
        guard status == 0, let shared, let start = apr_shm_baseaddr_get(shared) else { return (nil, status) }
        let aligned = (Int(bitPattern: start) + Int(FARM_LINE) - 1) & ~(Int(FARM_LINE) - 1)
        guard let base = UnsafeMutableRawPointer(bitPattern: aligned) else { return (nil, status) }
        let block = Block(base: base, layout: layout, locks: locks)
        block.header.pointee = farm_block_header()
        block.header.pointee.major = UInt32(FARM_TABLE_MAJOR)
        block.header.pointee.minor = UInt32(FARM_TABLE_MINOR)
        block.header.pointee.size = UInt64(layout.size)
        block.header.pointee.farm_capacity = layout.farms
        block.header.pointee.member_capacity = layout.members
        block.header.pointee.slot_capacity = layout.slots
        block.header.pointee.metric_capacity = layout.metrics
        block.header.pointee.block_number = number
        farm_publish64(&block.header.pointee.magic, UInt64(FARM_TABLE_MAGIC))
        return (block, 0)
    }

    /// A block that exists, as it was made; nil when this code may not touch it.
    static func adopt(_ base: UnsafeMutableRawPointer, locks: UnsafeMutableBufferPointer<OpaquePointer>) -> Block? {
        let header = base.assumingMemoryBound(to: farm_block_header.self).pointee
        guard header.magic == UInt64(FARM_TABLE_MAGIC), header.major == UInt32(FARM_TABLE_MAJOR) else { return nil }
        let layout = BlockLayout(
            farms: header.farm_capacity, members: header.member_capacity, slots: header.slot_capacity,
            metrics: header.metric_capacity)
        let block = Block(base: base, layout: layout, locks: locks)
        return layout.isSound && block.isOurs ? block : nil
    }

    public var header: UnsafeMutablePointer<farm_block_header> { base.assumingMemoryBound(to: farm_block_header.self) }

    /// Whether this code may touch the block: made by the same layout.
    var isOurs: Bool {
        farm_read64(&header.pointee.magic) == UInt64(FARM_TABLE_MAGIC)
            && header.pointee.major == UInt32(FARM_TABLE_MAJOR) && header.pointee.size == UInt64(layout.size)
    }

    func farm(_ index: Int) -> FarmRow {
        (base + layout.farmsOffset).assumingMemoryBound(to: farm_farm_row.self) + index
    }

    func member(_ index: Int) -> MemberRow {
        (base + layout.membersOffset).assumingMemoryBound(to: farm_member_row.self) + index
    }

    /// The values of a member's metrics, by the metric's number.
    func values(_ member: Int) -> UnsafeMutablePointer<UInt64> {
        (base + layout.valuesOffset).assumingMemoryBound(to: UInt64.self) + member * layout.valuesStride
    }

    func metricName(_ index: Int) -> UnsafeMutablePointer<farm_metric_row> {
        (base + layout.namesOffset).assumingMemoryBound(to: farm_metric_row.self) + index
    }

    /// Numbers of metrics and 1, by the hash of their names; 0: none.
    var nameIndex: UnsafeMutablePointer<UInt32> {
        (base + layout.nameIndexOffset).assumingMemoryBound(to: UInt32.self)
    }

    func slot(_ index: Int) -> UnsafeMutablePointer<farm_slot_row> {
        (base + layout.slotsOffset).assumingMemoryBound(to: farm_slot_row.self) + index
    }

    /// How a farm stood in the last minutes.
    func history(farm: Int) -> History { History(histories + farm) }

    /// How a member stood in the last minutes.
    func history(member: Int) -> History { History(histories + Int(layout.farms) + member) }

    private var histories: UnsafeMutablePointer<farm_history_row> {
        (base + layout.historyOffset).assumingMemoryBound(to: farm_history_row.self)
    }

    /// Who is tied to a member.
    func tied(_ member: Int) -> UnsafeMutablePointer<farm_tied_row> {
        (base + layout.tiedOffset).assumingMemoryBound(to: farm_tied_row.self) + member
    }

    /// A process's cell of the ledger for a member.
    func cell(slot: Int, member: Int) -> UnsafeMutablePointer<UInt32> {
        (base + layout.ledgerOffset).assumingMemoryBound(to: UInt32.self) + slot * layout.ledgerStride + member
    }
}
