import ArgumentParser
import FarmControl

struct Push: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Pushes metrics of a member, or a monitor's verdict; without any, that it is there.",
        usage: "farmctl push <farm> [<member>] [<name>=<number> ...] [health=up|down] [<options>]")

    @Argument(help: ArgumentHelp("The farm.", valueName: "farm"))
    var farm: String

    @Argument(
        help: ArgumentHelp(
            "The member, or without it the one at this machine's address; then NAME=NUMBER, health=up or health=down.",
            valueName: "word"))
    var words: [String] = []

    @OptionGroup var server: ServerOptions

    func run() async throws {
        try await server.ask { server, console in
            try await PushOrder(farm: farm, words: words).send(server, on: console, isJSON: self.server.json)
            return .done
        }
    }
}

struct Balance: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Asks which member would serve a request now; the answer counts as a choice.")

    @Argument(help: ArgumentHelp("The farms.", valueName: "farm"))
    var farms: [String]

    @OptionGroup var server: ServerOptions

    func run() async throws {
        try await server.ask { server, console in
            try await BalanceQuestion(farms).ask(server, on: console, isJSON: self.server.json)
        }
    }
}
