import Testing

@testable import FarmControl

@Suite struct AgentTests {
    @Test func processors() throws {
        let before = try #require(Readings.ticks("cpu  100 0 100 700 100 0 0 0 50 0\ncpu0 1 2 3 4\ncpu1 1 2 3 4\n"))
        let after = try #require(Readings.ticks("cpu  200 0 150 800 150 0 0 0 90 0\n"))
        #expect(before == Readings.Ticks(busy: 200, all: 1000))
        #expect(after.part(since: before) == 0.5 && before.part(since: before) == nil)
        #expect(Readings.ticks("") == nil && Readings.ticks("cpu x") == nil)
        #expect(Readings.processors("cpu  1 2 3 4\ncpu0 1\ncpu1 1\nintr 5\n") == 2)
    }

    @Test func loadAndMemory() {
        #expect(Readings.load("0.52 0.58 0.59 1/467 12345\n") == 0.52 && Readings.load("") == nil)
        #expect(Readings.memory("MemTotal:  1000 kB\nMemFree: 1 kB\nMemAvailable:   250 kB\n") == 0.75)
        #expect(Readings.memory("MemTotal: 0 kB\n") == nil && Readings.memory("MemTotal: 5 kB\n") == nil)
    }

    @Test func connections() {
        let table = """
              sl  local_address rem_address   st tx_queue
               0: 0100007F:1F90 00000000:0000 0A 00000000
               1: 0100007F:1F90 0100007F:D431 01 00000000
               2: 0100007F:D431 0100007F:1F90 01 00000000
               3: 0100007F:1F90 0100007F:D432 06 00000000
            """
        #expect(Readings.connections(table, port: 8080) == 1 && Readings.connections("", port: 8080) == 0)
    }

    @Test func commandsAreRunAndEnded() {
        func run(_ text: String, limit: Double = 20) -> ShellCommand.Outcome {
            ShellCommand(text: text, limit: limit).run()
        }
        #expect(
            run("echo 7; echo 8") == .ended(0, "7\n8\n") && run("exit 3") == .ended(3, "")
                && run("kill -9 $$") == .signalled(9))
        #expect(run("cat; echo end") == .ended(0, "end\n"))
        #expect(run("exec >&-; exit 4") == .ended(4, ""))
        #expect(
            run("sleep 1000 & sleep 1000", limit: 0.05) == .timedOut
                && run("exec >&-; sleep 1000", limit: 0.05) == .timedOut)
        guard case .ended(0, let said) = run("yes | head -c 100000") else {
            Issue.record("a command that writes much does not end")
            return
        }
        #expect(said.count == 4096)
    }

    @Test func samples() {
        var sampling = Sampling()
        sampling.commands = [("a", "echo ' 0.5 '"), ("b", "echo x"), ("c", "exit 1"), ("d", "true")]
        sampling.proc = "/no/such/folder"
        sampling.hasMemory = true
        sampling.port = 80
        var sampler = Sampler(sampling)
        let (pairs, faults) = sampler.sample()
        #expect(pairs.map(\.0) == ["a"] && pairs[0].1 == "0.5")
        #expect(faults.count == 5 && faults[0].hasPrefix("memory: /no/such/folder/meminfo cannot be read"))
        #expect(
            faults[2] == "b: the command wrote 'x', which is no number such as 0.42"
                && faults[3] == "c: the command ended with status 1")
        #expect(Sampler.text(1) == "1" && Sampler.text(0.123456) == "0.1235" && Sampler.text(-2.5) == "-2.5")
    }

    @Test func healthNeedsSoManyInARow() {
        var sampling = Sampling()
        sampling.rise = 2
        sampling.fall = 2
        var said: [String?] = []
        var sampler = Sampler(sampling)
        for command in ["true", "true", "false", "false", "true", "false", "true", "true"] {
            sampler.sampling.healthCommand = command
            said.append(sampler.sample().pairs.first?.1)
        }
        #expect(said == [nil, "up", "up", "down", "down", "down", "down", "up"])
    }

    @Test(arguments: ["queue", "9=x", "a=", "a b=c", "=x"]) func wrongCommands(_ text: String) async {
        #expect(
            await failure { _ = try Sampling.command(text) }?.message.contains("--command takes NAME=COMMAND") == true)
    }

    @Test func wrongSamplings() async {
        func failureOf(_ change: (inout Sampling) -> Void) async -> String? {
            var sampling = Sampling()
            change(&sampling)
            return await failure { _ = try Agent(farm: "app", member: "a", sampling, interval: 5) }?.message
        }
        #expect(await failureOf { _ in }?.contains("nothing is to be measured") == true)
        #expect(
            await failureOf {
                $0.commands = [("cpu", "x")]; $0.hasCPU = true
            }?.contains("has this name already") == true)
        #expect(await failureOf { $0.commands = [("health", "x")] }?.contains("has this name already") == true)
        #expect(
            await failureOf {
                $0.hasLoad = true; $0.rise = 0
            }?.contains("--rise") == true)
        #expect(await failureOf { $0.hasLoad = true } == nil)
    }

    static func sampling() -> Sampling {
        var sampling = Sampling()
        sampling.commands = [("q", "echo 7")]
        return sampling
    }

    @Test func theAgentGoesOnWhileTheServerIsAway() async throws {
        let good = HTTPResponse.text("ok 1\napp a admin=on\n")
        let transport = FakeTransport([
            .success(good), .failure(.connectionRefused), .failure(.connectionRefused),
            .success(.text("error: no\n", status: 404)),
            .success(good),
        ])
        let console = FakeConsole()
        var agent = try Agent(farm: "app", member: "a", Self.sampling(), interval: 5)
        try await agent.run(transport.server, on: console, rounds: 6)
        #expect(transport.requests.filter { $0.method == "POST" }.allSatisfy { $0.body == "farm=app&member=a&q=7" })
        #expect(console.sleeps.count == 5 && console.sleeps.allSatisfy { $0 > 0 && $0 <= 5 })
        #expect(console.complaints[0] == "app/a: pushing to http://balancer/farm-update every 5s")
        #expect(
            console.complaints[1].contains("connection refused") && console.complaints[2].contains("farm-update: no"))
        #expect(console.complaints[3] == "app/a: all is well again" && console.complaints.count == 4)
    }

    @Test func whatIsRefusedAtOnceEndsIt() async throws {
        for status in [401, 404] {
            let transport = FakeTransport("error: no\n", status: status)
            let failure = await failure {
                var agent = try Agent(farm: "app", member: "a", Self.sampling(), interval: 5)
                try await agent.run(transport.server, on: FakeConsole(), rounds: 6)
            }
            #expect(failure?.status == (status == 401 ? .refused : .data))
        }
    }

    @Test func onceIsOnce() async throws {
        let transport = FakeTransport("ok 1\napp a admin=on load=7\n")
        let console = FakeConsole()
        var agent = try Agent(farm: "app", member: "a", Self.sampling(), interval: 5)
        try await agent.once(transport.server, on: console, isJSON: false)
        #expect(console.text == "app a admin=on load=7\n" && transport.requests.count == 1)
        var sampling = Self.sampling()
        sampling.commands[0].command = "exit 1"
        let failure = await failure {
            var agent = try Agent(farm: "app", member: "a", sampling, interval: 5)
            try await agent.once(transport.server, on: console, isJSON: false)
        }
        #expect(failure?.status == .data && failure?.message == "q: the command ended with status 1")
    }
}
