/// What Linux says of this machine in /proc: texts become numbers.
enum Readings {
    /// Time of all processors since the start, in ticks: working, and in all (proc_stat(5)).
    struct Ticks: Equatable {
        var busy: Double
        var all: Double

        /// The part of the time between two readings in which processors worked, 0 to 1; nil: no time went by.
        func part(since before: Ticks) -> Double? {
            let time = all - before.all
            guard time > 0 else { return nil }
            return max(0, min(1, (busy - before.busy) / time))
        }
    }

    /// Of /proc/stat. Waiting for disks is no work; guests are counted in user time already.
    static func ticks(_ stat: String) -> Ticks? {
        guard let line = stat.split(separator: "\n").first, line.hasPrefix("cpu ") else { return nil }
        let numbers = line.split(separator: " ").dropFirst().prefix(8).compactMap { Double($0) }
        guard numbers.count >= 4 else { return nil }
        let all = numbers.reduce(0, +)
        return Ticks(busy: all - numbers[3] - (numbers.count > 4 ? numbers[4] : 0), all: all)
    }

    /// How many processors /proc/stat lists.
    static func processors(_ stat: String) -> Int {
        stat.split(separator: "\n").filter { $0.hasPrefix("cpu") && !$0.hasPrefix("cpu ") }.count
    }

    /// The average of the last minute, of /proc/loadavg.
    static func load(_ loadavg: String) -> Double? { loadavg.split(separator: " ").first.flatMap { Double($0) } }

    /// The part of the memory that is not available, of /proc/meminfo.
    static func memory(_ meminfo: String) -> Double? {
        func kilobytes(_ name: String) -> Double? {
            let line = meminfo.split(separator: "\n").first { $0.hasPrefix(name + ":") }
            return line?.split(separator: " ").dropFirst().first.flatMap { Double($0) }
        }
        guard let total = kilobytes("MemTotal"), total > 0, let available = kilobytes("MemAvailable") else {
            return nil
        }
        return max(0, min(1, 1 - available / total))
    }

    /// TCP connections that are established with a local port, of /proc/net/tcp and tcp6 (proc_net(5)).
    static func connections(_ tcp: String, port: UInt16) -> Int {
        let digits = String(port, radix: 16, uppercase: true)
        let end = ":" + String(repeating: "0", count: 4 - digits.count) + digits
        return tcp.split(separator: "\n").dropFirst().filter { line in
            let fields = line.split(separator: " ", maxSplits: 4)
            return fields.count > 3 && fields[1].hasSuffix(end) && fields[3] == "01"
        }.count
    }
}
