/// The scenarios that are shipped. To add one, add a line to `all` and a declaration below or in a file of its own.
public enum Scenarios {
    /// In the order in which `farmsim run --all` runs them.
    public static let all: [Scenario] =
        [equal, slowOne, twentyTimes, few, twoSpeeds, noisyNeighbour, slowStart, failing, poison, broken]
        + restarts + [1, 5, 15].map(reportDelay) + [many] + large

    /// The one of that name, or all whose names begin with it and a dash: `report-delay` is three. Empty when unknown.
    public static func named(_ name: String) -> [Scenario] {
        let exact = all.filter { $0.name == name }
        return exact.isEmpty ? all.filter { $0.name.hasPrefix(name + "-") } : exact
    }

    /// The usual work: a median of 20 ms, a mean of 22.7 ms, 1 % above 64 ms.
    static let usual = Distribution.lognormal(median: 20_000, sigma: 0.5)

    /// So many requests a second keep the servers of these members busy to this part.
    static func rate(_ members: [MemberModel], utilisation: Double) -> Double {
        members.reduce(0) { $0 + Double($1.servers ?? 1) * $1.speed * 1e6 / $1.service.mean } * utilisation
    }

    static func members(_ count: Int, servers: Int = 4, _ service: Distribution = usual) -> [MemberModel] {
        [MemberModel](repeating: MemberModel(service: service, servers: servers), count: count)
    }
}

extension Scenarios {
    static let equal = Scenario(
        "equal", "ten equal members, 80 % busy, four balancers", members: members(10), balancers: 4,
        arrivals: .poisson(rate(members(10), utilisation: 0.8)), duration: seconds(150), measuredFrom: seconds(10))

    /// S. Jenson and R. Oanta, Beyond Round Robin: Load Balancing for Latency, linkerd.io, 2016: latencies with a median of
    /// 167 ms and a standard deviation of 5 ms, one client, 1,000 requests a second for a minute; one member takes two
    /// seconds from second 15 to second 45. Latencies are drawn for each request, so there is no queue. The article's
    /// minute comes twice here.
    static let slowOne: Scenario = {
        let article = Distribution.lognormal(median: 167_000, sigma: 0.03)
        var all = [MemberModel](repeating: MemberModel(service: article), count: 11)
        all[0].disturbances = [
            Disturbance(from: seconds(15), until: seconds(45), every: seconds(60), .service(.constant(2_000_000)))
        ]
        return Scenario(
            "slow-one", "the Linkerd article: one of eleven takes 2 s for half of each minute", members: all,
            arrivals: .constant(1_000), duration: seconds(120), maxAttempts: 1, odd: [0])
    }()

    static let twentyTimes: Scenario = {
        var all = members(11, .exponential(mean: 20_000))
        all[0].speed = 1.0 / 20
        return Scenario(
            "twenty-times", "one of eleven is twenty times slower, with queues, two balancers", members: all,
            balancers: 2, arrivals: .poisson(1_000), duration: seconds(130), measuredFrom: seconds(10),
            maxAttempts: 1, odd: [0])
    }()

    static let few: Scenario = {
        var all = members(3)
        all[0].speed = 0.1
        return Scenario(
            "few", "three nearly idle members, one ten times slower, two balancers", members: all, balancers: 2,
            arrivals: .poisson(20), duration: seconds(6_000), measuredFrom: seconds(60), odd: [0])
    }()

    static let twoSpeeds: Scenario = {
        var all = members(10, .exponential(mean: 20_000))
        for slow in 5..<10 { all[slow].speed = 0.5 }
        return Scenario(
            "two-speeds", "five members of half the speed of five others, 75 % busy, four balancers", members: all,
            balancers: 4, arrivals: .poisson(rate(all, utilisation: 0.75)), duration: seconds(160),
            measuredFrom: seconds(10), odd: Array(5..<10))
    }()

    static let noisyNeighbour: Scenario = {
        var all = members(10)
        all[0].disturbances = [Disturbance(from: seconds(20), until: seconds(30), every: seconds(30), .speed(0.1))]
        return Scenario(
            "noisy-neighbour", "one of ten is ten times slower for 10 s of every 30 s, four balancers", members: all,
            balancers: 4, arrivals: .poisson(rate(members(10), utilisation: 0.65)), duration: seconds(180),
            measuredFrom: seconds(10), odd: [0])
    }()

    static let slowStart: Scenario = {
        var all = members(10)
        all[0].joins = seconds(20)
        all[0].coldSpeed = 0.05
        all[0].warmUp = seconds(30)
        return Scenario(
            "slow-start", "one of ten joins after 20 s and is warm after 30 s more, four balancers", members: all,
            balancers: 4, arrivals: .poisson(rate(members(10), utilisation: 0.7)), duration: seconds(120),
            measuredFrom: seconds(15), odd: [0])
    }()

    static let failing: Scenario = {
        var all = members(10)
        all[0].disturbances = [Disturbance(from: seconds(20), until: seconds(40), .refuse)]
        all[1].disturbances = [Disturbance(from: seconds(50), until: seconds(80), .error(after: milliseconds(1)))]
        all[2].disturbances = [Disturbance(from: seconds(90), until: seconds(110), .hang)]
        return Scenario(
            "failing", "one refuses for 20 s, one answers 500 at once for 30 s, one hangs for 20 s", members: all,
            balancers: 4, arrivals: .poisson(rate(members(10), utilisation: 0.6)), duration: seconds(120),
            measuredFrom: seconds(10), attemptTimeout: milliseconds(400), odd: [0, 1, 2])
    }()

    /// Loads are measured every `late` seconds and known `late` seconds after.
    static func reportDelay(_ late: Double) -> Scenario {
        var all = members(20)
        for slow in 10..<20 { all[slow].speed = 0.6 }
        return Scenario(
            "report-delay-\(Int(late))", "loads are reported every \(Int(late)) s and \(Int(late)) s late, 70 % busy",
            members: all, balancers: 4, arrivals: .poisson(rate(all, utilisation: 0.7)), duration: seconds(100),
            measuredFrom: seconds(35), odd: Array(10..<20), reports: .init(every: seconds(late), delay: seconds(late)),
            comparesLeastReported: true)
    }

    static let many: Scenario = {
        var all = members(1_000, servers: 2, .lognormal(median: 90_000, sigma: 0.5))
        for slow in 0..<50 { all[slow].speed = 0.25 }
        return Scenario(
            "many", "1,000 members, 50 of them four times slower, 65 % busy, 100 balancers", members: all,
            balancers: 100, arrivals: .poisson(rate(all, utilisation: 0.65)), duration: seconds(50),
            measuredFrom: seconds(30), odd: Array(0..<50))
    }()

    /// What it costs to draw from a part of the farm at a time: each load with and without. A lap of the windows is counted.
    static let large: [Scenario] = [("calm", 0.1), ("busy", 0.65)].flatMap { name, utilisation in
        [("", true), ("-whole", false)].map { suffix, narrows in
            var all = members(512, servers: 2, .lognormal(median: 300_000, sigma: 0.5))
            for slow in stride(from: 0, to: 512, by: 20) { all[slow].speed = 0.25 }
            return Scenario(
                "large-\(name)\(suffix)",
                "512 members, 26 of them four times slower, \(Int(utilisation * 100)) % busy, eight processes"
                    + (narrows ? ", each of a part at a time" : ""),
                members: all, processes: 8, narrows: narrows, arrivals: .poisson(rate(all, utilisation: utilisation)),
                duration: seconds(286), measuredFrom: seconds(30), clientTimeout: seconds(3),
                odd: Array(stride(from: 0, to: 512, by: 20)))
        }
    }
}
