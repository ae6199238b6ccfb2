import CFarmABI
import FarmTestSupport
import Foundation
import Testing

/// farm-manager, the state file and routes through the C functions.
@Suite struct ManageTests {
    @discardableResult
    static func manage(
        _ abi: Abi, _ text: [UInt8], by: String = "tester", nonce: String = "", flags: UInt32 = 0
    ) -> (made: Int32, output: Output) {
        var text = text.map { CChar(bitPattern: $0) }
        let output = Output()
        let made = farm_on_manage(
            abi.engine, &text, UInt32(text.count), by, UInt32(by.utf8.count), nonce, UInt32(nonce.utf8.count), flags,
            output.handle)
        return (made, output)
    }

    @discardableResult
    static func manage(_ abi: Abi, _ text: String) -> (made: Int32, output: Output) { manage(abi, bytes(text)) }

    static func state(_ abi: Abi) -> [UInt8] {
        let output = Output()
        farm_on_state_write(abi.engine, output.handle)
        return output.bytes
    }

    static func read(_ abi: Abi, _ text: [UInt8]) -> (what: String?, line: UInt32) {
        var text = text.map { CChar(bitPattern: $0) }
        var line: UInt32 = 0
        let what = farm_on_state_read(abi.engine, &text, UInt32(text.count), &line)
        return (what.map { String(cString: $0) }, line)
    }

    private func farms(_ abi: Abi) throws -> [[String: Any]] {
        try #require(try StatusTests.parse(abi.status())["farms"] as? [[String: Any]])
    }

    private func member(_ abi: Abi) throws -> [String: Any] {
        try #require((try farms(abi)[0]["members"] as? [[String: Any]])?.first)
    }

    private static func encoded(_ text: String) -> String {
        text.utf8.map { "%" + String($0 >> 4, radix: 16) + String($0 & 15, radix: 16) }.joined()
    }

    // MARK: Notes in JSON

    /// Who and why are people's words, in every script, and JSON whatever they hold.
    @Test(arguments: [
        "söphie", "日本語", "😀 off", "\"quoted\"", "back\\slash", "a/b <c> & 'd'", "\\u0041", "{\"a\":1}", " ", "null",
        "\u{A0}",
        "e\u{301}\u{202E}", "],[",
    ])
    func aNote(_ text: String) throws {
        let abi = try Abi([FarmSpec("app", [MemberSpec("a"), MemberSpec("b")])])
        let note = "by=\(Self.encoded(text))&reason=\(Self.encoded(text))"
        #expect(Self.manage(abi, "farm=app&member=a&admin=off&until=1h&\(note)").made == 1)
        #expect(Self.manage(abi, "farm=app&admin=drain&until=2099-01-01T00:00:00%2B01:00&\(note)").made == 1)
        let (farm, member) = (try farms(abi)[0], try member(abi))
        for row in [farm, member] {
            #expect(row["admin_by"] as? String == text && row["admin_reason"] as? String == text)
        }
        #expect(member["admin"] as? String == "off" && farm["admin"] as? String == "drain")
        #expect(farm["admin_until"] as? String == "2098-12-31T23:00:00Z")
        let since = try #require(member["admin_since"] as? String)
        let until = try #require(member["admin_until"] as? String)
        #expect(since.wholeMatch(of: /\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ/) != nil && until > since)
        // A restart later it is the same.
        let after = try Abi([FarmSpec("app", [MemberSpec("a"), MemberSpec("b")])])
        #expect(Self.read(after, Self.state(abi)).what == nil)
        #expect(try self.member(after)["admin_reason"] as? String == text)
    }

    @Test func theLongestNote() throws {
        let abi = try Abi([FarmSpec("app", [MemberSpec("a")])])
        let (by, reason) = (String(repeating: "\"", count: 63), String(repeating: "€", count: 63) + "\\\\")
        #expect(Self.manage(abi, "farm=app&member=a&admin=off&by=\(by)&reason=\(Self.encoded(reason))").made == 1)
        let member = try member(abi)
        #expect(member["admin_by"] as? String == by && member["admin_reason"] as? String == reason)
    }

    /// What the configuration says has nobody who said it.
    @Test func nobodysNote() throws {
        let abi = try Abi([FarmSpec("app", [MemberSpec("a", admin: 1)])])
        for row in [try farms(abi)[0], try member(abi)] {
            for unset in ["admin_by", "admin_reason", "admin_until"] { #expect(row[unset] is NSNull, "\(unset)") }
            #expect(row["admin_since"] is String)
        }
        Self.manage(abi, "farm=app&member=a&admin=on")
        #expect(try member(abi)["admin_by"] as? String == "tester")
        #expect(try member(abi)["admin_reason"] is NSNull)
    }

    /// "While the farm itself is off or draining no member of it is available": members' own admin is untouched.
    @Test(arguments: ["off", "drain"]) func aFarmThatIsTakenOut(_ admin: String) throws {
        let abi = try Abi([FarmSpec("app", [MemberSpec("a"), MemberSpec("b")])])
        Self.manage(abi, "farm=app&admin=\(admin)")
        let farm = try farms(abi)[0]
        #expect(farm["admin"] as? String == admin && farm["condition"] as? String == "offline")
        #expect(farm["available"] as? Int == 0)
        let member = try member(abi)
        #expect(member["available"] as? Bool == false && member["admin"] as? String == "on")
        #expect(member["health"] as? String == "up" && member["fresh"] as? String == "in")
        #expect(abi.chosen() == nil && abi.condition(0) == 2)
    }

    @Test func aFormAndItsNonce() throws {
        let abi = try Abi([FarmSpec("app", [MemberSpec("a")])])
        let text = bytes("farm=app&admin=off&nonce=abc")
        for nonce in ["", "ab", "abcd", "abd"] {
            let (made, output) = Self.manage(abi, text, nonce: nonce, flags: FARM_MANAGE_BY_FORM)
            #expect(made == 0 && output.status == 403 && output.timesSaid == 1)
        }
        #expect(abi.condition(0) == 0)
        #expect(Self.manage(abi, text, nonce: "abc", flags: FARM_MANAGE_BY_FORM).made == 1)
        #expect(abi.condition(0) == 2)
    }

    @Test func countsOfWhatWentElsewhere() throws {
        let abi = try Abi([FarmSpec("app", [MemberSpec("a")]), FarmSpec("gold", [])])
        func request(_ farm: UInt32, status: UInt32, _ change: (UnsafeMutablePointer<farm_request>) -> Void) {
            var request = farm_request()
            request.farm = farm
            request.addressed = farm
            _ = farm_on_choose(abi.engine, &request, 1)
            farm_on_drop(abi.engine, &request)
            change(&request)
            // Once, however often it is said.
            for _ in 0..<2 { farm_on_finished(abi.engine, &request, status, 0) }
        }
        for _ in 0..<2 { request(1, status: 302) { farm_on_redirected($0) } }
        for _ in 0..<3 { request(0, status: 200) { farm_on_forwarded($0, 1) } }
        request(0, status: 200) { farm_on_forwarded($0, FARM_NONE) }
        request(1, status: 503) { _ in }
        let farms = try farms(abi)
        #expect(farms.map { $0["redirected"] as? Int } == [0, 2] && farms.map { $0["forwarded"] as? Int } == [4, 0])
        #expect(farms.map { $0["requests"] as? Int } == [4, 3] && farms.map { $0["refused"] as? Int } == [0, 1])
        let answers = farms.map { $0["answers"] as? [String: Int] ?? [:] }
        #expect(answers[0].filter { $0.value != 0 } == ["2xx": 4])
        #expect(answers[1].filter { $0.value != 0 } == ["3xx": 2, "5xx": 1])
    }
}

/// A trap in Swift would kill a child with every request in it; these are the functions that the outside reaches through
/// farm-manager, the state file and sticky routes.
@Suite struct HostileManagementTests {
    private func abi() throws -> Abi {
        var sticky = FarmSpec("app", [MemberSpec("a"), MemberSpec("b")])
        sticky.sticky = ("SID", "sid")
        return try Abi([sticky, FarmSpec("empty", [])])
    }

    @Test func nullEverywhere() {
        var request = farm_request()
        var line: UInt32 = 7
        #expect(farm_on_manage(nil, nil, 0, nil, 0, nil, 0, 0, nil) == 0)
        #expect(farm_on_manage(nil, nil, .max, nil, .max, nil, .max, .max, nil) == 0)
        farm_on_state_write(nil, nil)
        #expect(farm_on_state_read(nil, nil, .max, &line) == nil && line == 7)
        farm_on_tick(nil)
        farm_on_route(nil, &request, "SID=x.a", 7, "/", 1, nil, 0)
        farm_on_route(nil, nil, nil, 0, nil, 0, nil, 0)
        farm_on_redirected(nil)
        farm_on_forwarded(nil, 0)
        farm_on_finished(nil, nil, 200, 0)
        farm_on_finished(nil, &request, 200, 0)
        #expect(request.flags == 0)
    }

    @Test func nullBesideWhatIsThere() throws {
        let abi = try abi()
        let output = Output()
        #expect(farm_on_manage(abi.engine, nil, .max, nil, .max, nil, .max, 0, output.handle) == 0)
        #expect(output.status == 400 && output.lines.count == 1)
        let form = Output()
        #expect(farm_on_manage(abi.engine, nil, .max, nil, .max, nil, .max, FARM_MANAGE_BY_FORM, form.handle) == 0)
        #expect(form.status == 403)
        farm_on_state_write(abi.engine, nil)
        #expect(farm_on_state_read(abi.engine, nil, .max, nil) != nil)
        var line: UInt32 = 0
        #expect(farm_on_state_read(abi.engine, nil, 0, &line) != nil && line == 1)
        var request = farm_request()
        farm_on_route(abi.engine, nil, "SID=x.a", 7, "/", 1, nil, 0)
        farm_on_route(abi.engine, &request, nil, .max, nil, .max, nil, .max)
        farm_on_route(abi.engine, &request, "", 0, "", 0, "", 0)
        #expect(request.flags == 0)
        farm_on_tick(abi.engine)
    }

    @Test(arguments: HostileTests.numbers) func farmsThatAreNot(_ farm: UInt32) throws {
        let abi = try abi()
        var request = farm_request()
        request.addressed = farm
        request.flags = FARM_REQUEST_COUNTED
        farm_on_redirected(&request)
        farm_on_forwarded(&request, farm)
        farm_on_finished(abi.engine, &request, farm, 1)
        request = farm_request()
        request.farm = farm
        farm_on_route(abi.engine, &request, "SID=x.a", 7, "/;sid=x.b", 9, "sid=x.b", 7)
        #expect((request.flags == FARM_REQUEST_NAMED) == (farm == 0))
        #expect(farm != 0 || request.named == 1)
    }

    /// A member that nobody has: the algorithm chooses, and no place is lost.
    @Test(arguments: HostileTests.numbers) func membersThatAreNot(_ named: UInt32) throws {
        let abi = try abi()
        var request = farm_request()
        request.flags = FARM_REQUEST_NAMED | FARM_REQUEST_BODY_READY
        request.named = named
        #expect(farm_on_choose(abi.engine, &request, 1) == 1)
        #expect(named > 1 ? request.flags & FARM_REQUEST_TIED == 0 : request.member == named)
        farm_on_drop(abi.engine, &request)
        request.farm = 1
        #expect(farm_on_choose(abi.engine, &request, 1) == 0)
    }

    @Test(arguments: HostileTests.numbers) func standInsThatAreNot(_ redirect: UInt32) throws {
        var member = MemberSpec("a", admin: 2)
        member.redirect = redirect
        let abi = try Abi([FarmSpec("app", [member, MemberSpec("b")])])
        var request = farm_request()
        request.flags = FARM_REQUEST_NAMED
        #expect(farm_on_choose(abi.engine, &request, 1) == 1 && request.member == 1)
    }

    /// Farms whose new numbers are beyond all measure serve as well.
    @Test(arguments: [1, 100, 101, .max] as [UInt32]) func settingsBeyondMeasure(_ panic: UInt32) throws {
        var spec = FarmSpec("app", [MemberSpec("a"), MemberSpec("b")])
        spec.panic = panic
        spec.eject = true
        spec.slowStart = .max
        spec.sticky = ("", "")
        let abi = try Abi([spec])
        ManageTests.manage(abi, "farm=app&member=a&health=down")
        ManageTests.manage(abi, "farm=app&member=a&health=up")
        for now: UInt64 in [0, 1, 1 << 40, .max - 1, .max] {
            var request = farm_request()
            _ = farm_on_choose(abi.engine, &request, now)
            farm_on_drop(abi.engine, &request)
        }
        _ = abi.status()
    }

    /// Texts of every kind that a broken caller may hand over: an answer with a status and one line, or a change.
    @Test func rubbish() throws {
        let abi = try abi()
        var numbers = Numbers(21)
        let words = [
            "farm", "member", "admin", "by", "reason", "until", "health", "weight", "nonce", "=", "&", "app", "a",
            "off", "%", "%00", "+",
            "1", "2h", "\u{FF}", "\n",
        ].map { bytes($0) }
        for _ in 0..<20_000 {
            let text = (0..<Int.random(in: 0...12, using: &numbers)).flatMap { _ in
                words.randomElement(using: &numbers)!
            }
            let (made, output) = ManageTests.manage(abi, text, flags: UInt32.random(in: 0...3, using: &numbers))
            #expect(output.timesSaid == 1 && output.lines.count == 1 && (output.status == 200) == (made == 1))
        }
        let before = ManageTests.state(abi)
        for _ in 0..<5_000 {
            let text =
                bytes("mod_proxy_farm state 1\n") + (0..<8).flatMap { _ in words.randomElement(using: &numbers)! }
            let (what, line) = ManageTests.read(abi, text)
            if what != nil { #expect(line > 0 && ManageTests.state(abi) == before) } else { break }
        }
    }
}
