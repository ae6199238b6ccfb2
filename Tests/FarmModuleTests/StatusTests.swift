import CFarmABI
import FarmTestSupport
import Foundation
import Testing

/// The status as JSON: the keys of the contract, which never change, and values that are what happened.
@Suite struct StatusTests {
    static func parse(_ bytes: [UInt8]) throws -> [String: Any] {
        try #require(try JSONSerialization.jsonObject(with: Data(bytes)) as? [String: Any])
    }

    private func status() throws -> [String: Any] {
        let abi = try Abi([
            FarmSpec(
                "app", [MemberSpec("a", weight: 7, tier: 2, admin: 1), MemberSpec("b"), MemberSpec("c", admin: 2)]),
            FarmSpec("empty", []),
        ])
        var request = try #require(abi.chosen())
        _ = farm_on_answer(abi.engine, &request, 200, 1, 2_001)
        _ = farm_on_end(abi.engine, &request, FARM_SAW_SENT | FARM_SAW_ANSWER, 1, 30, 40)
        _ = abi.chosen()
        return try Self.parse(abi.status())
    }

    @Test func topAndModule() throws {
        let status = try status()
        #expect(Set(status.keys).isSuperset(of: ["module", "farms", "cookies"]))
        let module = try #require(status["module"] as? [String: Any])
        #expect(Set(module.keys).isSuperset(of: ["version", "built", "mpm", "generation", "locks", "started"]))
        #expect(module["version"] as? String == "1.2.3" && module["built"] as? String == "tests")
        #expect(module["mpm"] as? String == "event" && module["locks"] as? String == "row")
        #expect(module["generation"] as? Int == 1)
        let started = try #require(module["started"] as? String)
        #expect(started.wholeMatch(of: /\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ/) != nil)
        let cookies = try #require(status["cookies"] as? [String: Any])
        #expect(
            Set(cookies.keys).isSuperset(of: [
                "accepted", "bad_mac", "expired", "malformed", "unknown_key",
                "unknown_target", "other_client",
            ]))
        #expect(cookies.values.allSatisfy { $0 as? Int == 0 })
    }

    @Test func farms() throws {
        let farms = try #require(try status()["farms"] as? [[String: Any]])
        #expect(farms.map { $0["name"] as? String } == ["app", "empty"])
        for farm in farms {
            #expect(
                Set(farm.keys).isSuperset(of: [
                    "name", "algorithm", "admin", "condition", "available", "requests",
                    "failovers", "redirected", "forwarded", "members",
                ]))
        }
        #expect(farms[0]["algorithm"] as? String == "adaptive")
        #expect(farms[0]["admin"] as? String == "on")
        #expect(farms[0]["condition"] as? String == "ok")
        #expect(farms[0]["available"] as? Int == 1)
        #expect(farms[0]["requests"] as? Int == 2)
        #expect(farms[1]["condition"] as? String == "down")
        #expect((farms[1]["members"] as? [Any])?.isEmpty == true)
    }

    @Test func members() throws {
        let farms = try #require(try status()["farms"] as? [[String: Any]])
        let members = try #require(farms[0]["members"] as? [[String: Any]])
        #expect(members.map { $0["name"] as? String } == ["a", "b", "c"])
        for member in members {
            #expect(
                Set(member.keys).isSuperset(of: [
                    "name", "url", "admin", "admin_by", "admin_reason", "admin_since", "admin_until", "health",
                    "health_by",
                    "fresh", "available", "tier", "weight", "load", "inflight", "requests", "errors", "bytes_in",
                    "bytes_out",
                    "latency_ms", "metrics", "update_age_s",
                ]))
            let latency = try #require(member["latency_ms"] as? [String: Any])
            #expect(Set(latency.keys).isSuperset(of: ["ewma", "p50", "p99"]))
            #expect(member["metrics"] is [String: Any])
            for unset in ["admin_by", "admin_reason", "admin_until", "load", "update_age_s", "health_by"] {
                #expect(member[unset] is NSNull, "\(unset) is unknown")
            }
            #expect(member["health"] as? String == "up" && member["fresh"] as? String == "in")
        }
        #expect(members.map { $0["admin"] as? String } == ["drain", "on", "off"])
        #expect(members.map { $0["available"] as? Bool } == [false, true, false])
        #expect(members[0]["weight"] as? Int == 7 && members[0]["tier"] as? Int == 2)
        #expect(members[1]["url"] as? String == "http://b.test:8080")
        #expect(members[1]["requests"] as? Int == 2 && members[1]["inflight"] as? Int == 1)
        #expect(members[1]["bytes_in"] as? Int == 30 && members[1]["bytes_out"] as? Int == 40)
        #expect((members[1]["latency_ms"] as? [String: Any])?["ewma"] as? Double == 2)
        #expect((members[0]["latency_ms"] as? [String: Any])?["p50"] is NSNull)
    }

    @Test func aMemberThatIsDownSaysWhy() throws {
        let abi = try Abi([FarmSpec("f", [MemberSpec("a")])])
        var request = try #require(abi.chosen())
        _ = farm_on_end(abi.engine, &request, FARM_SAW_UNREACHABLE, 1, 0, 0)
        let farms = try #require(try Self.parse(abi.status())["farms"] as? [[String: Any]])
        let member = try #require((farms[0]["members"] as? [[String: Any]])?.first)
        #expect(member["health"] as? String == "down" && member["health_by"] as? String == "failures")
        #expect(member["errors"] as? Int == 1)
        #expect(farms[0]["condition"] as? String == "down" && farms[0]["available"] as? Int == 0)
    }

    /// The parent shows the same page, though it serves nothing; and a large one comes in many pieces.
    @Test func alsoWithoutAChildAndAtLength() throws {
        let members = (0..<16).map { MemberSpec("member-\($0)-\(String(repeating: "x", count: 45))") }
        let abi = try Abi([FarmSpec("f", members)], pid: nil)
        let bytes = abi.status()
        #expect(bytes.count > 4_096)
        let farms = try #require(try Self.parse(bytes)["farms"] as? [[String: Any]])
        #expect((farms[0]["members"] as? [Any])?.count == 16)
    }

    /// A URL is text from the configuration, and JSON whatever it holds.
    @Test func textIsEscaped() throws {
        var member = MemberSpec("a")
        member.url = "http://h/\"\\\u{1}\u{7F}ä"
        let abi = try Abi([FarmSpec("f", [member])])
        let farms = try #require(try Self.parse(abi.status())["farms"] as? [[String: Any]])
        let url = try #require((farms[0]["members"] as? [[String: Any]])?.first?["url"] as? String)
        #expect(url.hasPrefix("http://h/\"\\\u{1}\u{7F}"))
    }
}
