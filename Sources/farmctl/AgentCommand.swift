import ArgumentParser
import FarmControl

struct AgentCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "agent",
        abstract: "Measures this machine and pushes it as a member's metrics, until it is ended.",
        discussion: "Without a choice of what to measure: --cpu --load --memory.")

    @Argument(help: ArgumentHelp("The farm.", valueName: "farm"))
    var farm: String

    @Argument(help: ArgumentHelp("The member.", valueName: "member"))
    var member: String

    @Option(help: ArgumentHelp("How often.", valueName: "time"))
    var interval = "5s"

    @Flag(help: "Push once, and show how the server sees the member.")
    var once = false

    @Flag(help: "cpu: the part of the processors' time that was work, 0 to 1.")
    var cpu = false

    @Flag(help: "load: the load average of the last minute, a processor.")
    var load = false

    @Flag(help: "memory: the part of the memory that is not available, 0 to 1.")
    var memory = false

    @Option(help: ArgumentHelp("connections: how many TCP connections this local port has.", valueName: "port"))
    var connections: UInt16?

    @Option(
        name: .long, parsing: .singleValue,
        help: ArgumentHelp(
            "A metric whose number the shell command writes. May be there several times.", valueName: "name=command"))
    var command: [String] = []

    @Option(
        help: ArgumentHelp(
            "Push health=up where the shell command ends with 0, else health=down.", valueName: "command"))
    var healthCommand: String?

    @Option(help: ArgumentHelp("Good checks in a row that mean up.", valueName: "number"))
    var rise = 1

    @Option(help: ArgumentHelp("Bad checks in a row that mean down.", valueName: "number"))
    var fall = 1

    @Option(help: ArgumentHelp("How long a command may take.", valueName: "time"))
    var commandTimeout = "5s"

    @OptionGroup var server: ServerOptions

    func run() async throws {
        try await server.ask { server, console in
            var agent = try Agent(
                farm: farm, member: member, sampling(), interval: Moment.wanted(interval, of: "--interval"))
            if once {
                try await agent.once(server, on: console, isJSON: self.server.json)
            } else {
                try await agent.run(server, on: console)
            }
            return .done
        }
    }

    private func sampling() throws -> Sampling {
        var sampling = Sampling()
        let isDefault = !cpu && !load && !memory && connections == nil && command.isEmpty && healthCommand == nil
        sampling.hasCPU = cpu || isDefault
        sampling.hasLoad = load || isDefault
        sampling.hasMemory = memory || isDefault
        sampling.port = connections
        sampling.commands = try command.map(Sampling.command)
        sampling.healthCommand = healthCommand
        sampling.rise = rise
        sampling.fall = fall
        sampling.limit = try Moment.wanted(commandTimeout, of: "--command-timeout")
        return sampling
    }
}
