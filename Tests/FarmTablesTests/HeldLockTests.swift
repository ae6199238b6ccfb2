import CAPR
import CFarm
import CFarmABI
import FarmCore
import FarmTestSupport
import Testing

@testable import FarmTables

/// A lock that somebody has and does not give back: the parent goes on without it, and says so. With a mechanism that does not
/// free the lock of a process that died, it would otherwise never start a child again.
@Suite(.timeLimit(.minutes(2))) struct HeldLockTests {
    private func spec(_ admin: UInt32) -> [FarmSpec] {
        [FarmSpec("f", [MemberSpec("a", admin: admin), MemberSpec("b")])]
    }

    private func held(_ lock: OpaquePointer, _ body: () throws -> Void) rethrows {
        #expect(apr_global_mutex_lock(lock) == 0)
        defer { #expect(apr_global_mutex_unlock(lock) == 0) }
        try body()
    }

    private func note(_ row: MemberRow) -> (by: String, reason: String, writing: UInt32) {
        let note = row.pointee.note
        return (ManagementTests.by(note), ManagementTests.reason(note), note.writing)
    }

    /// What the configuration changes waits for the lock in the parent's ticks; meanwhile the note is whole, for nobody writes
    /// it without the lock that its readers rely on.
    @Test(arguments: [LockGranularity.row, .farm, .engine]) func theParentAtARestart(_ granularity: LockGranularity)
        throws
    {
        let world = World(granularity: granularity)
        let first = try world.child(spec(0), pid: 1)
        ManagementTests.manage(first, "farm=f&member=a&admin=drain&by=me&reason=why&weight=9")
        let row = first.row(0)
        let sequence = row.pointee.sequence
        var next: UnsafeMutablePointer<Engine>?
        try held(world.locks[0]) {
            let engine = try #require(world.configure(spec(2)))
            next = engine
            #expect(row.state.admin == .drain && row.pointee.configured_admin == 0)
            #expect(note(row) == ("me", "why", 0))
            engine.pointee.tick()
            #expect(row.state.admin == .drain && note(row) == ("me", "why", 0))
            #expect(row.pointee.sequence == sequence)
        }
        let engine = try #require(next)
        let before = engine.pointee.farms[0].row.pointee.generation
        engine.pointee.tick()
        #expect(row.state.admin == .off && row.pointee.configured_admin == 2)
        #expect(note(row) == ("", "", 0) && row.pointee.weight == 9)
        #expect(row.pointee.sequence == sequence + 2)
        #expect(engine.pointee.farms[0].row.pointee.generation > before, "every process looks again")
        // Once is enough: what is set at run time from now on holds.
        ManagementTests.manage(first, "farm=f&member=a&admin=on&by=you")
        engine.pointee.tick()
        #expect(row.state.admin == .on && note(row).by == "you")
    }

    @Test func theParentEndsStatesLater() throws {
        let world = World()
        let child = try world.child(spec(0), pid: 1)
        ManagementTests.manage(child, "farm=f&member=a&admin=off&by=me&until=10s")
        ManagementTests.manage(child, "farm=f&admin=off&by=me&until=10s")
        let parent = try #require(world.configure(spec(0)))
        let row = child.row(0)
        HostClock.$wall.withValue(ManagementTests.wall + 20_000_000) {
            held(world.locks[0]) {
                held(world.tables.pointee.metricNamesLock) {
                    parent.pointee.tick()
                    #expect(row.state.admin == .off && parent.pointee.farms[0].admin == .off)
                }
            }
            parent.pointee.tick()
            #expect(row.state.admin == .on && parent.pointee.farms[0].admin == .on)
        }
    }

    /// A lock that cannot be had is not a table that is full.
    @Test func theLockOfTheNames() throws {
        let world = World(metrics: 2)
        let engine = try #require(world.configure(spec(0)))
        func update(_ text: String) -> (UInt32, String) {
            var text = bytes(text)
            let output = Output()
            text.withUnsafeMutableBufferPointer { engine.pointee.update($0, caller: nil, out: output.handle) }
            return (output.status, output.text)
        }
        let name = try #require(bytes("cpu").withUnsafeBufferPointer { MetricName($0) })
        try held(world.tables.pointee.metricNamesLock) {
            #expect(world.tables.pointee.addMetrics([name], isParent: true) == .noLock)
            let (status, text) = update("farm=f&member=a&cpu=1")
            #expect(status == 503 && text.contains("lock of the metrics' names") && !text.contains("FarmTable"))
            var report = bytes("cpu=1")
            report.withUnsafeMutableBufferPointer {
                engine.pointee.storeReport(UnsafeBufferPointer($0), farm: 0, local: 0)
            }
            #expect(engine.row(0).pointee.bad_reports == 0, "the member is not to blame")
            let next = try #require(world.configure([FarmSpec("f", [MemberSpec("a")]).with(load: "cpu")]))
            #expect(next.row(0).pointee.load == 0)
        }
        #expect(world.tables.pointee.metric(name) == nil)
        #expect(update("farm=f&member=a&cpu=1").0 == 200)
        #expect(update("farm=f&member=a&b=1").0 == 200)
        #expect(update("farm=f&member=a&c=1").0 == 413)
    }
}

extension FarmSpec {
    fileprivate func with(load: String) -> FarmSpec {
        var spec = self
        spec.load = load
        return spec
    }
}
