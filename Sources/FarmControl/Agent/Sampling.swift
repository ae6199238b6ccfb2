/// What an agent measures.
public struct Sampling: Sendable {
    public var hasCPU = false
    public var hasLoad = false
    public var hasMemory = false
    /// TCP connections of a local port.
    public var port: UInt16?
    /// The metric, and the command that writes its number.
    public var commands: [(name: String, command: String)] = []
    /// Ends with status 0 where the member works.
    public var healthCommand: String?
    /// So many good checks in a row mean up, so many bad ones down.
    public var rise = 1
    public var fall = 1
    /// Seconds a command may take.
    public var limit = 5.0
    /// Where Linux tells of itself.
    public var proc = "/proc"

    public init() {}

    /// Reads `NAME=COMMAND`.
    public static func command(_ text: String) throws -> (name: String, command: String) {
        let parts = text.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
        guard parts.count == 2, Grammar.isMetric(parts[0]), !parts[1].trimmed.isEmpty else {
            throw Failure(.usage, "--command takes NAME=COMMAND, such as 'queue=wc -l < /run/app/queue', not '\(text)'")
        }
        return (parts[0], parts[1])
    }

    /// Throws when two things have the same name, or nothing is to be measured.
    public func check() throws {
        var names = builtIn
        for (name, _) in commands {
            guard !names.contains(name), name != "health" && name != "farm" && name != "member" else {
                throw Failure(.usage, "--command \(name)=…: something else has this name already; give it another")
            }
            names.append(name)
        }
        guard !names.isEmpty || healthCommand != nil else {
            throw Failure(
                .usage,
                "nothing is to be measured: say --cpu, --load, --memory, --connections, --command or --health-command")
        }
        guard rise > 0, fall > 0 else { throw Failure(.usage, "--rise and --fall take numbers from 1 on") }
    }

    /// Names of what is measured here.
    private var builtIn: [String] {
        (hasCPU ? ["cpu"] : []) + (hasLoad ? ["load"] : []) + (hasMemory ? ["memory"] : [])
            + (port == nil ? [] : ["connections"])
    }
}

/// Measures, again and again.
public struct Sampler: Sendable {
    var sampling: Sampling
    private var ticks: Readings.Ticks?
    private var good = 0
    private var bad = 0
    /// What the checks say; nil: not yet enough of them.
    private var verdict: String?

    public init(_ sampling: Sampling) { self.sampling = sampling }

    /// One round: the metrics, and what could not be measured in words. What cannot be measured is left out: the server
    /// then keeps the last value.
    public mutating func sample() -> (pairs: [(String, String)], faults: [String]) {
        var pairs: [(String, String)] = []
        var faults: [String] = []
        func add(_ name: String, _ value: Double?, _ fault: String) {
            if let value { pairs.append((name, Self.text(value))) } else { faults.append("\(name): \(fault)") }
        }
        if sampling.hasCPU {
            let now = Readings.ticks(read("stat"))
            // Without a reading before, there is no time over which it could be said.
            if let before = ticks, let now {
                add("cpu", now.part(since: before), "\(sampling.proc)/stat does not move")
            }
            if now == nil { faults.append("cpu: \(sampling.proc)/stat cannot be read") }
            ticks = now ?? ticks
        }
        if sampling.hasLoad {
            let count = max(1, Readings.processors(read("stat")))
            add(
                "load", Readings.load(read("loadavg")).map { $0 / Double(count) },
                "\(sampling.proc)/loadavg cannot be read")
        }
        if sampling.hasMemory {
            add("memory", Readings.memory(read("meminfo")), "\(sampling.proc)/meminfo cannot be read")
        }
        if let port = sampling.port {
            let tables = [read("net/tcp"), read("net/tcp6")]
            let isThere = tables.contains { !$0.isEmpty }
            add(
                "connections", isThere ? Double(tables.map { Readings.connections($0, port: port) }.reduce(0, +)) : nil,
                "\(sampling.proc)/net/tcp cannot be read")
        }
        for (name, command) in sampling.commands {
            switch Self.number(ShellCommand(text: command, limit: sampling.limit).run()) {
            case .success(let value): pairs.append((name, value))
            case .failure(let fault): faults.append("\(name): \(fault.message)")
            }
        }
        if let health = checked() { pairs.append(("health", health)) }
        return (pairs, faults)
    }

    /// How long to wait before the first round counts: the processors are measured over a time.
    public mutating func prepare() -> Bool {
        guard sampling.hasCPU else { return false }
        ticks = Readings.ticks(read("stat"))
        return ticks != nil
    }

    /// What the health command says, with those before it.
    private mutating func checked() -> String? {
        guard let command = sampling.healthCommand else { return nil }
        if case .ended(0, _) = ShellCommand(text: command, limit: sampling.limit).run() {
            (good, bad) = (good + 1, 0)
            if good >= sampling.rise { verdict = "up" }
        } else {
            (good, bad) = (0, bad + 1)
            if bad >= sampling.fall { verdict = "down" }
        }
        return verdict
    }

    private static func number(_ outcome: ShellCommand.Outcome) -> Result<String, Failure> {
        func fault(_ what: String) -> Result<String, Failure> { .failure(Failure(.data, what)) }
        switch outcome {
        case .ended(0, let said):
            let text = said.lines[0].trimmed
            guard Grammar.number(text) != nil else {
                return fault("the command wrote '\(PrintableText.cut(text, to: 40))', which is no number such as 0.42")
            }
            return .success(text)
        case .ended(let status, _): return fault("the command ended with status \(status)")
        case .signalled(let signal): return fault("the command was ended by signal \(signal)")
        case .timedOut: return fault("the command took too long and was ended")
        case .failed(let why): return fault("the command cannot be run: \(why)")
        }
    }

    private func read(_ name: String) -> String { (try? TextFile.read("\(sampling.proc)/\(name)")) ?? "" }

    /// Four decimals, and none where it has none.
    static func text(_ value: Double) -> String {
        let rounded = (value * 10_000).rounded() / 10_000
        return rounded == rounded.rounded() && abs(rounded) < 1e15 ? "\(Int(rounded))" : "\(rounded)"
    }
}
