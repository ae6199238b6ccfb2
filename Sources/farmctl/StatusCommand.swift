import ArgumentParser
import FarmControl

extension StatusTable.Order: ExpressibleByArgument {}

struct Status: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Shows farms and members.")

    @Argument(help: ArgumentHelp("FARM or FARM/MEMBER. Without it, all farms.", valueName: "target"))
    var target: String?

    @Flag(help: "Show it again and again.")
    var watch = false

    @Option(help: ArgumentHelp("With --watch: how long to wait in between.", valueName: "time"))
    var interval = "2s"

    @Option(help: ArgumentHelp("With --watch: end after so many rounds.", valueName: "number"))
    var rounds: Int?

    @Option(help: ArgumentHelp("Sort members by this: numbers from the largest.", valueName: "column"))
    var sort: StatusTable.Order?

    @Flag(
        help:
            "Say in one line and by the exit status whether all is well: 0 ok, 1 a member is missing, 2 a farm is, 3 unknown."
    )
    var check = false

    @OptionGroup var server: ServerOptions

    func validate() throws {
        if check && watch { throw ValidationError("--check looks once: leave --watch out.") }
        if !watch && rounds != nil { throw ValidationError("--rounds goes with --watch.") }
        if let rounds, rounds < 1 { throw ValidationError("--rounds takes a number from 1 on.") }
    }

    func run() async throws {
        try await server.ask { server, console in
            var report = StatusReport()
            report.target = try target.map { try Target(parsing: $0) }
            report.order = sort
            report.isJSON = self.server.json
            if check { return try await report.check(server, on: console) }
            guard watch else {
                try await report.show(server, on: console)
                return .done
            }
            try await report.watch(
                server, on: console, interval: try Moment.wanted(interval, of: "--interval"), rounds: rounds)
            return .done
        }
    }
}
