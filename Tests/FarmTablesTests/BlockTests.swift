import CAPR
import CFarm
import FarmCore
import FarmTestSupport
import Testing

@testable import FarmTables

@Suite struct BlockTests {
    /// What Swift makes of the header's structs is what C makes of them: the sizes and offsets asserted there.
    @Test func rowsAreTheHeaders() {
        #expect(MemoryLayout<farm_block_header>.size == 2 * 64)
        #expect(MemoryLayout<farm_block_header>.stride == 2 * 64)
        #expect(MemoryLayout<farm_farm_row>.size == 13 * 64)
        #expect(MemoryLayout<farm_farm_row>.stride == 13 * 64)
        #expect(MemoryLayout<farm_farm_row>.offset(of: \.generation) == 64)
        #expect(MemoryLayout<farm_farm_row>.offset(of: \.use) == 72)
        #expect(MemoryLayout<farm_farm_row>.offset(of: \.cursor) == 2 * 64)
        #expect(MemoryLayout<farm_member_row>.size == 22 * 64)
        #expect(MemoryLayout<farm_member_row>.stride == 22 * 64)
        #expect(MemoryLayout<farm_member_row>.offset(of: \.status) == 0)
        #expect(MemoryLayout<farm_member_row>.offset(of: \.retry_at) == 16)
        #expect(MemoryLayout<farm_member_row>.offset(of: \.sequence) == 48)
        #expect(MemoryLayout<farm_member_row>.offset(of: \.inflight) == 64)
        #expect(MemoryLayout<farm_member_row>.offset(of: \.latency) == 64 + 40)
        #expect(MemoryLayout<farm_member_row>.offset(of: \.latency_buckets) == 2 * 64)
        #expect(MemoryLayout<farm_member_row>.offset(of: \.name) == 13 * 64)
        #expect(MemoryLayout<farm_member_row>.offset(of: \.use) == 14 * 64)
        #expect(MemoryLayout<farm_member_row>.offset(of: \.updated_us) == 15 * 64)
        #expect(MemoryLayout<farm_member_row>.offset(of: \.tried_at) == 16 * 64)
        #expect(MemoryLayout<farm_member_row>.offset(of: \.note) == 17 * 64)
        #expect(MemoryLayout<farm_farm_row>.offset(of: \.suspects) == 3 * 64 + 240)
        #expect(MemoryLayout<farm_farm_row>.offset(of: \.note) == 8 * 64)
        #expect(MemoryLayout<farm_admin_note>.size == 5 * 64)
        #expect(MemoryLayout<farm_metric_row>.stride == 64)
        #expect(MemoryLayout<farm_slot_row>.size == 64)
        #expect(MemoryLayout<farm_slot_row>.stride == 64)
        #expect(MemoryLayout<farm_member_row>.alignment == 8)
    }

    @Test(
        arguments: [
            (4, 16, 8, 128 + 4 * 832, 16), (1, 1, 1, 128 + 832, 16), (0, 0, 0, 128, 0), (3, 17, 5, 128 + 3 * 832, 32),
            (16, 4096, 520, 128 + 16 * 832, 4096),
        ] as [(UInt32, UInt32, UInt32, Int, Int)], [(1, 8, 16), (8, 8, 16), (9, 16, 32), (1024, 1024, 2048)])
    func layout(
        _ of: (farms: UInt32, members: UInt32, slots: UInt32, membersAt: Int, stride: Int),
        metrics: (names: UInt32, values: Int, index: Int)
    ) {
        let (farms, members, slots, membersAt, stride) = of
        let layout = BlockLayout(farms: farms, members: members, slots: slots, metrics: metrics.names)
        #expect(layout.farmsOffset == 128)
        #expect(layout.membersOffset == membersAt)
        #expect(layout.valuesOffset == membersAt + Int(members) * 1408)
        #expect(layout.namesOffset == layout.valuesOffset + Int(members) * metrics.values * 8)
        #expect(layout.nameIndexOffset == layout.namesOffset + Int(metrics.names) * 64)
        #expect(layout.slotsOffset == layout.nameIndexOffset + metrics.index * 4)
        #expect(layout.ledgerOffset == layout.slotsOffset + Int(slots) * 64)
        #expect(layout.ledgerStride == stride)
        #expect(layout.historyOffset % 64 == 0)
        #expect((0..<64).contains(layout.historyOffset - layout.ledgerOffset - Int(slots) * stride * 4))
        #expect(layout.tiedOffset == layout.historyOffset + Int(farms + members) * 1024)
        #expect(layout.size == layout.tiedOffset + Int(members) * (128 + 8 * 4096))
    }

    /// Every part begins on a cache line, and no two processes write the same line of the ledger.
    @Test(arguments: 1...40) func everyPartBeginsALine(_ members: Int) {
        let layout = BlockLayout(farms: 3, members: UInt32(members), slots: 5, metrics: UInt32(members))
        for offset in [
            layout.farmsOffset, layout.membersOffset, layout.valuesOffset, layout.valuesStride * 8, layout.namesOffset,
            layout.nameIndexOffset, layout.slotsOffset, layout.ledgerOffset,
            layout.ledgerStride * 4, layout.size,
        ] {
            #expect(offset % Int(FARM_LINE) == 0)
        }
        #expect(layout.ledgerStride >= members)
    }

    @Test func aNewBlockIsZeroAndOurs() throws {
        let world = World(farms: 2, members: 5, slots: 3)
        let block = world.tables.pointee.first
        #expect(Int(bitPattern: block.base) % Int(FARM_LINE) == 0)
        #expect(block.isOurs)
        #expect(block.header.pointee.size == UInt64(block.layout.size))
        #expect(block.header.pointee.block_number == 0)
        #expect(
            (
                block.header.pointee.farm_capacity, block.header.pointee.member_capacity,
                block.header.pointee.slot_capacity, block.header.pointee.metric_capacity
            ) == (2, 5, 3, 16))
        let rest = UnsafeRawBufferPointer(start: block.base + 64, count: block.layout.size - 64)
        #expect(rest.allSatisfy { $0 == 0 })
    }

    @Test func anotherLayoutIsNotOurs() {
        let world = World()
        let block = world.tables.pointee.first
        block.header.pointee.major += 1
        #expect(!block.isOurs)
        block.header.pointee.major -= 1
        block.header.pointee.magic = 0
        #expect(!block.isOurs)
    }

    /// Rows, slots and cells neither overlap nor leave the block.
    @Test func rowsAreApart() {
        let world = World(farms: 3, members: 17, slots: 4)
        let block = world.tables.pointee.first
        var taken: [Range<UInt>] = []
        func take(_ start: UnsafeMutableRawPointer, _ size: Int) {
            taken.append(UInt(bitPattern: start)..<UInt(bitPattern: start) + UInt(size))
        }
        take(block.base, 64)
        for at in 0..<3 { take(block.farm(at), 192) }
        for at in 0..<17 { take(block.member(at), 1024) }
        for at in 0..<17 { take(block.values(at), block.layout.valuesStride * 8) }
        for at in 0..<16 { take(block.metricName(at), 64) }
        take(block.nameIndex, block.layout.nameIndexSize * 4)
        for at in 0..<4 { take(block.slot(at), 64) }
        for slot in 0..<4 { for member in 0..<17 { take(block.cell(slot: slot, member: member), 4) } }
        taken.sort { $0.lowerBound < $1.lowerBound }
        #expect(zip(taken, taken.dropFirst()).allSatisfy { $0.upperBound <= $1.lowerBound })
        #expect(taken.last!.upperBound <= UInt(bitPattern: block.base) + UInt(block.layout.size))
    }

    /// More than the machine has: APR's status, and nothing added.
    @Test func noMemoryIsAStatus() {
        let world = World(farms: 1, members: 1, slots: 1)
        var tables = world.tables.pointee
        let huge = BlockLayout(farms: 1, members: 1_000_000_000, slots: 100_000, metrics: 16)
        let status = tables.grow(huge, pool: world.pool.handle, locks: world.locks, lockCount: 1)
        #expect(status != 0)
        #expect(tables.blockCount == 1)
    }

    @Test func blocksAreLimited() {
        let world = World(farms: 1, members: 1, slots: 1, granularity: .engine)
        for _ in 1..<Tables.mostBlocks { #expect(world.grow(farms: 1, members: 1) == 0) }
        #expect(world.grow(farms: 1, members: 1) != 0)
        #expect(world.tables.pointee.blockCount == Tables.mostBlocks)
    }
}
