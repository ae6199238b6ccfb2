/// `farmctl status`: the status once, or again and again.
public struct StatusReport: Sendable {
    public var target: Target?
    public var order: StatusTable.Order?
    public var isJSON = false

    public init() {}

    /// Shows the status once.
    public func show(_ server: Server, on console: some Console) async throws {
        let answer = try await server.status()
        guard isJSON else { return try console.write(text(answer, console.screen)) }
        try console.line(target.map { try answer.json(of: $0) } ?? answer.json)
    }

    /// Says what a monitor has to know: one line. What the server does not say is unknown.
    public func check(_ server: Server, on console: some Console) async throws -> ExitStatus {
        let verdict: StatusVerdict
        do {
            verdict = try StatusVerdict(await server.status(), of: target)
        } catch let failure as Failure {
            verdict = StatusVerdict(unknown: failure)
        }
        if isJSON {
            try console.line(.object(["status": .number(Int(verdict.status.rawValue)), "says": .string(verdict.line)]))
        } else {
            try console.line(verdict.line)
        }
        return verdict.status
    }

    /// Shows the status every `interval` seconds, `rounds` times or for ever. On a terminal each picture takes the place of
    /// the one before; else it follows it. A server that does not answer is waited for; any other failure ends it.
    public func watch(
        _ server: Server, on console: some Console, interval: Double, rounds: Int? = nil
    ) async throws {
        var round = 0
        while true {
            let picture: String
            do {
                let answer = try await server.status()
                if isJSON {
                    picture = (try target.map { try answer.json(of: $0) } ?? answer.json).text + "\n"
                } else {
                    picture = Moment.text(answer.now) + "\n" + (try text(answer, console.screen))
                }
            } catch let failure as Failure where failure.status == .unreachable {
                if isJSON || !console.isLive { console.complain(failure.message) }
                picture = isJSON || !console.isLive ? "" : lost(failure, console.screen)
            }
            try console.write(console.isLive && !isJSON ? Self.inPlace(picture, console.screen) : picture)
            round += 1
            if round == rounds { return }
            if !console.isLive && !isJSON { try console.write("\n") }
            try await console.sleep(interval)
        }
    }

    private func text(_ status: FarmsStatus, _ screen: Screen) throws -> String {
        try StatusTable(status, of: target, order: order).lines(screen).map { $0 + "\n" }.joined()
    }

    private func lost(_ failure: Failure, _ screen: Screen) -> String {
        let lines = Table.wrapped(failure.message, screen.width)
        return Moment.text(Moment.now) + "\n" + lines.map { Paint.bad.on($0, screen.colour) + "\n" }.joined()
    }

    /// The picture from the top left corner on, as many lines of it as there are, and nothing below it (ECMA-48: CUP, EL, ED).
    static func inPlace(_ picture: String, _ screen: Screen) -> String {
        var lines = picture.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
        if lines.last == "" { lines.removeLast() }
        if let height = screen.height, lines.count > height - 1 {
            let missing = lines.count - max(1, height - 2)
            lines = lines.prefix(max(1, height - 2)) + ["… \(missing) more lines"]
        }
        return "\u{1B}[H" + lines.map { $0 + "\u{1B}[K\n" }.joined() + "\u{1B}[J"
    }
}
