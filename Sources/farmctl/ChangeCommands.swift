import ArgumentParser
import FarmControl

/// What is changed, and what to say of it.
struct AdminOptions: ParsableArguments {
    @Argument(help: ArgumentHelp("FARM, for the farm itself, or FARM/MEMBER.", valueName: "target"))
    var targets: [String]

    @Option(help: ArgumentHelp("Why, for others to read.", valueName: "text"))
    var reason: String?

    @Option(
        help: ArgumentHelp(
            "Who says so. Else the user of this machine; with --user, what the server makes of that.", valueName: "name"
        ))
    var by: String?

    @OptionGroup var server: ServerOptions

    func order(_ admin: String, until: String? = nil) throws -> ChangeOrder {
        var fields = [("admin", admin)]
        let isKnown = server.user != nil || Terminal.setting("FARMCTL_USER") != nil
        fields += ChangeOrder.by(by, isKnownToServer: isKnown)
        if let reason { fields.append(("reason", reason)) }
        if let until { fields.append(("until", until)) }
        return try ChangeOrder(targets.map { try Target(parsing: $0) }, fields)
    }

    func send(_ admin: String, until: String? = nil) async throws {
        try await server.ask { server, console in
            try await order(admin, until: until).send(server, on: console, isJSON: self.server.json)
            return .done
        }
    }
}

struct On: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Puts farms or members to use again.")

    @OptionGroup var options: AdminOptions

    func run() async throws { try await options.send("on") }
}

struct Off: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Takes farms or members out at once; requests that they have go on to their end.")

    @OptionGroup var options: AdminOptions

    @Option(
        help: ArgumentHelp(
            "When it is on again by itself: a time (2026-12-31T18:00:00Z) or an interval (2h).", valueName: "time"))
    var until: String?

    func run() async throws { try await options.send("off", until: until) }
}

struct Drain: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Takes farms or members out for all but the clients that are tied to them.")

    @OptionGroup var options: AdminOptions

    @Option(
        help: ArgumentHelp(
            "When it is on again by itself: a time (2026-12-31T18:00:00Z) or an interval (2h).", valueName: "time"))
    var until: String?

    @Flag(help: "Wait until no request is in flight and no client is tied.")
    var wait = false

    @Option(help: ArgumentHelp("With --wait: no longer than this; exit status 4 then.", valueName: "time"))
    var timeoutWait: String?

    @Flag(help: "With --wait: do not wait for tied clients.")
    var requestsOnly = false

    func validate() throws {
        if !wait && timeoutWait != nil { throw ValidationError("--timeout-wait goes with --wait.") }
        if !wait && requestsOnly { throw ValidationError("--requests-only goes with --wait.") }
    }

    func run() async throws {
        try await options.server.ask { server, console in
            let order = try options.order("drain", until: until)
            let limit = try timeoutWait.map { try Moment.wanted($0, of: "--timeout-wait") }
            try await order.send(server, on: console, isJSON: options.server.json)
            guard wait else { return .done }
            return try await DrainWait(order.targets, limit: limit, isRequestsOnly: requestsOnly)
                .wait(server, on: console, isJSON: options.server.json)
        }
    }
}

/// A member.
struct MemberOptions: ParsableArguments {
    @Argument(help: ArgumentHelp("FARM/MEMBER.", valueName: "member"))
    var member: String

    @OptionGroup var server: ServerOptions

    func send(_ fields: [(String, String)]) async throws {
        try await server.ask { server, console in
            let target = try Target(parsing: member)
            guard target.member != nil else {
                throw Failure(.usage, "this is a member's, not a farm's: write \(target.farm)/MEMBER")
            }
            try await ChangeOrder([target], fields).send(server, on: console, isJSON: self.server.json)
            return .done
        }
    }
}

struct Up: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Says that a member works, as a monitor does.")

    @OptionGroup var options: MemberOptions

    func run() async throws { try await options.send([("health", "up")]) }
}

struct Down: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Says that a member does not work; it stays down until somebody says up.")

    @OptionGroup var options: MemberOptions

    func run() async throws { try await options.send([("health", "down")]) }
}

struct Weight: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Sets the weight of a member.")

    @OptionGroup var options: MemberOptions

    @Argument(help: ArgumentHelp("1 to 1000.", valueName: "weight"))
    var weight: String

    func run() async throws { try await options.send([("weight", weight)]) }
}
