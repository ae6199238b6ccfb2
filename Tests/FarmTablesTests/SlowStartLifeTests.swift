import CFarm
import CFarmABI
import FarmCore
import FarmTestSupport
import Testing

@testable import FarmTables

/// `FarmSet slowstart=`: whichever way a member becomes available again, it ramps; one that was there when httpd started does
/// not.
@Suite struct SlowStartLifeTests {
    private static let back: UInt64 = 50_000_000

    private func spec(_ members: MemberSpec..., change: (inout FarmSpec) -> Void = { _ in }) -> [FarmSpec] {
        var spec = FarmSpec("f", members)
        spec.algorithm = Algorithm.random.rawValue
        spec.slowStart = 10_000_000
        change(&spec)
        return [spec]
    }

    /// The first member's part of the requests that come at that time.
    private func share(_ engine: UnsafeMutablePointer<Engine>, now: UInt64) -> Double {
        HostClock.$now.withValue(now) {
            var seen = 0
            for _ in 0..<4_000 {
                guard var request = engine.chosen(now: now) else { continue }
                if request.member == 0 { seen += 1 }
                engine.drop(&request)
            }
            return Double(seen) / 4_000
        }
    }

    private func expectRamp(_ engine: UnsafeMutablePointer<Engine>, from back: UInt64 = Self.back) {
        #expect((share(engine, now: back) - 0.05).magnitude < 0.03, "a tenth of a half")
        #expect((share(engine, now: back + 10_000_000) - 0.5).magnitude < 0.04, "in the end all of it")
    }

    private func manage(_ engine: UnsafeMutablePointer<Engine>, _ text: String, now: UInt64 = Self.back) {
        #expect(ManagementTests.manage(engine, "farm=f&member=a&" + text, now: now).status == 200)
    }

    private func update(_ engine: UnsafeMutablePointer<Engine>, _ text: String, now: UInt64) {
        let output = Output()
        var text = bytes(text)
        HostClock.$now.withValue(now) {
            text.withUnsafeMutableBufferPointer { engine.pointee.update($0, caller: nil, out: output.handle) }
        }
        #expect(output.status == 200)
    }

    @Test func whoWasThereFromTheStart() throws {
        let world = World()
        let engine = try world.child(spec(MemberSpec("a"), MemberSpec("b")), pid: 1)
        #expect((share(engine, now: 1) - 0.5).magnitude < 0.04)
    }

    @Test(arguments: ["off", "drain"]) func afterTheAdministrator(_ admin: String) throws {
        let world = World()
        let engine = try world.child(spec(MemberSpec("a"), MemberSpec("b")), pid: 1)
        manage(engine, "admin=\(admin)", now: 1_000)
        manage(engine, "admin=on")
        expectRamp(engine)
    }

    /// A change that leaves it as available as it was begins nothing.
    @Test func aChangeOfSomethingElse() throws {
        let world = World()
        let engine = try world.child(spec(MemberSpec("a"), MemberSpec("b")), pid: 1)
        for text in ["weight=1", "admin=on&reason=sure", "health=up"] { manage(engine, text) }
        #expect((share(engine, now: Self.back) - 0.5).magnitude < 0.04)
    }

    @Test func afterAMonitorsWord() throws {
        let world = World()
        let engine = try world.child(spec(MemberSpec("a"), MemberSpec("b")), pid: 1)
        manage(engine, "health=down", now: 1_000)
        manage(engine, "health=up")
        expectRamp(engine)
    }

    @Test func afterAMonitorsUpdate() throws {
        let world = World()
        let engine = try world.child(spec(MemberSpec("a"), MemberSpec("b")), pid: 1)
        for (now, word) in [(1_000, "down"), (Self.back, "up")] {
            update(engine, "farm=f&member=a&health=\(word)", now: now)
        }
        expectRamp(engine)
    }

    /// A state that ends by itself.
    @Test func afterItsTime() throws {
        let world = World()
        let engine = try world.child(spec(MemberSpec("a"), MemberSpec("b")), pid: 1)
        manage(engine, "admin=off&until=10", now: 1_000)
        HostClock.$wall.withValue(ManagementTests.wall + 10_000_000) {
            HostClock.$now.withValue(Self.back) { engine.pointee.tick() }
        }
        expectRamp(engine)
    }

    /// Silence that ends.
    @Test func afterSilence() throws {
        let world = World()
        let engine = try HostClock.$now.withValue(1_000) {
            try world.child(spec(MemberSpec("a"), MemberSpec("b")) { $0.expect = 20_000_000 }, pid: 1)
        }
        for ago: UInt64 in [35_000_000, 18_000_000, 1_000_000] {
            update(engine, "farm=f&member=b", now: Self.back - ago)
        }
        #expect(share(engine, now: Self.back - 1_000) == 0)
        update(engine, "farm=f&member=a", now: Self.back)
        expectRamp(engine)
    }

    @Test func afterATrial() throws {
        let world = World()
        let engine = try world.child(spec(MemberSpec("a"), MemberSpec("b")), pid: 1)
        engine.row(0).publish(MemberState(word: FARM_DOWN_BY_FAILURES))
        engine.row(0).pointee.retry_at = Self.back
        engine.pointee.farms[0].changed()
        var trial = try #require(engine.chosen(now: Self.back))
        #expect(trial.member == 0 && trial.flags & FARM_REQUEST_TRIAL != 0)
        HostClock.$now.withValue(Self.back) {
            _ = engine.answered(&trial, status: 200, mayResend: true, now: Self.back)
            _ = engine.end(&trial, saw: [.answer, .sent], mayResend: true, bytesIn: 0, bytesOut: 0)
        }
        expectRamp(engine)
    }

    /// A member that a graceful restart adds, brings back, or switches on.
    @Test(arguments: 0...3) func afterARestart(_ kind: Int) throws {
        let world = World()
        let both = spec(MemberSpec("a"), MemberSpec("b"))
        let without = spec(MemberSpec("b"))
        let taken = spec(MemberSpec("a", admin: kind == 2 ? 2 : 1), MemberSpec("b"))
        _ = try HostClock.$now.withValue(1_000) {
            let first = try world.child(kind == 0 ? without : kind == 1 ? both : taken, pid: 1)
            if kind == 1 { _ = try #require(world.configure(without)) }
            return first
        }
        let engine = try HostClock.$now.withValue(Self.back) { try world.child(both, pid: 2) }
        expectRamp(engine)
    }

    /// One that was there before a restart has its share after it.
    @Test func aRestartAlone() throws {
        let world = World()
        let both = spec(MemberSpec("a"), MemberSpec("b"))
        _ = try world.child(both, pid: 1)
        let engine = try HostClock.$now.withValue(Self.back) { try world.child(both, pid: 2) }
        #expect((share(engine, now: Self.back) - 0.5).magnitude < 0.04)
    }
}
