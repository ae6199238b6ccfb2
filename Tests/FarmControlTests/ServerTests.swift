import Testing

@testable import FarmControl

@Suite struct ServerTests {
    @Test func handlersAreBelowTheServer() throws {
        let address = try ServerAddress(base: "http://a:8080/x", single: [.manager: "https://b/admin"])
        #expect(address.url(.status) == "http://a:8080/x/farm-status" && address.url(.manager) == "https://b/admin")
        #expect(try ServerAddress(base: "HTTP://[::1]:81").url(.update) == "HTTP://[::1]:81/farm-update")
    }

    @Test(
        arguments: [
            ("ftp://a/", "http:// or https://"), ("a/farm-status", "http:// or https://"), ("http://", "no host"),
            ("http://a:0/", "port"), ("http://a:70000/", "port"), ("http://a:x/", "port"), ("http://u:p@a/", "--user"),
            ("http://a/?x", "leave ?"), ("http://a b/", "blank"), ("http://[::1/", "no host"),
            ("http://[::1]x/", "no host"),
            ("", "http:// or https://"),
        ] as [(String, String)])
    func wrongAddresses(_ url: String, _ says: String) async {
        let failure = await failure { _ = try ServerAddress(base: url) }
        #expect(failure?.status == .usage)
        #expect(failure?.message.contains(says) == true && failure?.message.contains("--server takes") == true)
    }

    @Test(
        arguments: [
            ("app", "app", nil), ("app/a", "app", "a"), ("app/10.0.0.1:80", "app", "10.0.0.1:80"),
        ] as [(String, String, String?)])
    func targets(_ text: String, _ farm: String, _ member: String?) throws {
        let target = try Target(parsing: text)
        #expect(target.farm == farm && target.member == member && target.text == text)
    }

    @Test(arguments: ["", "/", "a/", "/a", "a b", "app/a/b", "\u{FC}", "app/a b", String(repeating: "x", count: 64)])
    func wrongTargets(_ text: String) async {
        let failure = await failure { _ = try Target(parsing: text) }
        #expect(failure?.status == .usage && failure?.message.contains("1 to 63 letters") == true)
    }

    @Test func requestsHaveWhatTheServerWants() async throws {
        let transport = FakeTransport("ok app a admin=on weight=1\n")
        let server = Server(
            try ServerAddress(base: "http://balancer/"), transport: transport, user: "ann:secret", host: "www.example",
            timeout: 10)
        #expect(try await server.change("farm=app&member=a&admin=on") == "app a admin=on weight=1")
        let request = transport.requests[0]
        #expect(request.method == "POST" && request.url == "http://balancer/farm-manager")
        let headers = Dictionary(uniqueKeysWithValues: request.headers.map { ($0.name, $0.value) })
        #expect(headers["X-Farm-Manager"] == "1" && headers["Host"] == "www.example")
        #expect(headers["Content-Type"] == "application/x-www-form-urlencoded")
        #expect(headers["Authorization"] == "Basic YW5uOnNlY3JldA==")
    }

    @Test(
        arguments: [
            (.connectionRefused, .unreachable, "connection refused; is httpd running"),
            (.unknownHost, .unreachable, "no host of that name"), (.timedOut, .unreachable, "--timeout"),
            (.tls("x"), .unreachable, "--cacert"), (.tooLong, .wrongServer, "64 MiB"),
            (.noHTTP("x"), .wrongServer, "speaks no HTTP"),
            (.broken("x"), .unreachable, "failed: x"),
        ] as [(TransportError, Exit, String)])
    func withoutAnAnswer(_ error: TransportError, _ status: Exit, _ says: String) async {
        let failure = await failure { _ = try await FakeTransport([.failure(error)]).server.status() }
        #expect(failure?.status == status && failure?.message.contains(says) == true, "\(failure?.message ?? "")")
        #expect(failure?.message.hasPrefix("http://balancer/farm-status: ") == true)
    }

    @Test(
        arguments: [
            (401, "", .refused, "FARMCTL_USER"), (403, "", .refused, "'Require local'"),
            (404, "", .wrongServer, "--status-url"),
            (302, "", .wrongServer, "redirects"), (200, "<html>", .wrongServer, "what answers is not farm-status"),
            (200, "{}", .wrongServer, "what answers is not"),
            (200, "{\"module\":null,\"farms\":[{}]}", .wrongServer, "not"),
            (400, "<html>", .wrongServer, "https://"), (500, "", .wrongServer, "500"), (503, "", .unreachable, "503"),
            (400, "error: this is wrong\n", .data, "this is wrong"),
        ] as [(Int, String, Exit, String)])
    func wrongAnswers(_ code: Int, _ body: String, _ status: Exit, _ says: String) async {
        let failure = await failure { _ = try await FakeTransport(body, status: code).server.status() }
        #expect(failure?.status == status && failure?.message.contains(says) == true, "\(failure?.message ?? "")")
    }

    @Test func unknownNamesAreAnsweredWithNearOnes() async throws {
        let status = Sample.status(Sample.farm("app", Sample.member("app1"), Sample.member("app2")))
        let transport = FakeTransport([
            .success(.text("error: farm app has no member 'ap1' (group 1)\n", status: 404)), .success(.text(status)),
        ])
        let failure = await failure { _ = try await transport.server.update("farm=app&member=ap1") }
        #expect(failure?.status == .data)
        #expect(failure?.message == "http://balancer/farm-update: farm app has no member 'ap1'; did you mean 'app1'?")
    }

    @Test func balanceUnderstandsUrlsAndConditionsOnly() async throws {
        let two = FakeTransport("app http://10.0.0.1:80/\ngold down\n", status: 200)
        let answers = try await two.server.balance(["app", "gold"])
        #expect(answers.map(\.says) == ["http://10.0.0.1:80/", "down"])
        #expect(two.requests[0].url == "http://balancer/farm-balance?farm=app&farm=gold")
        for body in ["hello\n", "", "http://a/\nhttp://b/\n"] {
            #expect(await failure { _ = try await FakeTransport(body).server.balance(["app"]) }?.status == .wrongServer)
        }
    }
}
