import CFarm
import CFarmABI
import FarmCore
import FarmTestSupport
import Testing

@testable import FarmTables

/// What the parent notes of farms and members every few seconds, over restarts too.
@Suite struct HistoryNotesTests {
    /// The parent's hook, at a time of the test's choice, in seconds.
    private func tick(_ engine: UnsafeMutablePointer<Engine>, at second: UInt64) {
        HostClock.$now.withValue(second * 1_000_000) { engine.pointee.tick() }
    }

    /// Samples kept: one is no step, and without any the next is due at once, even before time begins.
    private func count(_ engine: UnsafeMutablePointer<Engine>, _ farm: Int, _ local: Int?) -> Int {
        let history = local.map { engine.pointee.history(farm: farm, local: $0) } ?? engine.pointee.history(farm: farm)
        return history.isDue(now: 0) ? 0 : steps(history, at: 0).count + 1
    }

    private func steps(_ history: History, at second: UInt64) -> [History.Step] {
        var steps: [History.Step] = []
        history.steps(now: second * 1_000_000) { steps.append($0) }
        return steps
    }

    /// Requests and failures a second.
    private func rates(_ step: History.Step) -> [Double] { [step.rates.requests, step.rates.failures] }

    /// Each has a history of its own, of its own counters.
    @Test func everyFarmAndMember() {
        let world = World()
        let engine = world.configure([farm("f", "a", "b"), farm("g", "a")])!
        tick(engine, at: 100)
        for (at, (requests, errors)) in [(20, 10), (40, 0), (100, 50)].enumerated() {
            let row = engine.row(at)
            row.pointee.requests = UInt64(requests)
            row.pointee.errors = UInt64(errors)
            row.pointee.inflight = UInt32(at + 1)
        }
        engine.pointee.farms[0].row.pointee.requests = 60
        engine.pointee.farms[0].row.pointee.failovers = 30
        engine.pointee.farms[1].row.pointee.requests = 80
        tick(engine, at: 110)
        let members = [(0, 0), (0, 1), (1, 0)].map { engine.pointee.history(farm: $0.0, local: $0.1) }
        #expect(
            members.map { steps($0, at: 110).map(rates) } == [
                [[2, 1]], [[4, 0]],
                [[10, 5]],
            ])
        #expect(members.map { steps($0, at: 110)[0].inflight } == [1, 2, 3])
        let farms = [0, 1].map { steps(engine.pointee.history(farm: $0), at: 110) }
        #expect(farms[0].map(rates) == [[6, 3]])
        #expect(farms[1].map(rates) == [[8, 0]])
        #expect(farms.map { $0[0].inflight } == [3, 3], "a farm's is that of its members")
    }

    /// The hook comes as often as children come and go.
    @Test func notMoreOftenThanEveryFiveSeconds() {
        let world = World()
        let engine = world.configure([farm("f", "a")])!
        for second in 100..<125 as Range<UInt64> { tick(engine, at: second) }
        #expect(count(engine, 0, nil) == 5 && count(engine, 0, 0) == 5)
        tick(engine, at: 1_000)
        #expect(count(engine, 0, nil) == 6 && count(engine, 0, 0) == 6)
    }

    /// "A graceful restart keeps every counter": and what was noted of them. One that is new begins with nothing.
    @Test func aRestartKeepsIt() {
        let world = World()
        let engine = world.configure([farm("f", "a")])!
        for second in stride(from: 100, through: 140, by: 10) as StrideThrough<UInt64> { tick(engine, at: second) }
        let next = world.configure([farm("f", "b", "a"), farm("g", "a")])!
        #expect(count(next, 0, nil) == 5 && count(next, 0, 1) == 5)
        #expect(count(next, 0, 0) == 0 && count(next, 1, nil) == 0 && count(next, 1, 0) == 0)
        tick(next, at: 150)
        #expect(steps(next.pointee.history(farm: 0, local: 1), at: 150).count == 5)
        #expect(steps(next.pointee.history(farm: 0, local: 0), at: 150).isEmpty)
    }

    /// A row that was free may be another one's from now on.
    @Test func nobodyInheritsAnothersHistory() {
        let world = World(farms: 2, members: 3)
        let engine = world.configure([farm("f", "a"), farm("old", "x", "y")])!
        for second in stride(from: 100, through: 140, by: 10) as StrideThrough<UInt64> { tick(engine, at: second) }
        _ = world.configure([farm("f", "a")])
        _ = world.configure([farm("f", "a")])
        let next = world.configure([farm("f", "a"), farm("new", "x", "z")])!
        #expect(count(next, 0, nil) == 5 && count(next, 0, 0) == 5)
        #expect(count(next, 1, nil) == 0 && count(next, 1, 0) == 0 && count(next, 1, 1) == 0)
    }

    /// One that the configuration brings back after a month, while its row was still kept: its samples' times cannot tell
    /// how long ago that was, and would keep it from getting others for weeks.
    @Test(arguments: [1, 30, 45] as [UInt64]) func whatComesBackBeginsAnew(_ days: UInt64) {
        let world = World()
        let engine = world.configure([farm("f", "a", "b"), farm("g", "a")])!
        tick(engine, at: 100)
        engine.row(1).pointee.requests = 500
        engine.pointee.farms[1].row.pointee.requests = 500
        tick(engine, at: 110)
        let between = world.configure([farm("f", "a")])!
        let back = 110 + days * 86_400
        for second in stride(from: 120, through: 200, by: 10) as StrideThrough<UInt64> { tick(between, at: second) }
        let next = world.configure([farm("f", "a", "b"), farm("g", "a")])!
        tick(next, at: back)
        next.row(1).pointee.requests = 600
        next.pointee.farms[1].row.pointee.requests = 600
        tick(next, at: back + 10)
        for history in [next.pointee.history(farm: 0, local: 1), next.pointee.history(farm: 1)] {
            let steps = steps(history, at: back + 10)
            #expect(steps.map(rates) == [[10, 0]])
            #expect(steps.map(\.age) == [0])
        }
    }

    /// Who ends a state at its time is the same hook; a sample is taken of what is then.
    @Test func aCopyIsSampledLikeTheRow() {
        let world = World()
        let engine = world.configure([farm("f", "a")])!
        engine.row(0).pointee.requests = 7
        engine.row(0).pointee.errors = 3
        engine.row(0).pointee.inflight = UInt32.max
        let sample = Engine.sample(engine.row(0), now: 5)
        #expect(sample.at == 5 && sample.requests == 7 && sample.failures == 3)
        #expect(sample.inflight == 0, "a count that a repair has taken below nought is none")
    }
}
