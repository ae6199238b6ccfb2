import Testing

@testable import FarmControl

@Suite struct CommandTests {
    @Test(
        arguments: [
            ([("admin", "of")], "admin= takes on, drain or off"),
            ([("admin", "off"), ("until", "noon")], "--until takes a time"),
            ([("admin", "off"), ("until", "2020-01-01T00:00:00Z")], "--until takes a time to come"),
            ([("admin", "on"), ("until", "2h")], "leave it out"),
            ([("weight", "0")], "weight= takes a number from 1 to 1000"),
            ([("admin", "off"), ("by", String(repeating: "x", count: 64))], "--by takes at most 63"),
            ([("admin", "off"), ("reason", "a\nb")], "--reason takes UTF-8 text"), ([], "nothing is to be changed"),
        ] as [([(String, String)], String)])
    func wrongChanges(_ fields: [(String, String)], _ says: String) async {
        let failure = await failure { _ = try ChangeOrder([Target(farm: "app", member: "a")], fields) }
        #expect(failure?.status == .data && failure?.message.contains(says) == true, "\(failure?.message ?? "none")")
    }

    @Test func changesAreSentOneByOne() async throws {
        let transport = FakeTransport("ok app a admin=off load=- share=0.5\n", "ok gold admin=off condition=offline\n")
        let order = try ChangeOrder(
            [Target(farm: "app", member: "a"), Target(farm: "gold")], [("admin", "off"), ("reason", "a b")])
        let console = FakeConsole()
        try await order.send(transport.server, on: console, isJSON: true)
        #expect(
            transport.requests.map(\.body) == [
                "farm=app&member=a&admin=off&reason=a+b", "farm=gold&admin=off&reason=a+b",
            ])
        #expect(
            console.lines == [
                #"{"farm":"app","member":"a","admin":"off","load":null,"share":0.5}"#,
                #"{"farm":"gold","admin":"off","condition":"offline"}"#,
            ])
    }

    @Test func whatWasNotChangedIsSaid() async throws {
        let transport = FakeTransport([.success(.text("ok app a admin=off\n")), .failure(.connectionRefused)])
        let order = try ChangeOrder([Target(farm: "app", member: "a"), Target(farm: "gold")], [("admin", "off")])
        let failure = await failure { try await order.send(transport.server, on: FakeConsole(), isJSON: false) }
        #expect(failure?.status == .unreachable && failure?.message.hasSuffix("not changed: gold") == true)
    }

    @Test func whoSaysSo() {
        #expect(ChangeOrder.by("ann", isKnownToServer: true).map(\.1) == ["ann"])
        #expect(ChangeOrder.by(nil, isKnownToServer: true).isEmpty)
    }

    @Test(
        arguments: [
            (["a", "cpu=x"], .data, "cpu= takes a finite decimal number"),
            (["a", "cpu"], .usage, "'cpu' has no value"),
            (["a", "9x=1"], .data, "'9x' names no metric"), (["a", "cpu=1", "cpu=2"], .data, "stands twice"),
            (["a", "health=well"], .data, "health= takes up or down"), (["a", "cpu="], .data, "cpu= is empty"),
            (["a", "member=b"], .data, "write FARM MEMBER first"), (["a/b", "cpu=1"], .usage, "a member's name"),
            (["a", "farm=b"], .data, "write FARM MEMBER first"),
        ] as [([String], Exit, String)])
    func wrongUpdates(_ words: [String], _ status: Exit, _ says: String) async {
        let failure = await failure { _ = try PushOrder(farm: "app", words: words) }
        #expect(failure?.status == status && failure?.message.contains(says) == true, "\(failure?.message ?? "none")")
        #expect(failure?.message.contains("error:") == false && failure?.message.contains("group") == false)
    }

    @Test func updatesAreForms() async throws {
        #expect(
            try PushOrder(farm: "app", words: ["a", "cpu=.5", "health=up"]).form == "farm=app&member=a&cpu=.5&health=up"
        )
        #expect(try PushOrder(farm: "app", words: ["cpu=-1e3"]).form == "farm=app&cpu=-1e3")
        #expect(try PushOrder(farm: "app", words: []).form == "farm=app")
        let transport = FakeTransport("ok 1\napp a admin=on share=1\n")
        let console = FakeConsole()
        try await PushOrder(farm: "app", words: ["a"]).send(transport.server, on: console, isJSON: false)
        #expect(console.text == "app a admin=on share=1\n")
    }

    @Test func balanceSaysNoWhenAFarmHasNobody() async throws {
        let console = FakeConsole()
        let good = try await BalanceQuestion(["app"]).ask(
            FakeTransport("http://a/\n").server, on: console, isJSON: false)
        #expect(good == .done && console.text == "http://a/\n")
        let bad = try await BalanceQuestion(["app"]).ask(
            FakeTransport("down\n", status: 503).server, on: console, isJSON: true)
        #expect(bad == .no && console.lines.last == #"{"farm":"app","url":null,"condition":"down"}"#)
        #expect(await failure { _ = try BalanceQuestion(["app/a"]) }?.status == .usage)
    }
}
