import CAPR
import CFarm
import CFarmABI
import FarmCore
import FarmTestSupport
import Foundation
import Testing

@testable import FarmTables

/// The slots of the ledger, and what is repaired when a process has gone.
@Suite struct ProcessesTests {
    private let config = [farm("f", "a", "b", "c")]

    @Test func everyChildHasItsOwnCells() throws {
        let world = World(slots: 3)
        let first = try world.child(config, pid: 11)
        let second = try world.child(config, pid: 12)
        let cells = (0..<3).flatMap { [first.pointee.members[$0].ledger, second.pointee.members[$0].ledger] }
        #expect(Set(cells).count == 6)
        #expect(Set([11, 12]).isSubset(of: (0..<3).map { world.tables.pointee.first.slot($0).pointee.pid }))
    }

    @Test func noMoreChildrenThanSlots() throws {
        let world = World(slots: 2)
        let specs = [farm("exhausted", "a")]
        _ = try world.child(specs, pid: 1)
        _ = try world.child(specs, pid: 2)
        let third = try #require(world.configure(specs))
        #expect(!third.start(pid: 3))
        #expect(!third.pointee.serves)
        #expect(third.chosen() == nil, "it serves no farm")
        #expect(third.row(0).pointee.inflight == 0)
        #expect(HostLog.lines(naming: "all 2 slots").contains { $0.number == 106 && $0.level == FARM_LOG_ERROR })
        world.tables.pointee.processGone(pid: 1)
        #expect(third.start(pid: 3))
        #expect(third.chosen() != nil)
    }

    @Test func theParentServesNothing() throws {
        let world = World()
        let engine = try #require(world.configure(config))
        #expect(engine.chosen() == nil)
        #expect((0..<3).allSatisfy { engine.inflight($0) == 0 })
    }

    @Test func whatADeadChildHeldIsGivenBack() throws {
        let world = World()
        let dead = try world.child(config, pid: 11)
        let alive = try world.child(config, pid: 12)
        for _ in 0..<30 { _ = dead.chosen() }
        for _ in 0..<7 { _ = alive.chosen() }
        #expect((0..<3).reduce(0) { $0 + alive.inflight($1) } == 37)
        world.tables.pointee.processGone(pid: 11)
        #expect((0..<3).reduce(0) { $0 + alive.inflight($1) } == 7)
        for at in 0..<3 { #expect(UInt32(alive.inflight(at)) == alive.pointee.members[at].ledger.pointee) }
        #expect((0..<8).allSatisfy { world.tables.pointee.first.slot($0).pointee.pid != 11 })
    }

    /// What a child published and did not live to tell of reaches the views of the others: the parent tells of it. And its
    /// slot says nothing of its configuration to who claims it next.
    @Test func theParentTellsForADeadChild() throws {
        let world = World()
        _ = try world.child(config, pid: 11)
        let alive = try world.child(config, pid: 12)
        for at in 0..<2 { alive.row(at).publish(alive.row(at).state.with(admin: .off)) }
        alive.pointee.farms[0].changed()
        #expect((0..<20).allSatisfy { _ in alive.chosen()?.member == 2 })
        // As the child of pid 11 may leave it: `on` is published, and nobody has been told.
        alive.row(0).publish(alive.row(0).state.with(admin: .on))
        #expect((0..<20).allSatisfy { _ in alive.chosen()?.member == 2 })
        world.tables.pointee.processGone(pid: 11)
        #expect((0..<40).contains { _ in alive.chosen()?.member == 0 })
        #expect(
            (0..<8).allSatisfy {
                let slot = world.tables.pointee.first.slot($0).pointee
                return slot.pid != 0 || slot.config_generation == 0
            })
    }

    @Test func aStrangerIsNobody() throws {
        let world = World()
        let child = try world.child(config, pid: 11)
        _ = child.chosen()
        world.tables.pointee.processGone(pid: 999)
        #expect(world.ledgerTotal() == 1)
        #expect(world.tables.pointee.first.slot(0).pointee.pid == 11)
    }

    /// A member that the configuration no longer has may still be in use by children of the old one.
    @Test func membersThatAreRetiredAreRepairedToo() throws {
        let world = World()
        let old = try world.child(config, pid: 11)
        for _ in 0..<9 { _ = old.chosen() }
        _ = try world.child([farm("f", "z")], pid: 12)
        world.tables.pointee.processGone(pid: 11)
        #expect((0..<3).allSatisfy { old.inflight($0) == 0 })
        #expect(world.ledgerTotal() == 0)
    }

    /// A row that a process was writing when it died: the parent does not leave it to the next writer, if there is one.
    @Test(arguments: [LockGranularity.row, .farm, .engine])
    func theParentRepairsWhatTheDeadHaveLeft(_ granularity: LockGranularity) throws {
        let world = World(granularity: granularity)
        let name = "left-\(granularity.name)"
        _ = try world.child([farm(name, name, "whole")], pid: 11)
        let alive = try world.child([farm(name, name, "whole")], pid: 12)
        ManagementTests.manage(alive, "farm=\(name)&member=\(name)&admin=off&by=me")
        let (row, whole) = (alive.row(0), alive.pointee.farms[0].row)
        let untouched = alive.row(1).pointee.sequence
        row.pointee.sequence |= 1
        whole.pointee.sequence |= 1
        row.pointee.writer = 11
        row.pointee.note.writing = 1
        whole.pointee.writer = 11
        world.tables.pointee.processGone(pid: 11)
        #expect(row.pointee.sequence % 2 == 0 && whole.pointee.sequence % 2 == 0)
        #expect(alive.row(1).pointee.sequence == untouched, "only what was left")
        #expect(row.state.admin == .off && ManagementTests.by(row.pointee.note).isEmpty)
        #expect(
            HostLog.lines(naming: "process 11 died while it wrote the row of member \(name)").map(\.number) == [104])
        #expect(HostLog.lines(naming: "process 11 died while it wrote the row of farm \(name)").map(\.number) == [116])
    }

    /// Who has the lock of such a row repairs it; the parent does not wait for it.
    @Test func theParentWaitsForNobody() throws {
        let world = World()
        _ = try world.child([farm("held", "held-row")], pid: 11)
        let alive = try world.child([farm("held", "held-row")], pid: 12)
        alive.row(0).pointee.sequence |= 1
        #expect(apr_global_mutex_lock(world.locks[0]) == 0)
        let shared = Shared(world)
        onThreads(1) { _ in shared.value.tables.pointee.processGone(pid: 11) }
        #expect(alive.row(0).pointee.sequence % 2 == 1)
        #expect(apr_global_mutex_unlock(world.locks[0]) == 0)
        _ = alive.pointee.write(farm: 0, local: 0) { _ in }
        #expect(alive.row(0).pointee.sequence % 2 == 0)
        #expect(HostLog.lines(naming: "held-row").map(\.number) == [104])
    }

    /// A process that is really dead: nobody told the parent, it finds out.
    @Test func theSweepFindsTheDead() throws {
        // Not by Foundation's Process, which loses 32 bytes.
        var pid = pid_t()
        var words = [strdup("true"), nil]
        defer { free(words[0]) }
        try #require(posix_spawn(&pid, "/bin/true", nil, nil, &words, nil) == 0)
        try #require(waitpid(pid, nil, 0) == pid)
        let world = World()
        let dead = try world.child(config, pid: UInt32(pid))
        let alive = try world.child(config, pid: UInt32(ProcessInfo.processInfo.processIdentifier))
        for _ in 0..<5 { _ = dead.chosen() }
        for _ in 0..<4 { _ = alive.chosen() }
        world.tables.pointee.sweep()
        #expect((0..<3).reduce(0) { $0 + alive.inflight($1) } == 4)
        #expect(world.ledgerTotal() == 4)
        let pids = (0..<8).map { world.tables.pointee.first.slot($0).pointee.pid }.filter { $0 != 0 }
        #expect(pids == [UInt32(ProcessInfo.processInfo.processIdentifier)])
    }

    /// A child that was killed between the two writes of a place left the row too low (its cell was taken off too), one
    /// whose cell was lost left it too high. Both are seen against the cells and taken off.
    @Test(arguments: [-1, 1, 5] as [Int32]) func driftIsTakenOff(_ drift: Int32) throws {
        let world = World()
        _ = try world.child(config, pid: 11)
        let alive = try world.child(config, pid: 12)
        for _ in 0..<3 { _ = alive.chosen() }
        alive.row(1).pointee.inflight &+= UInt32(bitPattern: drift)
        world.tables.pointee.processGone(pid: 11)
        for at in 0..<3 { #expect(UInt32(bitPattern: alive.inflight(at)) == alive.pointee.members[at].ledger.pointee) }
    }

    /// What an earlier repair got wrong is mended though nobody dies.
    @Test(arguments: [-2, 3] as [Int32]) func theSweepTakesDriftOff(_ drift: Int32) throws {
        let world = World()
        let alive = try world.child(config, pid: UInt32(ProcessInfo.processInfo.processIdentifier))
        for _ in 0..<3 { _ = alive.chosen() }
        alive.row(2).pointee.inflight &+= UInt32(bitPattern: drift)
        world.tables.pointee.sweep()
        for at in 0..<3 { #expect(UInt32(bitPattern: alive.inflight(at)) == alive.pointee.members[at].ledger.pointee) }
    }

    /// Between its fork and its claim of a slot nobody knows of a child. When two configurations have come meanwhile, the third
    /// may give its rows to others.
    @Test(arguments: [0, 1, 2, 5]) func aChildThatComesTooLateServesNobody(_ configurations: Int) throws {
        let world = World()
        let child = try #require(world.configure([farm("late", "a")]))
        for _ in 0..<configurations { _ = try #require(world.configure([farm("other", "x")])) }
        let start = child.pointee.startChild(pid: 11)
        #expect(start == (configurations < 2 ? .serves : .late))
        #expect((child.chosen() != nil) == (configurations < 2))
        #expect(world.tables.pointee.first.slot(0).pointee.pid == 11)
        world.tables.pointee.processGone(pid: 11)
        #expect(world.tables.pointee.first.slot(0).pointee.pid == 0)
        #expect(world.ledgerTotal() == 0)
    }

    @Test func whoComesTooLateSaysSo() throws {
        let before = HostLog.lines(naming: "two configurations have been taken").count
        let world = World()
        let child = try #require(world.configure([farm("late", "a")]))
        for _ in 0..<2 { _ = try #require(world.configure([])) }
        #expect(child.pointee.startChild(pid: 11) == .late)
        let lines = HostLog.lines(naming: "two configurations have been taken")
        #expect(lines.count > before && lines.allSatisfy { $0.number == 119 && $0.level == FARM_LOG_NOTICE })
    }

    /// A child without a slot: its rows may be others' at any time, so it touches none of them.
    @Test(arguments: [0, 12] as [UInt32]) func whoHasNoSlotWritesNothing(_ pid: UInt32) throws {
        let world = World(slots: 1)
        let specs = [farm("outside", "a") { $0.load = "cpu" }]
        let inside = try world.child(specs, pid: 11)
        ManagementTests.manage(inside, "farm=outside&member=a&admin=off&until=10&by=me")
        let outside = try #require(world.configure(specs))
        #expect(outside.pointee.startChild(pid: pid) == .outside)
        let before = world.memory()
        let change = ManagementTests.manage(outside, "farm=outside&member=a&admin=on")
        #expect(change.status == 503)
        #expect(change.text.contains("takes no part in the farms, and nothing was changed; the error log says why"))
        var text = bytes("farm=outside&member=a&cpu=1&new=2&health=down")
        let output = Output()
        text.withUnsafeMutableBufferPointer { outside.pointee.update($0, caller: nil, out: output.handle) }
        #expect(output.status == 503)
        #expect(output.text.contains("takes no part in the farms, and nothing was stored; the error log says why"))
        #expect(!output.text.contains("group"))
        #expect(outside.chosen() == nil)
        var refused = farm_request()
        #expect(!outside.choose(&refused, now: 1))
        outside.finish(&refused, status: 503, clientLeft: false)
        // The state's end has come: it is not its to end.
        HostClock.$wall.withValue(ManagementTests.wall + 20_000_000) {
            var request = farm_request()
            #expect(outside.pointee.condition(of: request) == .down)
            request.farm = 0
            _ = outside.text(.json)
        }
        #expect((world.memory() == before) as Bool)
        #expect(inside.row(0).state.admin == .off)
        HostClock.$wall.withValue(ManagementTests.wall + 20_000_000) { inside.pointee.tick() }
        #expect(inside.row(0).state.admin == .on)
    }

    /// No process has the number 0: it is the mark of a free slot.
    @Test func zeroIsNoProcess() throws {
        let world = World()
        let child = try #require(world.configure(config))
        #expect(!child.start(pid: 0))
        #expect(child.chosen() == nil)
    }

    @Test func aChildsSlotSaysWhatItKnows() throws {
        let world = World()
        _ = try world.child(config, pid: 11)
        _ = try world.child(config, pid: 12)
        #expect((0..<2).map { world.tables.pointee.first.slot($0).pointee.config_generation } == [1, 2])
        #expect(world.tables.pointee.generationsInUse() == [1, 2])
        world.tables.pointee.processGone(pid: 11)
        #expect(world.tables.pointee.generationsInUse() == [2])
        world.tables.pointee.processGone(pid: 12)
        #expect(world.tables.pointee.generationsInUse().isEmpty)
    }

    /// Children that start at the same time: every one has a slot, none shares.
    @Test func claimsAreExact() throws {
        let world = World(slots: 64)
        let engines = try #require(world.copies(of: config, 65))
        let shared = Shared(engines)
        onThreads(8) { number in
            for at in number * 8..<number * 8 + 8 { _ = shared.value[at].start(pid: UInt32(at + 1)) }
        }
        let pids = (0..<64).map { world.tables.pointee.first.slot($0).pointee.pid }
        #expect(Set(pids) == Set(1...64))
        #expect(Set(engines.prefix(64).map { $0.pointee.members[0].ledger }).count == 64)
        #expect(!engines[64].start(pid: 65))
    }
}
