import Testing

@testable import FarmControl

@Suite struct DrainTests {
    /// A farm with two members, of which a is looked at.
    static func status(_ inflight: Int, _ clients: Int, admin: String = "drain", start: (Int, Int)? = (8, 4)) -> String
    {
        let note = start.map { ",\"drain\":{\"inflight_at_start\":\($0.0),\"clients_at_start\":\($0.1)}" } ?? ""
        return Sample.status(
            Sample.farm(
                "app", Sample.member("a", admin: admin, inflight: inflight, clients: clients, more: note),
                Sample.member("b", inflight: 5)))
    }

    func wait(
        _ answers: [FakeTransport.Answer], limit: Double? = nil, isRequestsOnly: Bool = false,
        on console: FakeConsole = FakeConsole(), target: String = "app/a", isJSON: Bool = false
    ) async throws -> Exit {
        let wait = DrainWait([try Target(parsing: target)], limit: limit, isRequestsOnly: isRequestsOnly)
        return try await wait.wait(FakeTransport(answers).server, on: console, isJSON: isJSON)
    }

    static func answers(_ texts: String...) -> [FakeTransport.Answer] { texts.map { .success(.text($0)) } }

    @Test func waitsForRequestsAndClients() async throws {
        let console = FakeConsole()
        let status = try await wait(
            Self.answers(Self.status(3, 2), Self.status(3, 2), Self.status(0, 1), Self.status(0, 0)), on: console)
        #expect(status == .done)
        #expect(
            console.lines == [
                "app/a: 3 of 8 requests in flight, 2 of 4 clients tied",
                "app/a: 0 of 8 requests in flight, 1 of 4 clients tied",
                "app/a: empty after 3s",
            ])
    }

    @Test func requestsOnlyDoesNotWaitForClients() async throws {
        let console = FakeConsole()
        let status = try await wait(
            Self.answers(Self.status(1, 2), Self.status(0, 2)), isRequestsOnly: true, on: console, isJSON: true)
        #expect(status == .done)
        #expect(console.lines == [#"{"waiting":"app/a","inflight":1,"clients":null}"#, #"{"drained":"app/a"}"#])
    }

    /// What children of an earlier version have in flight, the status does not show: until they have ended, no drain is done.
    @Test func waitsForOldProcesses() async throws {
        func old(_ count: Int) -> String {
            Self.status(0, 0).replacing("\"module\":{", with: "\"module\":{\"old_processes\":\(count),")
        }
        let console = FakeConsole()
        #expect(try await wait(Self.answers(old(2), old(1), old(0)), on: console) == .done)
        #expect(
            console.lines == [
                "app/a: 0 of 8 requests in flight, 0 of 4 clients tied, 2 processes of the old version left",
                "app/a: 0 of 8 requests in flight, 0 of 4 clients tied, 1 process of the old version left",
                "app/a: empty after 2s",
            ])
        let json = FakeConsole()
        let status = try await wait(Self.answers(old(1), old(0)), isRequestsOnly: true, on: json, isJSON: true)
        #expect(status == .done)
        #expect(
            json.lines == [
                #"{"waiting":"app/a","inflight":0,"clients":null,"old_processes":1}"#, #"{"drained":"app/a"}"#,
            ])
        #expect(try await wait(Self.answers(old(1)), limit: 1) == .timeUp)
    }

    @Test func whoIsOffHasNoClientsToWaitFor() async throws {
        #expect(try await wait(Self.answers(Self.status(0, 2, admin: "off"))) == .done)
    }

    @Test func theTimeIsUp() async throws {
        let console = FakeConsole()
        #expect(try await wait(Self.answers(Self.status(3, 2)), limit: 2.5, on: console) == .timeUp)
        #expect(console.sleeps == [1, 1, 0.5])
        #expect(
            console.complaints == [
                "app/a: after 2.5s still 3 of 8 requests in flight, 2 of 4 clients tied; it goes on draining"
            ])
    }

    @Test func somebodyEndsTheDrain() async throws {
        let console = FakeConsole()
        let status = try await wait(
            Self.answers(Self.status(3, 2), Self.status(3, 2, admin: "on", start: nil)), on: console)
        #expect(status == .drainEnded && console.complaints[0].contains("app/a: somebody has ended the drain"))
    }

    @Test func aRestartIsWaitedOut() async throws {
        let console = FakeConsole()
        let answers: [FakeTransport.Answer] =
            [.success(.text(Self.status(1, 0)))] + Array(repeating: .failure(.connectionRefused), count: 5)
            + [.success(.text(Self.status(0, 0)))]
        #expect(try await wait(answers, on: console) == .done)
        #expect(console.complaints.count == 1 && console.complaints[0].contains("trying again"))
        let lost = await failure {
            _ = try await wait([.success(.text(Self.status(1, 0))), .failure(.connectionRefused)])
        }
        #expect(lost?.status == .unreachable)
        let unknown = await failure { _ = try await wait(Self.answers(Self.status(1, 0)), target: "app/x") }
        #expect(unknown?.status == .data)
    }

    @Test func aFarmIsAllOfItsMembers() async throws {
        let console = FakeConsole()
        let farm = { (inflight: Int) in
            Sample.status(
                Sample.farm("app", Sample.member("a", inflight: inflight), Sample.member("b")).replacing(
                    "\"adaptive\",\"admin\":\"on\"", with: "\"adaptive\",\"admin\":\"drain\""))
        }
        #expect(try await wait(Self.answers(farm(2), farm(0)), on: console, target: "app") == .done)
        #expect(console.lines[0] == "app: 2 of 2 requests in flight, 0 of 0 clients tied")
    }

    @Test func aTerminalHasABar() async throws {
        let console = FakeConsole(width: 60, isLive: true)
        #expect(try await wait(Self.answers(Self.status(6, 0), Self.status(0, 0)), on: console) == .done)
        let parts = console.text.components(separatedBy: "\r")
        #expect(parts[1].hasPrefix("[##########..........] app/a: 6 of 8"))
        #expect(
            parts.dropFirst().allSatisfy { $0.replacing("\u{1B}[K", with: "").replacing("\n", with: "").count < 60 })
        #expect(
            DrainWait.bar(0, of: 0) == "[....................]" && DrainWait.bar(9, of: 3) == "[####################]")
    }
}
