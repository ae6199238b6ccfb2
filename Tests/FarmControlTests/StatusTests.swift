import Testing

@testable import FarmControl

@Suite struct StatusTests {
    static let text = Sample.status(
        Sample.farm(
            "app", more: ",\"requests_per_s\":12.34",
            Sample.member(
                "a", inflight: 3,
                more: ",\"load\":0.42,\"errors\":7,\"latency_ms\":{\"p50\":1.5,\"p99\":12500},\"update_age_s\":61"),
            Sample.member(
                "b", admin: "drain", inflight: 2, clients: 4,
                more: """
                    ,"admin_by":"ann","admin_reason":"new \\u001b kernel","admin_since":"2026-11-25T11:00:00Z",\
                    "admin_until":"2026-11-25T14:00:00Z","drain":{"inflight_at_start":8,"clients_at_start":10}
                    """),
            Sample.member("c", health: "down", more: ",\"health_by\":\"failures\"")),
        Sample.farm("gold", condition: "down"))

    func lines(_ screen: Screen = Screen(), _ target: String? = nil, _ order: StatusTable.Order? = nil) throws
        -> [String]
    {
        try StatusTable(Sample.read(Self.text), of: target.map { try Target(parsing: $0) }, order: order).lines(screen)
    }

    @Test func tableOfAll() throws {
        let expected = """
            app  ok  adaptive  3 of 3 available  12.3 req/s  0 failovers
              MEMBER  ADMIN  HEALTH  FRESH  SHARE  REQ/S  INFLIGHT  LOAD     P50    P99  ERRORS  UPDATE
              a       on     up      in       50%      -         3  0.42  1.50ms  12.5s       7    1min
              b       drain  up      in       50%      -         2     -       -      -       -       -
                drain by ann, for 1h, until 2026-11-25T14:00:00Z (in 1h 59min): new ? kernel
                left: 2 of 8 requests in flight, 4 of 10 clients tied
              c       on     down    in       50%      -         0     -       -      -       -       -
                down by failures

            gold  down  adaptive  0 of 0 available  - req/s  0 failovers
              no members
            """
        #expect(try lines().joined(separator: "\n") == expected)
    }

    /// Since when a member is down, why, and when it is tried; the sample's time is 12:00.
    @Test func downSaysWhy() throws {
        func note(_ more: String) throws -> String? {
            let text = Sample.status(
                Sample.farm("app", Sample.member("a", health: "down", more: ",\"health_by\":\"failures\"" + more)))
            return try StatusTable(Sample.read(text)).lines(Screen()).first { $0.contains("down by") }
                .map { String($0.drop { $0 == " " }) }
        }
        let error = ",\"last_error\":{\"what\":\"connection refused\",\"at\":\"2026-11-25T11:59:58Z\"}"
        let since = ",\"health_since\":\"2026-11-25T11:59:45Z\""
        #expect(try note(since) == "down by failures, for 15s")
        #expect(
            try note(since + error + ",\"next_trial\":\"2026-11-25T12:00:09Z\"")
                == "down by failures, for 15s: connection refused; next trial in 8.5s")
        #expect(
            try note(error + ",\"next_trial\":\"2026-11-25T11:59:50Z\"")
                == "down by failures: connection refused; the next request may try it")
        #expect(try note(",\"last_error\":null,\"next_trial\":null,\"health_since\":null") == "down by failures")
    }

    @Test func partsAndOrders() throws {
        func names(_ order: StatusTable.Order) throws -> [String] {
            try lines(Screen(), "app", order).filter { $0.hasPrefix("  ") && !$0.hasPrefix("   ") }.dropFirst()
                .compactMap { $0.split(separator: " ").first.map(String.init) }
        }
        #expect(try names(.inflight) == ["a", "b", "c"] && names(.errors) == ["a", "b", "c"])
        #expect(try names(.name) == ["a", "b", "c"] && names(.share) == ["a", "b", "c"])
        #expect(try lines(Screen(), "APP/c").count == 4)
        for (target, says) in [
            ("web", "there is no farm 'web'"), ("app/x", "its members are"), ("ap", "did you mean 'app'?"),
        ] {
            let failure = #expect(throws: Failure.self) { try lines(Screen(), target) }
            #expect(failure?.status == .data && failure?.message.contains(says) == true)
        }
    }

    @Test(arguments: 30...120) func noLineIsWiderThanTheScreen(_ width: Int) throws {
        for line in try lines(Screen(width: width)) { #expect(line.count <= width, "\(line)") }
    }

    /// What a server sends is not believed: whatever it is, it is shown or refused.
    @Test(arguments: 0..<40) func anyAnswerIsShownOrRefused(_ seed: UInt64) {
        var state = seed &* 0x9E37_79B9_7F4A_7C15 &+ 1
        func random(_ limit: Int) -> Int {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return Int(state >> 33) % limit
        }
        let pieces = [
            "9e307", "-1", "1e-300", "null", "\"\"", "[]", "{}", "9007199254740993", "\\u0000", "\u{1B}[2J", "\"", "}",
            "99",
        ]
        for _ in 0..<50 {
            var bytes = Array(Self.text.utf8)
            for _ in 0...random(6) {
                let at = random(bytes.count)
                let end = min(bytes.count, at + random(8))
                bytes.replaceSubrange(
                    at..<end, with: random(2) == 0 ? Array(pieces[random(pieces.count)].utf8) : [UInt8(random(256))])
            }
            guard let json = JSONReader.read(bytes), let status = FarmsStatus(json) else { continue }
            let lines = try? StatusTable(status, order: .load).lines(Screen(width: 80))
            #expect(lines?.contains { $0.contains("\u{1B}") } == false)
            _ = try? StatusVerdict(status)
            _ = try? DrainWait([Target(farm: "app")], limit: nil, isRequestsOnly: false).left(status)
        }
    }

    @Test func colourIsNeverTheOnlySign() throws {
        let painted = try lines(Screen(colour: true)).joined(separator: "\n")
        #expect(painted.contains("\u{1B}[31m"))
        #expect(painted.replacing(#/\x1B\[[0-9]*m/#, with: "") == (try lines().joined(separator: "\n")))
    }

    @Test(
        arguments: [
            (nil, .critical, "CRITICAL: gold is down; not available: app/b (admin drain), app/c (health down)"),
            ("app", .no, "WARNING: not available: app/b (admin drain), app/c (health down)"),
            ("app/a", .done, "OK: app/a admin on, health up, fresh in"),
            ("app/c", .no, "WARNING: app/c admin on, health down, fresh in"),
            ("gold", .critical, "CRITICAL: gold is down"),
        ] as [(String?, Exit, String)])
    func verdicts(_ target: String?, _ status: Exit, _ line: String) throws {
        let verdict = try StatusVerdict(Sample.read(Self.text), of: target.map { try Target(parsing: $0) })
        #expect(verdict.status == status && verdict.line == line)
    }

    @Test func aServerThatDoesNotSayIsUnknown() async throws {
        let console = FakeConsole()
        let status = try await StatusReport().check(FakeTransport([.failure(.connectionRefused)]).server, on: console)
        #expect(
            status == .unknown && console.text.hasPrefix("UNKNOWN: http://balancer/farm-status: connection refused"))
    }

    @Test func jsonIsWhatTheServerSent() async throws {
        var report = StatusReport()
        report.isJSON = true
        let console = FakeConsole()
        try await report.show(FakeTransport(Self.text).server, on: console)
        #expect(console.text == Self.text.replacing("\\u001b", with: "\\u001b") + "\n")
        report.target = try Target(parsing: "app/a")
        let one = FakeConsole()
        try await report.show(FakeTransport(Self.text).server, on: one)
        let json = try #require(JSONReader.read(Array(one.text.utf8)))
        #expect(json["farms"]?.array?.count == 1 && json["farms"]?.array?[0]["members"]?.array?.count == 1)
    }

    @Test func watchingGoesOnWhileTheServerIsAway() async throws {
        let transport = FakeTransport([
            .success(.text(Self.text)), .failure(.connectionRefused), .success(.text(Self.text)),
        ])
        let console = FakeConsole(width: 100, height: 8, isLive: true)
        try await StatusReport().watch(transport.server, on: console, interval: 2, rounds: 3)
        #expect(console.sleeps == [2, 2])
        let pictures = console.text.components(separatedBy: "\u{1B}[H").dropFirst()
        #expect(pictures.count == 3)
        #expect(
            pictures[2].contains("connection refused") && pictures[1].contains("app  ok")
                && pictures[3].contains("app  ok"))
        for picture in pictures { #expect(picture.split(separator: "\n", omittingEmptySubsequences: false).count <= 8) }
        #expect(pictures[1].contains("more lines"))
        let failure = await failure {
            try await StatusReport().watch(FakeTransport("", status: 401).server, on: console, interval: 2, rounds: 3)
        }
        #expect(failure?.status == .refused)
    }

    @Test func watchingAPipeWritesOneAfterTheOther() async throws {
        let console = FakeConsole()
        let transport = FakeTransport([.success(.text(Self.text)), .failure(.timedOut), .success(.text(Self.text))])
        try await StatusReport().watch(transport.server, on: console, interval: 1, rounds: 3)
        #expect(!console.text.contains("\u{1B}") && console.complaints.count == 1)
        #expect(console.lines.filter { $0 == "2026-11-25T12:00:00Z" }.count == 2)
    }
}
