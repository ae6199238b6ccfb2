import CFarm
import FarmCore
import FarmTestSupport
import Foundation
import Testing

@testable import FarmTables

/// A row whose writer is at it for long, or has died at it: the status says nothing of it that may be of two notes or two reports,
/// and all that requests go by.
@Suite struct StatusUnconfirmedTests {
    private func make(_ world: World) throws -> UnsafeMutablePointer<Engine> {
        let engine = try world.child([farm("f", "a", "b") { $0.load = "cpu * 2" }], pid: 1)
        ManagementTests.manage(engine, "farm=f&member=a&admin=off&by=me&reason=why&until=2h")
        ManagementTests.manage(engine, "farm=f&admin=drain&by=me&reason=why&until=2h")
        for member in ["a", "b"] {
            var text = bytes("farm=f&member=\(member)&cpu=0.25&mem=7")
            text.withUnsafeMutableBufferPointer { engine.pointee.update($0, caller: nil, out: nil) }
        }
        return engine
    }

    private func wall<Result>(_ body: () throws -> Result) rethrows -> Result {
        try HostClock.$wall.withValue(ManagementTests.wall + 1, operation: body)
    }

    @Test func neitherNoteNorReport() throws {
        let world = World()
        let engine = try make(world)
        engine.row(0).pointee.sequence |= 1
        engine.pointee.farms[0].row.pointee.sequence |= 1
        try wall {
            let (whole, member, other) = (
                try engine.farmJSON(), try engine.memberJSON(0), try engine.memberJSON(1)
            )
            for row in [whole, member] {
                for key in ["admin_by", "admin_reason", "admin_since", "admin_until"] {
                    #expect(row[key] is NSNull, "\(key)")
                }
                let drain = try #require(row["drain"] as? [String: Any])
                #expect(drain["inflight_at_start"] is NSNull && drain["clients_at_start"] is NSNull)
            }
            #expect(whole["admin"] as? String == "drain" && member["admin"] as? String == "off")
            #expect((member["metrics"] as? [String: Any])?.isEmpty == true)
            #expect(member["load"] as? Double == 0.5, "requests go by it as it stands")
            #expect(member["update_age_s"] is Double && member["updates"] as? Int == 1)
            #expect(other["metrics"] as? [String: Double] == ["cpu": 0.25, "mem": 7], "the other row is not touched")
            let page = engine.text(.page)
            #expect(page.contains("<b>off</b>, by whom and why is not known at this moment"))
            #expect(page.contains("<b>drain</b>, by whom and why is not known at this moment"))
            #expect(!page.contains("by the configuration"))
            #expect(engine.samples().keys.filter { $0.hasPrefix("farm_member_metric") && $0.contains("\"a\"") }.isEmpty)
        }
    }

    @Test func andAllOfItAfterwards() throws {
        let world = World()
        let engine = try make(world)
        engine.row(0).pointee.sequence += 1
        engine.row(0).pointee.sequence += 1
        try wall {
            let member = try engine.memberJSON()
            #expect(member["admin_by"] as? String == "me" && member["admin_reason"] as? String == "why")
            #expect(member["metrics"] as? [String: Double] == ["cpu": 0.25, "mem": 7])
            #expect(!engine.text(.page).contains("not known at this moment"))
        }
    }
}
