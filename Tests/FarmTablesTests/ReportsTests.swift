import CFarm
import CFarmABI
import FarmCore
import FarmTestSupport
import Testing

@testable import FarmTables

/// What members report, through configurations and deaths.
@Suite struct ReportsTests {
    private func push(_ engine: UnsafeMutablePointer<Engine>, _ text: String) {
        var bytes = Array(text.utf8)
        let output = Output()
        bytes.withUnsafeMutableBufferPointer { engine.pointee.update($0, caller: nil, out: output.handle) }
        #expect(output.status == 200, "\(output.text)")
    }

    private func load(_ engine: UnsafeMutablePointer<Engine>, _ member: Int = 0) -> Double {
        SharedDouble.value(farm_get64(&engine.row(member).pointee.load))
    }

    @Test func metricsAreKeptByNameAndNotInherited() throws {
        let world = World(members: 2)
        let first = try world.child([farm("reports", "a", "b")], pid: 1)
        push(first, "farm=reports&member=a&cpu=4&member=b&cpu=8")
        let since = first.row(0).pointee.known_since_us
        world.tables.pointee.processGone(pid: 1)
        let second = try world.child([farm("reports", "b", "a")], pid: 2)
        #expect(load(second, 0) == 8 && load(second, 1) == 4)
        #expect(second.row(1).pointee.known_since_us == since, "a restart does not begin its time anew")
        // b goes; what comes into its row begins with nothing.
        world.tables.pointee.processGone(pid: 2)
        for pid: UInt32 in 3...4 {
            _ = try world.child([farm("reports", "a")], pid: pid)
            world.tables.pointee.processGone(pid: pid)
        }
        let last = try world.child([farm("reports", "a", "c")], pid: 5)
        #expect(load(last, 0) == 4)
        #expect(load(last, 1).isNaN && last.row(1).pointee.updated_us == 0)
        push(last, "farm=reports&member=c&db=1")
        #expect(load(last, 1) == 1, "b's cpu is not among its metrics")
    }

    @Test func aNewFormulaIsAppliedToWhatIsKnown() throws {
        let world = World()
        let first = try world.child([farm("formula", "a") { $0.load = "cpu" }], pid: 1)
        push(first, "farm=formula&member=a&cpu=4&mem=10")
        #expect(load(first) == 4)
        #expect(load(try world.child([farm("formula", "a") { $0.load = "cpu * mem" }], pid: 2)) == 40)
        #expect(load(try world.child([farm("formula", "a") { $0.load = "cpu / disk" }], pid: 3)).isNaN)
        #expect(load(try world.child([farm("formula", "a")], pid: 4)) == 7, "the mean")
    }

    @Test func aFormulaOfMoreNamesThanTheTableHasIsUnknownAndSaysSo() throws {
        let world = World(metrics: 1)
        let engine = try world.child([farm("formula", "a") { $0.load = "cpu + too_many_names" }], pid: 1)
        push(engine, "farm=formula&member=a&cpu=4")
        #expect(load(engine).isNaN)
        #expect(!HostLog.lines(naming: "too_many_names").isEmpty)
    }

    /// A member that has been out is chosen again by the first request after its update, in every process.
    @Test func anUpdateBringsAMemberBackEverywhere() throws {
        let world = World()
        let config = [farm("fresh", "a") { $0.expect = 1_000 }]
        let one = try world.child(config, pid: 1)
        let other = try world.child(config, pid: 2)
        let late = one.row(0).pointee.known_since_us + 1_000_000
        #expect(one.chosen(now: late) == nil && other.chosen(now: late) == nil)
        HostClock.$now.withValue(late) { push(one, "farm=fresh&member=a") }
        #expect(one.chosen(now: late + 999) != nil && other.chosen(now: late + 999) != nil)
        #expect(other.chosen(now: late + 1_000) == nil)
    }

    @Test func aRepairedRowKeepsTheMonitorsWord() throws {
        let world = World()
        let engine = try world.child([farm("monitored", "a")], pid: 1)
        push(engine, "farm=monitored&member=a&health=down")
        engine.row(0).pointee.sequence |= 1
        push(engine, "farm=monitored&member=a&cpu=1")
        #expect(engine.row(0).state.isDownByMonitor)
        #expect(engine.row(0).pointee.sequence & 1 == 0)
    }

    /// The requests in flight at a farm that counts them: given back at the end, and by a process that dies.
    @Test func aFarmsRequestsInFlight() throws {
        let world = World()
        let hash = Algorithm.hash.rawValue
        let engine = try world.child([farm("hashed", "a", "b") { $0.algorithm = hash }], pid: 1)
        let row = engine.pointee.farms[0].row
        var requests = (0..<3).compactMap { _ in engine.chosen() }
        #expect(requests.count == 3 && row.pointee.inflight == 3)
        engine.drop(&requests[0])
        engine.drop(&requests[0])
        #expect(row.pointee.inflight == 2)
        world.tables.pointee.processGone(pid: 1)
        #expect(row.pointee.inflight == 0)
        // A process that died between its two writes left a count that nobody will give back.
        row.pointee.inflight = 5
        world.tables.pointee.sweep()
        #expect(row.pointee.inflight == 0)
    }
}
