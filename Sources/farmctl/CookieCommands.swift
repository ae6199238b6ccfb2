import ArgumentParser
import CMac
import FarmControl

/// HMAC-SHA256 of libcrypto.
struct CryptoAuthenticator: Authenticator {
    func mac(key: [UInt8], _ text: [UInt8]) -> [UInt8] {
        var mac = [UInt8](repeating: 0, count: 32)
        var length = 0
        let made = EVP_Q_mac(
            nil, "HMAC", nil, "SHA256", nil, key, key.count, text, text.count, &mac, mac.count, &length)
        precondition(made != nil && length == mac.count, "libcrypto gives no HMAC-SHA256")
        return mac
    }
}

struct Cookie: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Makes and judges instruction cookies.", subcommands: [Mint.self, Verify.self])
}

/// Where the key is.
struct KeyOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp("A FarmSecretFile. Without it, FARM_KEY_ID and FARM_KEY.", valueName: "file"),
        completion: .file())
    var keyFile: String?

    func keys() throws -> [CookieKey] {
        try KeyFile.keys(
            file: keyFile, name: Terminal.setting("FARM_KEY_ID"), key: Terminal.setting("FARM_KEY"))
    }
}

struct Mint: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Makes one, and writes its value.")

    @Argument(
        help: ArgumentHelp(
            "farm, to, member, mode, exp or ip. exp takes seconds since 1970, a time, or an interval such as 10min.",
            valueName: "field=value"))
    var fields: [String]

    @OptionGroup var keys: KeyOptions

    @Option(help: ArgumentHelp("The name of the key to sign with. Without it, the file's first.", valueName: "name"))
    var keyId: String?

    @Flag(help: "Write the header that sets it.")
    var header = false

    @Option(help: ArgumentHelp("With --header: the cookie's name.", valueName: "name"))
    var name = "farm"

    @Flag(help: "Write JSON.")
    var json = false

    func run() async throws {
        try await Ending.after { console in
            let keys = try keys.keys()
            guard let key = keyId.map({ id in keys.first { $0.name == id } }) ?? keys.first else {
                let known = keys.map(\.name).joined(separator: ", ")
                throw Failure(.data, "there is no key '\(keyId ?? "")'; there are \(known)")
            }
            let now = Moment.now
            let read = InstructionFields.resolved(try InstructionFields.read(fields), now: now)
            let value = try CookieMint(CryptoAuthenticator()).cookie(read, key: key)
            let end = read.first { $0.0 == "exp" }.flatMap { UInt64($0.1) } ?? 0
            let left = end - min(end, now / 1_000_000)
            if left == 0 { console.complain("exp=\(end) is over: no server will follow it") }
            let header = CookieMint.header(name: name, value: value, seconds: left)
            if json {
                try console.line(
                    .object(["cookie": .string(value), "header": .string(header), "exp": .number(String(end))]))
            } else {
                try console.line(self.header ? header : value)
            }
            return .done
        }
    }
}

struct Verify: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Says what a server makes of cookies of one request, up to the first that holds: 0 one does, 1 none.")

    @Argument(
        help: ArgumentHelp(
            "Values, in the order of the request. '-' reads one a line from standard input.", valueName: "value"))
    var values: [String]

    @OptionGroup var keys: KeyOptions

    @Option(
        help: ArgumentHelp("The farm that the request is addressed to. Without it, the cookie's.", valueName: "farm"))
    var farm: String?

    @Option(help: ArgumentHelp("The address of the client. Without it, the cookie's ip holds.", valueName: "address"))
    var client: String?

    @Option(help: ArgumentHelp("When: seconds since 1970, or a time. Without it, now.", valueName: "time"))
    var at: String?

    @Flag(help: "Ask the server's status whether the farm and the member exist.")
    var targets = false

    @OptionGroup var server: ServerOptions

    func run() async throws {
        guard targets else { return try await Ending.after { try judge(nil, $0) } }
        try await server.ask { server, console in
            let farms = try await server.status().farms
            return try judge(farms.map { (name: $0.name, members: $0.members.map(\.name)) }, console)
        }
    }

    private func judge(_ farms: [(name: String, members: [String])]?, _ console: RealConsole) throws -> ExitStatus {
        var request = CookieJudge.Request(farm: farm)
        if let client {
            guard let address = IPAddress(client) else {
                throw Failure(.usage, "--client takes an IPv4 or IPv6 address, not '\(client)'")
            }
            request.client = address
        }
        if let at { request.now = try CookieInput.seconds(at) }
        let verdicts = CookieJudge(try keys.keys(), CryptoAuthenticator(), farms: farms)
            .judge(try CookieInput.values(values), request)
        for verdict in verdicts {
            if server.json {
                try console.line(CookieVerdictText.json(verdict))
            } else {
                try console.line(CookieVerdictText.line(verdict, now: request.now))
            }
        }
        if case .accepted? = verdicts.last { return .done }
        return .no
    }
}
