import CFarm
import CFarmABI
import FarmTestSupport
import Testing

/// farm-update and farm-balance through the C functions alone: what is answered, and that a refused update changes nothing.
@Suite struct UpdateTests {
    private func update(_ abi: Abi, _ text: String, from caller: Caller? = nil) -> Output {
        let output = Output()
        var bytes = Array(text.utf8CString)
        farm_on_update(abi.engine, &bytes, UInt32(bytes.count - 1), caller?.handle, output.handle)
        return output
    }

    private func balance(_ abi: Abi, _ query: String) -> Output {
        let output = Output()
        var bytes = Array(query.utf8CString)
        farm_on_balance(abi.engine, &bytes, UInt32(bytes.count - 1), nil, output.handle)
        return output
    }

    private func members(_ abi: Abi, _ farm: Int = 0) throws -> [[String: Any]] {
        let farms = try #require(try StatusTests.parse(abi.status())["farms"] as? [[String: Any]])
        return try #require(farms[farm]["members"] as? [[String: Any]])
    }

    private func metrics(_ abi: Abi, _ member: Int = 0) throws -> [String: Double] {
        try #require(try members(abi)[member]["metrics"] as? [String: Double])
    }

    /// The status without what moves by itself.
    private func still(_ abi: Abi) -> String {
        String(decoding: abi.status(), as: UTF8.self).replacing(/"update_age_s":[0-9.]+/, with: "")
    }

    @Test func storesAndTellsHowTheMemberIsSeen() throws {
        let abi = try Abi([FarmSpec("app", [MemberSpec("a"), MemberSpec("b")])])
        let output = update(abi, "farm=app&member=a&cpu=0.42&db=57&member=b")
        #expect(output.status == 200 && output.timesSaid == 1)
        #expect(output.lines[0] == "ok 2")
        // The mean of 0.42 and 57 is 28.71; b, which has pushed nothing, counts as the mean.
        #expect(output.lines[1] == "app a admin=on health=up fresh=in available=yes share=0.5 load=28.71 inflight=0")
        #expect(output.lines[2] == "app b admin=on health=up fresh=in available=yes share=0.5 load=- inflight=0")
        #expect(try metrics(abi) == ["cpu": 0.42, "db": 57])
        #expect(update(abi, "farm=app&member=a&cpu=0.5").status == 200)
        #expect(try metrics(abi) == ["cpu": 0.5, "db": 57], "what is left out keeps its last value")
    }

    @Test(arguments: [
        ("farm=app&member=a&cpu=1&member=a&cpu=1e999", 400, "(group 2)"),
        ("farm=app&member=a&cpu=1&member=x", 404, "farm app has no member 'x' (group 2)"),
        ("farm=app&member=a&cpu=1&farm=other&member=a", 404, "there is no farm 'other' (group 2)"),
        ("farm=app&member=a&cpu=1&farm=b%2Fb", 400, "(group 2)"),
        ("farm=app&member=a&n1=1&n2=1&n3=1&n4=1&n5=1", 413, "FarmTable metrics=N (group 1)"),
        ("farm=app&member=a&n1=1&n2=1&n3=1&member=b&n4=1&n5=1", 413, "'n5'; raise FarmTable metrics=N (group 2)"),
        ("farm=app&cpu=1", 404, "no member of farm app has your address, 192.0.2.1"),
        ("cpu=1", 400, "farm= is missing"),
    ])
    func allOrNothing(_ text: String, _ status: Int, _ says: String) throws {
        let config = [FarmSpec("app", [MemberSpec("a"), MemberSpec("b")])]
        let abi = try Abi(config, metrics: 4)
        let before = still(abi)
        let output = update(abi, text)
        #expect(output.status == UInt32(status) && output.timesSaid == 1)
        #expect(
            output.lines.count == 1 && output.text.hasPrefix("error: ") && output.text.contains(says), "\(output.text)")
        #expect(still(abi) == before)
        // Not even a name was taken: four others have room.
        #expect(update(abi, "farm=app&member=a&w=1&x=1&y=1&z=1").status == 200)
        #expect(try metrics(abi).count == 4)
    }

    @Test func theCallersMember() throws {
        let abi = try Abi([FarmSpec("app", [MemberSpec("a"), MemberSpec("b")])])
        #expect(update(abi, "farm=app&cpu=1", from: Caller([0: [1]])).status == 200)
        #expect(try metrics(abi, 1) == ["cpu": 1])
        let several = update(abi, "farm=app&cpu=2", from: Caller([0: [0, 1]]))
        #expect(several.status == 400 && several.text.contains("several members"))
        #expect(try metrics(abi, 1) == ["cpu": 1])
        // An answer of the host's that cannot be is none.
        #expect(update(abi, "farm=app&cpu=2", from: Caller([0: [7]])).status == 404)
    }

    @Test func aMonitorsWordIsNeitherTheAdministratorsNorATrials() throws {
        let abi = try Abi([FarmSpec("app", [MemberSpec("a"), MemberSpec("b", admin: 2)])])
        #expect(
            update(abi, "farm=app&member=a&health=down").lines[1].contains(
                "health=down fresh=in available=no share=0.0 ")
        )
        #expect(try members(abi)[0]["health_by"] as? String == "monitor")
        #expect(abi.chosen() == nil, "no trial brings it back")
        #expect(abi.condition(0) == 3)
        #expect(update(abi, "farm=app&member=a").lines[1].contains("health=down"), "a heartbeat is no verdict")
        #expect(
            update(abi, "farm=app&member=b&health=up").lines[1].contains("admin=off health=up fresh=in available=no"))
        #expect(
            update(abi, "farm=app&member=a&health=up").lines[1].contains("health=up fresh=in available=yes share=1.0 "))
        #expect(abi.chosen() != nil)
    }

    @Test func theFormulaMakesTheLoad() throws {
        var app = FarmSpec("app", [MemberSpec("a")])
        app.load = "cpu / cores + 1"
        let abi = try Abi([app])
        #expect(update(abi, "farm=app&member=a&cpu=3").lines[1].contains(" load=- "), "an operand is unknown")
        #expect(update(abi, "farm=app&member=a&cores=2").lines[1].contains(" load=2.5 "))
        #expect(update(abi, "farm=app&member=a&cores=0").lines[1].contains(" load=- "))
        #expect(try members(abi)[0]["load"] is Double == false)
    }

    @Test func areportOfAnAnswerIsAnUpdate() throws {
        let abi = try Abi([FarmSpec("app", [MemberSpec("a")])])
        var request = try #require(abi.chosen())
        func report(_ text: String) { farm_on_report(abi.engine, &request, text, UInt32(text.utf8.count)) }
        report("TEXT cpu_utilization=0.25, named_metrics.db=12")
        #expect(try metrics(abi) == ["cpu_utilization": 0.25, "db": 12])
        report("JSON {\"cpu_utilization\": 0.5}")
        report("cpu_utilization=nan")
        report("")
        #expect(try metrics(abi) == ["cpu_utilization": 0.5, "db": 12])
        #expect(try members(abi)[0]["bad_reports"] as? Int == 2)
        farm_on_drop(abi.engine, &request)
        report("cpu_utilization=0.75")
        #expect(try metrics(abi)["cpu_utilization"] == 0.5, "an attempt that is over reports nothing")
    }

    @Test func askingCountsAsAChoiceAndHoldsNothing() throws {
        let abi = try Abi([FarmSpec("app", [MemberSpec("a")]), FarmSpec("none", [MemberSpec("a", admin: 2)])])
        let output = balance(abi, "farm=app")
        #expect(output.status == 200 && output.text == "http://192.0.2.7:8080\n")
        #expect(try members(abi)[0]["requests"] as? Int == 1)
        #expect(try members(abi)[0]["inflight"] as? Int == 0)
        #expect(balance(abi, "farm=app&farm=none").lines == ["app http://192.0.2.7:8080", "none offline"])
        let none = balance(abi, "farm=none")
        #expect(none.status == 503 && none.text == "offline\n")
        #expect(balance(abi, "farm=x").status == 404)
        #expect(balance(abi, "").status == 400)
        #expect(balance(abi, "farm=%zz").status == 400)
        #expect(balance(abi, "farm=app&x=1").status == 400)
    }
}
