import CAPR
import CFarm
import CFarmABI
import FarmCore
import FarmTestSupport
import Testing

@testable import FarmTables

@Suite struct RowWritingTests {
    @Test func aWriteIsMarkedAndUnmarked() throws {
        let world = World()
        let row = try #require(world.configure([farm("f", "a")])).row(0)
        for round: UInt32 in 0..<3 {
            let before = row.pointee.sequence
            let result = RowWriting.write(row, lock: world.locks[0], pid: 77) {
                (row.pointee.sequence, row.pointee.writer)
            }
            #expect(result?.0 == before + 1 && result?.1 == 77, "odd while it is written")
            #expect(row.pointee.sequence == (round + 1) * 2, "even when it is done")
        }
    }

    /// Every state in which a writer can have died: admin is kept, and what was half done is undone in the member's
    /// favour.
    @Test(
        arguments: [
            // state before, retry_at, fails -> down after, fails after
            (0x00, 0, 0, false, 0),
            (0x00, 500, 3, false, 0),  // died before it published "down"
            (0x10, 500, 3, true, 3),  // published
            (0x10, 0, 3, false, 0),  // died before it published "up"
            (0x11, 500, 1, true, 1),
            (0x12, 0, 1, false, 0),
        ] as [(UInt32, UInt64, UInt32, Bool, UInt32)])
    func aDeadWritersRowIsRepaired(_ word: UInt32, retryAt: UInt64, fails: UInt32, down: Bool, failsAfter: UInt32)
        throws
    {
        let world = World()
        let name = "repaired-\(word)-\(retryAt)-\(fails)"
        let row = try #require(world.configure([farm("f", name)])).row(0)
        row.pointee.status = word
        row.pointee.retry_at = retryAt
        row.pointee.fails = fails
        row.pointee.failed_trials = 4_000_000_000
        row.pointee.weight = 7_000_000
        row.pointee.sequence = 9
        row.pointee.writer = 4711
        let seen = RowWriting.write(row, lock: world.locks[0], pid: 12) { row.state }
        #expect(seen == MemberState(word: word & FARM_ADMIN_MASK).with(downByFailures: down), "before the body runs")
        #expect(row.pointee.fails == failsAfter)
        #expect(row.pointee.retry_at == (down ? retryAt : 0))
        #expect(row.pointee.failed_trials <= 4)
        #expect(row.pointee.weight == 1, "as configured")
        #expect(row.pointee.sequence == 10)
        #expect(row.pointee.writer == 12)
        let lines = HostLog.lines(naming: name)
        #expect(lines.count == 1 && lines[0].number == 104 && lines[0].level == FARM_LOG_WARNING)
        #expect(lines.first?.text.contains("process 4711 died") == true)
    }

    /// A status that nobody writes: the configuration's admin, and nothing else of it.
    @Test(arguments: [0xFFFF_FFFF, 0x3, 0x8000_0003] as [UInt32])
    func aStatusThatNobodyWrites(_ word: UInt32) throws {
        let world = World()
        let row = try #require(world.configure([FarmSpec("f", [MemberSpec("a", admin: 1)])])).row(0)
        row.pointee.status = word
        row.pointee.sequence = 1
        _ = RowWriting.write(row, lock: world.locks[0], pid: 1) {}
        #expect(row.state.word == FARM_ADMIN_DRAIN)
    }

    /// The one who repaired dies at its own write: the next finds the mark again.
    @Test func deathAfterDeath() throws {
        let world = World()
        let row = try #require(world.configure([farm("f", "twice-dead")])).row(0)
        for round: UInt32 in 0..<5 {
            row.pointee.sequence |= 1
            row.pointee.writer = round + 100
            row.pointee.fails = 9
            #expect(RowWriting.write(row, lock: world.locks[0], pid: 1) { row.pointee.fails } == 0)
            #expect(row.pointee.sequence == (round + 1) * 2)
        }
        #expect(HostLog.lines(naming: "twice-dead").count == 5)
    }

    /// The sequence number wraps; its parity is all that counts.
    @Test func theNumberWraps() throws {
        let world = World()
        let row = try #require(world.configure([farm("f", "a")])).row(0)
        row.pointee.sequence = .max - 1
        #expect(RowWriting.write(row, lock: world.locks[0], pid: 1) { row.pointee.sequence } == .max)
        #expect(row.pointee.sequence == 0)
    }

    @Test func writersExcludeEachOther() throws {
        let world = World()
        let row = try #require(world.configure([farm("f", "never-repaired")])).row(0)
        let shared = Shared((row: row, lock: world.locks[0]))
        onThreads(4) { number in
            for _ in 0..<2_000 {
                _ = RowWriting.write(shared.value.row, lock: shared.value.lock, pid: UInt32(number + 1)) {
                    // Not atomic on purpose: only the lock makes it exact.
                    shared.value.row.pointee.traffic_base += 1
                }
            }
        }
        #expect(row.pointee.traffic_base == 8_000)
        #expect(row.pointee.sequence == 16_000)
        #expect(HostLog.lines(naming: "never-repaired").isEmpty)
    }
}

@Suite struct LockGranularityTests {
    @Test(
        arguments: [
            (.row, 4, 16, 17), (.farm, 4, 16, 5), (.engine, 4, 16, 1), (.row, 0, 0, 1), (.farm, 0, 0, 1),
            (.engine, 0, 0, 1),
        ] as [(LockGranularity, UInt32, UInt32, UInt32)])
    func counts(_ granularity: LockGranularity, farms: UInt32, members: UInt32, locks: UInt32) {
        #expect(granularity.lockCount(farms: farms, members: members) == locks)
    }

    @Test func names() {
        #expect(
            [FARM_LOCKS_ROW, FARM_LOCKS_FARM, FARM_LOCKS_ENGINE].map { "\(LockGranularity(rawValue: $0)!.name)" }
                == ["row", "farm", "engine"])
        #expect(LockGranularity(rawValue: 3) == nil)
    }

    /// Two farms of two members each: which of the four members share a lock.
    @Test(
        arguments: [(.row, [0, 1, 2, 3]), (.farm, [0, 0, 1, 1]), (.engine, [0, 0, 0, 0])]
            as [(LockGranularity, [Int])])
    func whoSharesALock(_ granularity: LockGranularity, _ numbers: [Int]) throws {
        let world = World(granularity: granularity)
        let engine = try #require(world.configure([farm("f", "a", "b"), farm("g", "a", "b")]))
        for at in 0..<4 {
            let lock = world.tables.pointee.lock(
                member: engine.pointee.memberPlaces[at],
                farm: engine.pointee.farmPlaces[at / 2])
            #expect(lock == world.locks[numbers[at]])
        }
    }

    /// Members in a block that was added have that block's locks, where there are any of their own.
    @Test(arguments: [LockGranularity.row, .farm, .engine])
    func locksOfAnAddedBlock(_ granularity: LockGranularity) throws {
        let world = World(farms: 1, members: 1, slots: 2, granularity: granularity)
        _ = try #require(world.configure([farm("f", "a")]))
        #expect(world.grow(farms: 1, members: 4) == 0)
        let engine = try #require(world.configure([farm("f", "a", "b"), farm("g", "a")]))
        let blocks = world.tables.pointee.blocks
        let locks = (0..<3).map {
            world.tables.pointee.lock(member: engine.pointee.memberPlaces[$0], farm: engine.pointee.farmPlaces[$0 / 2])
        }
        switch granularity {
        case .row: #expect(locks == [blocks[0].locks[0], blocks[1].locks[0], blocks[1].locks[1]])
        case .farm: #expect(locks == [blocks[0].locks[0], blocks[0].locks[0], blocks[1].locks[0]])
        case .engine: #expect(locks == [blocks[0].locks[0], blocks[0].locks[0], blocks[0].locks[0]])
        }
        // Written through all of them, the rows end up whole.
        for at in 0..<3 {
            let row = engine.pointee.write(farm: UInt32(at / 2), local: at % 2) { $0 }
            #expect(row == engine.row(at))
            #expect(engine.row(at).pointee.sequence == 2)
        }
    }
}
