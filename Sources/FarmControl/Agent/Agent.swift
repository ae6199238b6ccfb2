/// `farmctl agent`: tells a server, again and again, how a member is.
public struct Agent: Sendable {
    private let farm: String
    private let member: String
    private var sampler: Sampler
    private let interval: Double

    /// The time over which processors are measured before the first round, in seconds, if the interval is longer.
    static let first = 1.0

    public init(farm: String, member: String, _ sampling: Sampling, interval: Double) throws {
        let target = try Target(parsing: "\(farm)/\(member)")
        try sampling.check()
        self.farm = target.farm
        self.member = member
        self.interval = interval
        sampler = Sampler(sampling)
    }

    /// Pushes once, and writes how the server sees the member. Throws what does not work.
    public mutating func once(_ server: Server, on console: some Console, isJSON: Bool) async throws {
        try await prepare(console)
        let (pairs, faults) = sampler.sample()
        guard faults.isEmpty else { throw Failure(.data, faults.joined(separator: "; ")) }
        try await PushOrder(farm: farm, member: member, pairs: pairs).send(server, on: console, isJSON: isJSON)
    }

    /// Pushes until it is ended. A server that does not answer is asked again in the next round; what it refuses ends the
    /// agent in the first round only. Each fault is told when it begins, and when there is none any more.
    public mutating func run(_ server: Server, on console: some Console, rounds: Int? = nil) async throws {
        try await prepare(console)
        var round = 0
        var before = ""
        var hasPushed = false
        while true {
            let start = console.time
            let (pairs, faults) = sampler.sample()
            var trouble = faults
            do {
                _ = try await server.update(PushOrder(farm: farm, member: member, pairs: pairs).form)
                if !hasPushed {
                    console.complain(
                        "\(farm)/\(member): pushing to \(server.address.url(.update)) every \(Moment.length(interval))")
                }
                hasPushed = true
            } catch let failure as Failure {
                let isLasting = failure.status != .unreachable
                if isLasting && !hasPushed { throw failure }
                trouble.append(failure.message)
            }
            let text = trouble.joined(separator: "; ")
            if text != before { console.complain(text.isEmpty ? "\(farm)/\(member): all is well again" : text) }
            before = text
            round += 1
            if round == rounds { return }
            try await console.sleep(max(0.01, interval - (console.time - start)))
        }
    }

    private mutating func prepare(_ console: some Console) async throws {
        if sampler.prepare() { try await console.sleep(min(interval, Self.first)) }
    }
}
