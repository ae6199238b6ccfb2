/// `farmctl drain --wait`: waits until what is drained is empty.
public struct DrainWait: Sendable {
    private let targets: [Target]
    /// Seconds; nil: as long as it takes.
    private let limit: Double?
    /// Tied clients are not waited for.
    private let isRequestsOnly: Bool
    private let interval: Double

    /// How long the server may be away in between, in seconds: a restart takes less.
    static let patience = 30.0

    public init(_ targets: [Target], limit: Double?, isRequestsOnly: Bool, interval: Double = 1) {
        self.targets = targets
        self.limit = limit
        self.isRequestsOnly = isRequestsOnly
        self.interval = interval
    }

    /// What is left at one moment.
    struct Left: Equatable {
        var requests = 0
        var clients = 0
        /// What there was at the start, as far as that is known.
        var ofRequests = 0
        var ofClients = 0
        /// Children of an earlier version of the module: the status does not show what they have in flight.
        var oldProcesses = 0
        /// Targets that somebody has switched on again.
        var ended: [String] = []
    }

    /// Returns when all are empty, or the time is up, or somebody has ended a drain. Says on the way what is left: on a
    /// terminal in a line that is written over, else in a line at each change.
    public func wait(_ server: Server, on console: some Console, isJSON: Bool) async throws -> ExitStatus {
        let start = console.time
        var answered = start
        var before: Left?
        while true {
            do {
                let left = try left(await server.status())
                answered = console.time
                if !left.ended.isEmpty { return try ended(left, console, isJSON) }
                if isEmpty(left) { return try empty(console, isJSON, console.time - start) }
                if left != before || console.isLive { try progress(left, console, isJSON, console.time - start) }
                before = left
            } catch let failure as Failure where failure.status == .unreachable {
                if before != nil { console.complain(failure.message + "; trying again") }
                before = nil
                if console.time - answered > Self.patience { throw failure }
            }
            if let limit, console.time - start >= limit { return try timeUp(before, console, isJSON, limit) }
            try await console.sleep(min(interval, limit.map { max(0.01, $0 - (console.time - start)) } ?? interval))
        }
    }

    private func isEmpty(_ left: Left) -> Bool {
        left.requests == 0 && left.oldProcesses == 0 && (isRequestsOnly || left.clients == 0)
    }

    func left(_ status: FarmsStatus) throws -> Left {
        var left = Left()
        left.oldProcesses = status.oldProcesses
        for target in targets {
            let (farm, member) = try status.find(target)
            let state = (member?.admin ?? farm.admin).state
            if state != "drain" && state != "off" { left.ended.append(target.text) }
            for one in member.map({ [$0] }) ?? farm.members {
                left.requests += one.inflight ?? 0
                left.ofRequests += max(one.inflight ?? 0, member == nil ? 0 : one.admin.inflightAtStart ?? 0)
                // Who is off serves nobody, tied or not.
                let clients = state == "off" ? 0 : one.clients ?? 0
                left.clients += clients
                left.ofClients += max(clients, member == nil ? 0 : one.admin.clientsAtStart ?? 0)
            }
            if member == nil {
                left.ofRequests = max(left.ofRequests, farm.admin.inflightAtStart ?? 0)
                left.ofClients = max(left.ofClients, farm.admin.clientsAtStart ?? 0)
            }
        }
        return left
    }

    private var names: String { targets.map(\.text).joined(separator: ", ") }

    private func says(_ left: Left) -> String {
        var text = "\(AdminNoteText.left(left.requests, left.ofRequests)) requests in flight"
        if !isRequestsOnly { text += ", \(AdminNoteText.left(left.clients, left.ofClients)) clients tied" }
        switch left.oldProcesses {
        case 0: break
        case 1: text += ", 1 process of the old version left"
        default: text += ", \(left.oldProcesses) processes of the old version left"
        }
        return text
    }

    private func progress(_ left: Left, _ console: some Console, _ isJSON: Bool, _ time: Double) throws {
        if isJSON {
            var keys = [
                JSON.Member("waiting", .string(names)), JSON.Member("inflight", .number(left.requests)),
                JSON.Member("clients", isRequestsOnly ? .null : .number(left.clients)),
            ]
            if left.oldProcesses > 0 { keys.append(JSON.Member("old_processes", .number(left.oldProcesses))) }
            try console.line(.object(keys))
        } else if console.isLive {
            let width = console.screen.width ?? 80
            let total = left.ofRequests + (isRequestsOnly ? 0 : left.ofClients)
            let rest = left.requests + (isRequestsOnly ? 0 : left.clients)
            let text =
                "\(Self.bar(total - rest, of: total)) \(PrintableText.line(names)): \(says(left)), \(Moment.length(time))"
            try console.write("\r" + PrintableText.cut(text, to: width - 1) + "\u{1B}[K")
        } else {
            try console.line("\(names): \(says(left))")
        }
    }

    /// Ends the line that was written over.
    private func clear(_ console: some Console, _ isJSON: Bool) throws {
        if console.isLive && !isJSON { try console.write("\r\u{1B}[K") }
    }

    private func empty(_ console: some Console, _ isJSON: Bool, _ time: Double) throws -> ExitStatus {
        try clear(console, isJSON)
        if isJSON {
            try console.line(.object(["drained": .string(names)]))
        } else {
            try console.line(
                "\(names): " + (isRequestsOnly ? "no request in flight" : "empty") + " after \(Moment.length(time))")
        }
        return .done
    }

    private func ended(_ left: Left, _ console: some Console, _ isJSON: Bool) throws -> ExitStatus {
        try clear(console, isJSON)
        console.complain("\(left.ended.joined(separator: ", ")): somebody has ended the drain, or its --until has come")
        return .drainEnded
    }

    private func timeUp(_ left: Left?, _ console: some Console, _ isJSON: Bool, _ limit: Double) throws -> ExitStatus {
        try clear(console, isJSON)
        let what = left.map(says) ?? "the server does not say what is left"
        console.complain("\(names): after \(Moment.length(limit)) still \(what); it goes on draining")
        return .timeUp
    }

    /// `[######··············]`.
    static func bar(_ done: Int, of total: Int) -> String {
        let cells = 20
        let full = total > 0 ? max(0, min(cells, done * cells / total)) : 0
        return "[" + String(repeating: "#", count: full) + String(repeating: ".", count: cells - full) + "]"
    }
}
