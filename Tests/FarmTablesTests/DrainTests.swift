import CFarm
import CFarmABI
import FarmCore
import FarmTestSupport
import Foundation
import Testing

@testable import FarmTables

/// "drain": what there was to end when `drain` or `off` was set, so that people see how far it has come.
@Suite struct DrainTests {
    private static let wall = ManagementTests.wall

    private func at<Result>(_ seconds: UInt64 = 0, _ body: () throws -> Result) rethrows -> Result {
        try HostClock.$wall.withValue(Self.wall + seconds * 1_000_000) {
            try HostClock.$now.withValue(5_000_000 + seconds * 1_000_000, operation: body)
        }
    }

    /// Ties that many clients to a member for an hour.
    private func tie(_ count: Int, to engine: UnsafeMutablePointer<Engine>, farm: Int = 0, local: Int) {
        let clients = engine.pointee.clients(farm: farm, local: local)
        let seconds = Self.wall / 1_000_000
        var numbers = Numbers(UInt64(local + 7))
        for _ in 0..<count { clients.note(numbers.next(), expires: seconds + 3_600, now: seconds) }
    }

    /// Two farms; in flight are three at a, one at b, none at c.
    private func make(_ world: World) throws -> UnsafeMutablePointer<Engine> {
        let engine = try world.child([farm("f", "a", "b", "c"), farm("g", "a")], pid: 1)
        for (at, count) in [3, 1, 0, 9].enumerated() { engine.row(at).pointee.inflight = UInt32(count) }
        return engine
    }

    private func drain(_ json: [String: Any]) -> [String: Int]? {
        (json["drain"] as? [String: Any])?.mapValues { $0 as? Int ?? -1 }
    }

    private func isNull(_ json: [String: Any]) -> Bool { json["drain"] is NSNull }

    @Test(arguments: [Admin.drain, .off]) func aMemberKnowsWhatThereWas(_ admin: Admin) throws {
        let world = World()
        let engine = try make(world)
        tie(5, to: engine, local: 0)
        tie(2, to: engine, local: 1)
        try at { () throws -> Void in
            for local in 0..<3 { #expect(isNull(try engine.memberJSON(local))) }
            ManagementTests.manage(engine, "farm=f&member=a&admin=\(admin.name)")
            ManagementTests.manage(engine, "farm=f&member=c&admin=\(admin.name)")
            #expect(drain(try engine.memberJSON(0)) == ["inflight_at_start": 3, "clients_at_start": 5])
            #expect(isNull(try engine.memberJSON(1)))
            #expect(drain(try engine.memberJSON(2)) == ["inflight_at_start": 0, "clients_at_start": 0])
            for farm in 0...1 { #expect(isNull(try engine.farmJSON(farm))) }
            let lines = engine.lines()
            #expect(lines["farm[f].member[a].drain.inflight_at_start"].flatMap { Double($0) } == 3)
            #expect(lines["farm[f].member[a].drain.clients_at_start"].flatMap { Double($0) } == 5)
            #expect(lines["farm[f].member[b].drain"] == "-")
        }
    }

    /// Of a farm it is that of all its members, and of nobody else's.
    @Test(arguments: [Admin.drain, .off]) func aFarmKnowsWhatThereWas(_ admin: Admin) throws {
        let world = World()
        let engine = try make(world)
        tie(5, to: engine, local: 0)
        tie(2, to: engine, local: 2)
        tie(9, to: engine, farm: 1, local: 0)
        try at { () throws -> Void in
            ManagementTests.manage(engine, "farm=f&admin=\(admin.name)")
            #expect(drain(try engine.farmJSON()) == ["inflight_at_start": 4, "clients_at_start": 7])
            #expect(isNull(try engine.farmJSON(1)))
            #expect(isNull(try engine.memberJSON(0)))
        }
    }

    /// What comes and goes later does not change it; another change of admin does, and one of something else does not.
    @Test func itIsOfTheChange() throws {
        let world = World()
        let engine = try make(world)
        try at { () throws -> Void in
            ManagementTests.manage(engine, "farm=f&member=a&admin=drain")
            engine.row(0).pointee.inflight = 1
            tie(4, to: engine, local: 0)
            let before = ["inflight_at_start": 3, "clients_at_start": 0]
            #expect(drain(try engine.memberJSON()) == before)
            ManagementTests.manage(engine, "farm=f&member=a&weight=7&health=down")
            ManagementTests.manage(engine, "farm=f&member=b&admin=off")
            #expect(drain(try engine.memberJSON()) == before)
            ManagementTests.manage(engine, "farm=f&member=a&admin=off")
            #expect(drain(try engine.memberJSON()) == ["inflight_at_start": 1, "clients_at_start": 4])
            ManagementTests.manage(engine, "farm=f&member=a&admin=on")
            #expect(isNull(try engine.memberJSON()))
            #expect(engine.row(0).pointee.note.inflight == 0 && engine.row(0).pointee.note.clients == 0)
        }
    }

    /// A count that a repair has taken below nought is none; clients whose instructions have died are none.
    @Test func whatIsNotThereIsNotCounted() throws {
        let world = World()
        let engine = try make(world)
        engine.row(0).pointee.inflight = .max
        tie(4, to: engine, local: 0)
        try at(4_000) { () throws -> Void in
            ManagementTests.manage(engine, "farm=f&member=a&admin=off", wall: Self.wall + 4_000_000_000)
            #expect(drain(try engine.memberJSON()) == ["inflight_at_start": 0, "clients_at_start": 0])
        }
    }

    @Test func itsEndIsTheEndOfIt() throws {
        let world = World()
        let engine = try make(world)
        ManagementTests.manage(engine, "farm=f&member=a&admin=off&until=60")
        ManagementTests.manage(engine, "farm=f&admin=drain&until=60")
        try at(59) { () throws -> Void in
            #expect(drain(try engine.memberJSON())?["inflight_at_start"] == 3)
            #expect(drain(try engine.farmJSON())?["inflight_at_start"] == 4)
        }
        try at(60) { () throws -> Void in
            #expect(isNull(try engine.memberJSON()))
            #expect(isNull(try engine.farmJSON()))
            #expect(farm_member_row_note(engine.row(0)).work == nil)
        }
    }

    /// "A graceful restart keeps": the row is the same. A full stop does not: the requests are gone.
    @Test func restarts() throws {
        let world = World()
        let engine = try make(world)
        tie(5, to: engine, local: 0)
        ManagementTests.manage(engine, "farm=f&member=a&admin=off")
        ManagementTests.manage(engine, "farm=f&admin=drain")
        let file = StateFileTests.write(engine)
        let next = try #require(world.configure([farm("f", "b", "a"), farm("g", "a")]))
        try at { () throws -> Void in
            #expect(drain(try next.memberJSON(1)) == ["inflight_at_start": 3, "clients_at_start": 5])
            #expect(drain(try next.farmJSON()) == ["inflight_at_start": 4, "clients_at_start": 5])
        }
        let other = World()
        let fresh = try other.child([farm("f", "a", "b", "c"), farm("g", "a")], pid: 1)
        #expect(StateFileTests.read(fresh, file) == nil)
        #expect(fresh.row(0).state.admin == .off && farm_member_row_note(fresh.row(0)).work == nil)
        #expect(fresh.pointee.farms[0].admin == .drain && farm_row_note(fresh.pointee.farms[0].row).work == nil)
        try at { () throws -> Void in
            for json in [try fresh.memberJSON(), try fresh.farmJSON()] {
                let drain = try #require(json["drain"] as? [String: Any], "admin is not on")
                #expect(drain.count == 2 && drain.values.allSatisfy { $0 is NSNull })
            }
        }
    }

    /// What the configuration sets was there from the start.
    @Test func whatIsConfigured() throws {
        let world = World()
        var spec = farm("f", "a", "b")
        spec.members[0].admin = FARM_ADMIN_DRAIN
        let engine = try world.child([spec], pid: 1)
        let drain = try #require(try engine.memberJSON()["drain"] as? [String: Any])
        #expect(Set(drain.keys) == ["inflight_at_start", "clients_at_start"])
        #expect(drain.values.allSatisfy { $0 is NSNull || $0 as? Int == 0 })
        #expect(isNull(try engine.memberJSON(1)))
    }

    /// A writer who died in the middle leaves nobody's numbers to a reader.
    @Test func halfANote() throws {
        let world = World()
        let engine = try make(world)
        ManagementTests.manage(engine, "farm=f&member=a&admin=off&by=me")
        engine.row(0).pointee.sequence += 1
        engine.row(0).pointee.note.writing = 1
        try at { () throws -> Void in
            let json = try engine.memberJSON()
            #expect(json["admin_by"] is NSNull && json["admin"] as? String == "off")
            #expect((json["drain"] as? [String: Any])?.values.allSatisfy { $0 is NSNull } == true)
        }
    }
}
