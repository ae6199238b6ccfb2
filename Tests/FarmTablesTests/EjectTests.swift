import CFarm
import CFarmABI
import FarmCore
import FarmTestSupport
import Testing

@testable import FarmTables

/// `FarmSet eject=on` through requests: who fails or is slow beside the others is put down, and comes back by a trial.
@Suite struct EjectTests {
    private static let second: UInt64 = 1_000_000

    /// Sends requests, twenty a second, in which `answer` decides how each member answers: its status and its latency.
    private func run(
        _ engine: UnsafeMutablePointer<Engine>, from start: Double, to end: Double,
        _ answer: (UInt32) -> (status: UInt32, latency: UInt64)
    ) {
        var now = UInt64(start * 1_000_000)
        while now < UInt64(end * 1_000_000) {
            HostClock.$now.withValue(now) {
                HostClock.$wall.withValue(ManagementTests.wall + now) {
                    guard var request = engine.chosen(now: now) else { return }
                    let (status, latency) = answer(request.member)
                    _ = engine.answered(&request, status: status, mayResend: true, now: now + latency)
                    _ = engine.end(&request, saw: [.answer, .sent], mayResend: true, bytesIn: 1, bytesOut: 1)
                }
            }
            now += 50_000
        }
    }

    private func make(_ world: World, _ name: String, eject: Bool = true, members: Int = 4) throws
        -> UnsafeMutablePointer<Engine>
    {
        var spec = FarmSpec(name, (0..<members).map { MemberSpec("m\($0)") })
        spec.algorithm = Algorithm.roundrobin.rawValue
        spec.eject = eject
        return try HostClock.$now.withValue(1_000_000) { try world.child([spec], pid: 1) }
    }

    /// Its answers are errors that no status of `failonstatus=` names: only beside the others do they stand out.
    @Test func whoFails() throws {
        let world = World()
        let engine = try make(world, "eject-errors")
        run(engine, from: 10, to: 20) { ($0 == 2 ? 500 : 200, 1_000) }
        #expect(engine.row(2).state.isOutlier)
        #expect([0, 1, 3].allSatisfy { engine.row($0).state.isAvailable })
        let line = try #require(HostLog.lines(naming: "farm eject-errors: member m2").first)
        #expect((line.number, line.level) == (114, FARM_LOG_WARNING))
        let output = Output()
        engine.pointee.writeStatus(.json, controls: .none, to: output.handle)
        #expect(output.text.contains("\"health\":\"down\",\"health_by\":\"outlier\""))
    }

    @Test func whoIsSlow() throws {
        let world = World()
        let engine = try make(world, "eject-slow")
        run(engine, from: 10, to: 25) { (200, $0 == 1 ? 100_000 : 2_000) }
        #expect(engine.row(1).state.isOutlier)
        #expect([0, 2, 3].allSatisfy { engine.row($0).state.isAvailable })
    }

    @Test func offIsOff() throws {
        let world = World()
        let engine = try make(world, "eject-off", eject: false)
        run(engine, from: 10, to: 25) { ($0 == 2 ? 500 : 200, $0 == 1 ? 100_000 : 2_000) }
        #expect((0..<4).allSatisfy { engine.row($0).state.isAvailable })
    }

    @Test func whereAllAreAlikeNobodyIsPutDown() throws {
        let world = World()
        let engine = try make(world, "eject-alike")
        run(engine, from: 10, to: 20) { _ in (500, 100_000) }
        #expect((0..<4).allSatisfy { engine.row($0).state.isAvailable })
    }

    /// Half of the farm stays, whatever it does.
    @Test func halfStays() throws {
        let world = World()
        let engine = try make(world, "eject-half", members: 6)
        run(engine, from: 10, to: 60) { ($0 < 4 ? 500 : 200, 1_000) }
        let down = (0..<6).count { !engine.row($0).state.isUp }
        #expect(down <= 3)
    }

    /// One trial after `retry=`, whose answer decides; and then it begins anew.
    @Test func itComesBack() throws {
        let world = World()
        let engine = try make(world, "eject-back")
        run(engine, from: 10, to: 20) { ($0 == 2 ? 500 : 200, 1_000) }
        #expect(engine.row(2).state.isOutlier)
        let seen = engine.row(2).pointee.requests
        let due = Double(engine.row(2).pointee.retry_at) / 1_000_000
        run(engine, from: 20, to: due) { _ in (200, 1_000) }
        #expect(engine.row(2).pointee.requests == seen, "nobody asks it before its time")
        run(engine, from: due, to: due + 10) { _ in (200, 1_000) }
        #expect(engine.row(2).state.isAvailable && engine.row(2).pointee.requests > seen + 10)
        #expect(HostLog.lines(naming: "farm eject-back: member m2").map(\.number) == [114, 103])
    }
}
