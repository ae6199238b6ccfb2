import CFarm
import CFarmABI
import FarmCore
import FarmTestSupport
import Foundation
import Testing

@testable import FarmTables

/// "if given, until when (it then returns to `on` by itself)".
@Suite struct UntilTests {
    private static let wall = ManagementTests.wall
    private static let second: UInt64 = 1_000_000

    /// What happens at a moment, given as seconds after the change.
    private func at<Result>(_ seconds: Double, _ body: () throws -> Result) rethrows -> Result {
        let later = UInt64(seconds * 1_000_000)
        return try HostClock.$wall.withValue(Self.wall + later) {
            try HostClock.$now.withValue(5_000_000 + later, operation: body)
        }
    }

    private func now(_ seconds: Double) -> UInt64 { 5_000_000 + UInt64(seconds * 1_000_000) }

    private func status(_ engine: UnsafeMutablePointer<Engine>) throws -> (farm: [String: Any], member: [String: Any]) {
        let output = Output()
        engine.pointee.writeStatus(.json, controls: .none, to: output.handle)
        let status = try #require(JSONSerialization.jsonObject(with: Data(output.bytes)) as? [String: Any])
        let farm = try #require((status["farms"] as? [[String: Any]])?.first)
        return (farm, try #require((farm["members"] as? [[String: Any]])?.first))
    }

    /// Requests alone: nobody else asks. Within a second of its time the member serves again.
    @Test(arguments: [Admin.drain, .off], Algorithm.allCases)
    func aMemberServesAgain(_ admin: Admin, _ algorithm: Algorithm) throws {
        let world = World()
        let engine = try world.child([farm("f", "a") { $0.algorithm = algorithm.rawValue }], pid: 1)
        ManagementTests.manage(engine, "farm=f&member=a&admin=\(admin.name)&until=10")
        for seconds in [0.1, 5, 9.5, 9.999] {
            #expect(at(seconds) { engine.chosen(now: now(seconds)) } == nil, "after \(seconds) s")
        }
        #expect(at(10.9) { engine.chosen(now: now(10.9)) } != nil)
        #expect(engine.row(0).state.admin == .on && engine.row(0).pointee.note.until_us == 0)
    }

    @Test func aFarmServesAgain() throws {
        let world = World()
        let engine = try world.child([farm("whole", "a")], pid: 1)
        ManagementTests.manage(engine, "farm=whole&admin=off&until=10&by=me&reason=why")
        #expect(at(9.9) { engine.chosen(now: now(9.9)) } == nil)
        #expect(at(9.9) { engine.pointee.condition(0) } == .offline)
        #expect(at(10) { engine.pointee.condition(0) } == .ok)
        #expect(at(10.1) { engine.chosen(now: now(10.1)) } != nil)
        let note = engine.pointee.farms[0].row.pointee.note
        #expect(ManagementTests.by(note).isEmpty && ManagementTests.reason(note).isEmpty)
        #expect(note.since_us == Self.wall + 10 * Self.second && note.until_us == 0)
        // On a slow machine the condition has held for a second, and has lines of its own.
        let lines = HostLog.lines(naming: "farm whole is").filter { $0.number < 140 }
        #expect(lines.map(\.number) == [111, 113] && lines.allSatisfy { $0.level == FARM_LOG_NOTICE })
    }

    /// Without any request the status shows it all the same.
    @Test func theStatusShowsIt() throws {
        let world = World()
        let engine = try world.child([farm("shown", "a")], pid: 1)
        ManagementTests.manage(engine, "farm=shown&member=a&admin=off&until=10&by=me&reason=why")
        let before = try at(9.9) { try status(engine) }
        #expect(before.member["admin"] as? String == "off" && before.member["admin_by"] as? String == "me")
        #expect(before.member["admin_until"] as? String == "2126-11-25T12:00:10Z")
        #expect(before.farm["condition"] as? String == "offline" && before.farm["available"] as? Int == 0)
        let after = try at(10) { try status(engine) }
        #expect(after.member["admin"] as? String == "on" && after.member["available"] as? Bool == true)
        for unset in ["admin_by", "admin_reason", "admin_until"] { #expect(after.member[unset] is NSNull) }
        #expect(after.member["admin_since"] as? String == "2126-11-25T12:00:10Z")
        #expect(after.farm["condition"] as? String == "ok" && after.farm["available"] as? Int == 1)
        #expect(HostLog.lines(naming: "farm shown: member a").map(\.number) == [110, 113], "said once")
    }

    /// The parent's clock, with no child at all.
    @Test func theClockAlone() throws {
        let world = World()
        let engine = try #require(world.configure([farm("f", "a", "b")]))
        ManagementTests.manage(engine, "farm=f&member=b&admin=drain&until=10")
        ManagementTests.manage(engine, "farm=f&admin=drain&until=20")
        at(9.9) { engine.pointee.tick() }
        #expect(engine.row(1).state.admin == .drain)
        at(10) { engine.pointee.tick() }
        #expect(engine.row(1).state.admin == .on && engine.pointee.farms[0].admin == .drain)
        at(20) { engine.pointee.tick() }
        #expect(engine.pointee.farms[0].admin == .on)
    }

    /// A wall clock that is set forward ends it, one that is set back does not; no view holds on to what was.
    @Test func aClockThatIsSet() throws {
        let world = World()
        let engine = try world.child([farm("f", "a")], pid: 1)
        ManagementTests.manage(engine, "farm=f&member=a&admin=off&until=1h")
        #expect(at(1) { engine.chosen(now: now(1)) } == nil)
        HostClock.$wall.withValue(Self.wall - 86_400 * Self.second) {
            #expect(engine.chosen(now: now(2)) == nil)
        }
        HostClock.$wall.withValue(Self.wall + 86_400 * Self.second) {
            #expect(engine.chosen(now: now(3.1)) != nil)
        }
    }

    /// The last word holds: what it said before of an end is over with it.
    @Test func aLaterChangeTakesTheEndAway() throws {
        let world = World()
        let engine = try world.child([farm("f", "a")], pid: 1)
        ManagementTests.manage(engine, "farm=f&member=a&admin=off&until=10")
        ManagementTests.manage(engine, "farm=f&member=a&admin=off")
        at(100) { engine.pointee.tick() }
        #expect(engine.row(0).state.admin == .off)
    }

    /// It returns to on, also where the configuration says something else.
    @Test func itReturnsToOn() throws {
        let world = World()
        let engine = try #require(world.configure([FarmSpec("f", [MemberSpec("a", admin: 1)])]))
        ManagementTests.manage(engine, "farm=f&member=a&admin=off&until=10")
        at(10) { engine.pointee.tick() }
        #expect(engine.row(0).state.admin == .on)
    }

    /// All processes find out at the same time; one of them says so.
    @Test func oneOfAllEndsIt() throws {
        let world = World()
        let engines = try (0..<4).map { try world.child([farm("ends-once", "a")], pid: UInt32($0 + 1)) }
        ManagementTests.manage(engines[0], "farm=ends-once&member=a&admin=off&until=10")
        let shared = Shared(engines)
        onThreads(4) { number in
            HostClock.$wall.withValue(Self.wall + 10 * Self.second) { shared.value[number].pointee.tick() }
        }
        #expect(engines[0].row(0).state.admin == .on)
        #expect(HostLog.lines(naming: "farm ends-once: member a").map(\.number) == [110, 113])
    }
}
