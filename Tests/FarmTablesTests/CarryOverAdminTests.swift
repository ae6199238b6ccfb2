import CFarm
import CFarmABI
import FarmCore
import FarmTestSupport
import Testing

@testable import FarmTables

/// "a value set at run time (weight, admin) holds until the configuration's own value for it changes".
@Suite struct CarryOverAdminTests {
    private func spec(_ weight: UInt32 = 3, _ admin: UInt32 = 0) -> [FarmSpec] {
        [FarmSpec("f", [MemberSpec("a", weight: weight, admin: admin), MemberSpec("b")])]
    }

    @Test func whatWasSetHoldsOverARestart() throws {
        let world = World()
        let first = try world.child(spec(), pid: 1)
        ManagementTests.manage(first, "farm=f&member=a&admin=drain&by=me&reason=why&until=1h&weight=9&health=down")
        ManagementTests.manage(first, "farm=f&admin=off&by=you&reason=because")
        for _ in 0..<3 {
            let next = try #require(world.configure(spec()))
            let row = next.row(0).pointee
            #expect(next.row(0).state.admin == .drain && row.weight == 9 && next.row(0).state.isDownByMonitor)
            #expect(ManagementTests.by(row.note) == "me" && ManagementTests.reason(row.note) == "why")
            #expect(
                row.note.since_us == ManagementTests.wall && row.note.until_us == ManagementTests.wall + 3_600_000_000)
            #expect(next.pointee.farms[0].admin == .off)
            #expect(ManagementTests.by(next.pointee.farms[0].row.pointee.note) == "you")
            #expect(next.row(1).state.isAvailable)
        }
    }

    /// A new value of the one leaves the other alone.
    @Test func aConfiguredWeightChanges() throws {
        let world = World()
        let first = try world.child(spec(), pid: 1)
        ManagementTests.manage(first, "farm=f&member=a&admin=off&by=me&weight=9")
        let next = try #require(world.configure(spec(4)))
        #expect(next.row(0).pointee.weight == 4 && next.row(0).state.admin == .off)
        #expect(ManagementTests.by(next.row(0).pointee.note) == "me")
    }

    /// What the configuration says now is nobody's word: who and why are gone, and no end is left.
    @Test func aConfiguredAdminChanges() throws {
        let world = World()
        let first = try world.child(spec(), pid: 1)
        ManagementTests.manage(first, "farm=f&member=a&admin=off&by=me&reason=why&until=1h&weight=9")
        let next = try HostClock.$wall.withValue(ManagementTests.wall + 5) { try #require(world.configure(spec(3, 1))) }
        #expect(next.row(0).state.admin == .drain && next.row(0).pointee.weight == 9)
        let note = next.row(0).pointee.note
        #expect(ManagementTests.by(note).isEmpty && ManagementTests.reason(note).isEmpty)
        #expect(note.until_us == 0 && note.since_us == ManagementTests.wall + 5)
    }

    /// A child of the configuration before goes on serving, and its administrator's word is everybody's.
    @Test func aChildOfBeforeSetsItToo() throws {
        let world = World()
        let old = try world.child(spec(), pid: 1)
        let new = try world.child(spec(), pid: 2)
        ManagementTests.manage(old, "farm=f&member=a&admin=off")
        for _ in 0..<20 { #expect(new.chosen()?.member == 1) }
    }

    /// A member that is new under an old name's row has nothing of the one before.
    @Test func aRowThatIsUsedAgain() throws {
        let world = World(farms: 1, members: 2)
        let first = try world.child([farm("f", "a", "b")], pid: 1)
        ManagementTests.manage(first, "farm=f&member=b&admin=off&by=me&reason=why&until=1h")
        ManagementTests.manage(first, "farm=f&member=b&health=down&weight=9")
        world.tables.pointee.processGone(pid: 1)
        for _ in 0..<2 { _ = try #require(world.configure([farm("f", "a")])) }
        let last = try #require(world.configure([farm("f", "a", "c")]))
        #expect(last.row(1) == first.row(1))
        let note = last.row(1).pointee.note
        #expect(last.row(1).state.isAvailable && last.row(1).pointee.weight == 1)
        #expect(ManagementTests.by(note).isEmpty && ManagementTests.reason(note).isEmpty && note.until_us == 0)
    }

    @Test func aFarmsRowThatIsUsedAgain() throws {
        let world = World(farms: 1, members: 4)
        let first = try #require(world.configure([farm("f", "a")]))
        ManagementTests.manage(first, "farm=f&admin=off&by=me")
        for _ in 0..<2 { _ = try #require(world.configure([])) }
        let last = try #require(world.configure([farm("g", "a")]))
        #expect(last.pointee.farms[0].admin == .on)
        #expect(ManagementTests.by(last.pointee.farms[0].row.pointee.note).isEmpty)
    }
}
