import ArgumentParser
import FarmControl

struct Check: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Compares farms in configuration files with those that a server runs: 0 the same, 1 they differ.")

    @Argument(
        help: ArgumentHelp("Files with <Farm> sections; '-' is standard input.", valueName: "file"), completion: .file()
    )
    var files: [String]

    @OptionGroup var server: ServerOptions

    func run() async throws {
        try await server.ask { server, console in
            try await ConfigurationCheck(files: files).check(server, on: console, isJSON: self.server.json)
        }
    }
}
