import ArgumentParser
import FarmControl

/// The options by which every command that asks a server knows it.
struct ServerOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "The server; the handlers are below it. Else FARMCTL_SERVER, else http://127.0.0.1/.", valueName: "url"))
    var server: String?

    @Option(help: ArgumentHelp("Where farm-status is, if not below the server.", valueName: "url"))
    var statusUrl: String?

    @Option(help: ArgumentHelp("Where farm-update is.", valueName: "url"))
    var updateUrl: String?

    @Option(help: ArgumentHelp("Where farm-balance is.", valueName: "url"))
    var balanceUrl: String?

    @Option(help: ArgumentHelp("Where farm-manager is.", valueName: "url"))
    var managerUrl: String?

    @Option(
        help: ArgumentHelp(
            "For HTTP Basic. FARMCTL_USER is better: no list of processes shows it.", valueName: "name:password"))
    var user: String?

    @Option(help: ArgumentHelp("How long an answer may take: 10 or 10s or 1min.", valueName: "time"))
    var timeout = "10s"

    @Option(help: ArgumentHelp("What to send as Host.", valueName: "name"))
    var host: String?

    @Option(
        help: ArgumentHelp("Certificates (PEM) to trust instead of the system's.", valueName: "file"),
        completion: .file())
    var cacert: String?

    @Flag(help: "Trust any certificate.")
    var insecure = false

    @Flag(help: "Write JSON.")
    var json = false

    /// Calls with the server that is meant, and ends the program with the status of a failure.
    func ask(_ call: (Server, RealConsole) async throws -> ExitStatus) async throws {
        try await Ending.after { console in
            let transport = try HTTPTransport(authorities: cacert, isInsecure: insecure)
            do {
                let status = try await call(server(transport), console)
                await transport.close()
                return status
            } catch {
                await transport.close()
                throw error
            }
        }
    }

    private func server(_ transport: HTTPTransport) throws -> Server {
        let seconds = try Moment.wanted(timeout, of: "--timeout")
        let user = user ?? Terminal.setting("FARMCTL_USER")
        guard user?.contains(":") != false else { throw Failure(.usage, "--user and FARMCTL_USER take NAME:PASSWORD") }
        var single: [Handler: String] = [:]
        let named: [(Handler, String?)] = [
            (.status, statusUrl), (.update, updateUrl), (.balance, balanceUrl), (.manager, managerUrl),
        ]
        for (handler, url) in named { single[handler] = url }
        let base = server ?? Terminal.setting("FARMCTL_SERVER") ?? "http://127.0.0.1/"
        let source = server == nil ? "FARMCTL_SERVER" : "--server"
        return Server(
            try ServerAddress(base: base, from: source, single: single), transport: transport, user: user, host: host,
            timeout: seconds)
    }
}

/// How the program ends.
enum Ending {
    /// Calls, and ends the program with the status that it gives or that its failure has.
    static func after(_ call: (RealConsole) async throws -> ExitStatus) async throws {
        let console = RealConsole()
        let status: ExitStatus
        do {
            status = try await call(console)
        } catch let failure as Failure {
            console.complain(failure.message)
            status = failure.status
        } catch is OutputClosed {
            status = .done
        }
        if status != .done { throw ExitCode(status.rawValue) }
    }
}
