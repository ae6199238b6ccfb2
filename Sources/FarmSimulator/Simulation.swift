import FarmCore

/// One scenario with one algorithm: discrete events in simulated time.
///
/// The same scenario and seed give the same arrivals, balancers, demands and clients, whatever the algorithm.
public final class Simulation {
    /// A request, from its arrival until neither its client nor a balancer waits for it.
    struct Request {
        var arrived: Time
        var demand: Double
        var client: UInt32
        var balancer: Int
        var attempts = 0
        /// Moves on with each attempt: what belongs to an earlier one is too late.
        var attempt: UInt32
        var pick = Pick(member: 0)
        var chosenAt: Time = 0
        var isOpen = false
        /// Attempts that broke, whose members are not charged yet.
        var broken: [Pick] = []
        /// Attempts whose answer did not come in time.
        var waited: UInt32 = 0
        /// The member that it reached last broke it, and was sound.
        var brokeBefore = false
        var clientWaits = true
    }

    /// How long a probe is on its way, there and back.
    static let probeDelay: Time = 1_000
    /// Clients, for algorithms that keep clients at members.
    private static let clients = 10_000

    let scenario: Scenario
    let competitor: Competitor
    let seed: UInt64
    let members: [ServingMember]
    let balancers: [any Balancer]
    let policy: RequestPolicy
    public private(set) var now: Time = 0
    var events = EventQueue()
    var requests = Slab<Request>()
    var jobs = Slab<Job>()
    private var tried: UnsafeMutablePointer<UInt32>
    private var triedCapacity = 0
    private var probes = Slab<(balancer: Int, member: Int)>()
    private var reports = Slab<[MemberReport]>()
    private var clientDeadlines = Ring<(time: Time, request: Int, serial: UInt32)>()
    private var attemptDeadlines = Ring<(time: Time, request: Int, attempt: UInt32)>()
    private var nextArrival: Time
    private var arrivalClock = 0.0
    private var serial: UInt32 = 0
    private var clientSerials: ContiguousArray<UInt32> = []
    private var arrivalNumbers: Randomness
    private var demandNumbers: Randomness
    private var spreadNumbers: Randomness

    // MARK: What is counted

    public private(set) var arrivals = 0
    public private(set) var succeeded = 0
    public private(set) var failed = 0
    /// Requests that broke two members in a row and were stopped.
    public private(set) var suspects = 0
    private var measuredSucceeded = 0
    private var latencies: [UInt32] = []
    private var attemptsAt: [Int]

    public init(_ scenario: Scenario, _ competitor: Competitor, seed: UInt64) {
        self.scenario = scenario
        self.competitor = competitor
        self.seed = seed
        members = scenario.members.map { ServingMember($0, keepsHistory: competitor.sendsProbes) }
        var seeds = Randomness(seed: seed, stream: 4)
        balancers = (0..<scenario.balancers).map { _ in competitor.makeBalancer(scenario, seed: seeds.next()) }
        policy = Self.policy(scenario)
        arrivalNumbers = Randomness(seed: seed, stream: 1)
        demandNumbers = Randomness(seed: seed, stream: 2)
        spreadNumbers = Randomness(seed: seed, stream: 3)
        attemptsAt = [Int](repeating: 0, count: scenario.members.count)
        tried = .allocate(capacity: 1)
        nextArrival = 0
        latencies.reserveCapacity(Int(scenario.arrivals.rate * Double(scenario.duration) / 1e6 * 1.05) + 16)
        scheduleArrival()
        for (at, model) in scenario.members.enumerated() where model.joins > 0 {
            events.schedule(.join, at, at: model.joins)
        }
        if let reports = scenario.reports { events.schedule(.measure, 0, at: reports.every) }
    }

    deinit { tried.deallocate() }

    /// Runs until every client has its answer or has given up.
    public func run() -> Outcome {
        run(until: scenario.duration + scenario.clientTimeout)
        return outcome()
    }

    /// Lets everything happen that happens before `end`, and at it.
    public func run(until end: Time) {
        while true {
            let event = events.next?.time ?? .max
            let attempt = attemptDeadlines.first?.time ?? .max
            let client = clientDeadlines.first?.time ?? .max
            let next = min(min(event, attempt), min(client, nextArrival))
            guard next <= end else { break }
            now = next
            if event == next {
                happen()
            } else if attempt == next {
                expireAttempt()
            } else if client == next {
                expireClient()
            } else {
                arrive()
            }
        }
        now = max(now, end)
    }

    /// Requests that a client or a balancer waits for.
    var liveRequests: [Request] { requests.places.filter { $0.clientWaits || $0.isOpen } }

    public func outcome() -> Outcome {
        let attempts = Double(max(1, attemptsAt.reduce(0, +)))
        let shares = attemptsAt.map { Double($0) / attempts }
        return Outcome(
            scenario: scenario.name, algorithm: competitor.name, seed: seed, requests: latencies.count,
            succeeded: measuredSucceeded, span: Double(scenario.duration - scenario.measuredFrom) / 1e6,
            latencies: latencies.sorted(), shares: shares,
            oddShare: scenario.odd.isEmpty ? nil : scenario.odd.reduce(0) { $0 + shares[$1] })
    }

    // MARK: A request's life

    private func arrive() {
        let request = Request(
            arrived: now, demand: demandNumbers.fraction(),
            client: UInt32(spreadNumbers.below(Self.clients)), balancer: spreadNumbers.below(balancers.count),
            attempt: nextSerial())
        let at = requests.add(request)
        makeRoom()
        if clientSerials.count < requests.places.count { clientSerials.append(0) }
        clientSerials[at] = request.attempt
        clientDeadlines.append((now + scenario.clientTimeout, at, request.attempt))
        arrivals += 1
        scheduleArrival()
        attempt(at)
    }

    /// Sends a request to members until one of them takes it, or there is none left to try.
    private func attempt(_ at: Int) {
        while true {
            let balancer = balancers[requests[at].balancer]
            let count = requests[at].attempts
            let tried = UnsafeBufferPointer(start: tried + at * scenario.maxAttempts, count: count)
            let pick = balancer.choose(tried: tried, client: requests[at].client, now: now)
            sendProbes(balancer, requests[at].balancer)
            guard let pick else {
                blame(at, isDoubtful: true)
                if requests[at].clientWaits { resolve(at, success: false) }
                forgetIfOver(at)
                return
            }
            self.tried[at * scenario.maxAttempts + count] = UInt32(pick.member)
            requests[at].attempts = count + 1
            requests[at].attempt = nextSerial()
            requests[at].pick = pick
            requests[at].chosenAt = now
            requests[at].isOpen = true
            if requests[at].arrived >= scenario.measuredFrom { attemptsAt[pick.member] += 1 }
            guard reachesNobody(at, members[pick.member]) else { return }
            guard end(at, saw: .unreachable, status: 0) else { return }
        }
    }

    /// Whether the member refused; otherwise it has the request, and something will happen.
    private func reachesNobody(_ at: Int, _ member: ServingMember) -> Bool {
        let effect = member.effect(at: now)
        if effect == .refuse { return true }
        attemptDeadlines.append((now + scenario.attemptTimeout, at, requests[at].attempt))
        if effect == .hang { return false }
        let job = jobs.add(
            Job(
                request: at, attempt: requests[at].attempt, member: requests[at].pick.member,
                demand: requests[at].demand, arrived: now, found: member.present))
        if case .error(let delay) = effect {
            events.schedule(.errorPage, job, at: now + delay)
            return false
        }
        switch member.enter(job, now: now) {
        case .started:
            events.schedule(.done, job, at: now + member.serviceTime(requests[at].demand, now: now))
            return false
        case .waits:
            return false
        case .refused:
            jobs.remove(job)
            return true
        }
    }

    /// Ends the open attempt; whether the request is to be tried again.
    private func end(_ at: Int, saw: Evidence, status: UInt32) -> Bool {
        let request = requests[at]
        let balancer = balancers[request.balancer]
        let isSound = balancer.isSound(request.pick.member)
        let verdict = Verdict.of(
            saw, status: status,
            .init(
                attempts: UInt32(request.attempts), isIdempotent: true, bodyCanBeResent: true, waited: request.waited,
                brokeBefore: request.brokeBefore, memberIsSound: isSound),
            policy: policy)
        balancer.ended(
            request.pick, charge: verdict.charge, wasAnswered: saw.contains(.answer) || saw.contains(.held),
            took: now - request.chosenAt, now: now)
        if saw.contains(.timeout) { requests[at].waited += 1 }
        if Verdict.reached(saw) { requests[at].brokeBefore = Verdict.isClose(saw) && isSound }
        if verdict.charge == .broken { requests[at].broken.append(request.pick) }
        if verdict.isSuspect { suspects += 1 }
        if !verdict.retry { blame(at, isDoubtful: verdict.charge != .success) }
        requests[at].isOpen = false
        requests[at].attempt = nextSerial()
        if verdict.retry { return true }
        if request.clientWaits { resolve(at, success: saw.contains(.answer) && status < 500) }
        forgetIfOver(at)
        return false
    }

    /// Charges the members that broke a request, now that it is known whether another one has answered it.
    private func blame(_ at: Int, isDoubtful: Bool) {
        let broken = requests[at].broken
        requests[at].broken = []
        for pick in broken {
            balancers[requests[at].balancer].blamed(
                pick, isDoubtful: isDoubtful, isOfRequest: isDoubtful && broken.count > 1, now: now)
        }
    }

    private func answer(_ job: Job, status: UInt32) {
        let at = job.request
        guard at < requests.places.count, requests[at].attempt == job.attempt, requests[at].isOpen else { return }
        let request = requests[at]
        let fails = policy.fails(on: status)
        balancers[request.balancer].answered(
            job.member, latency: now - request.chosenAt, isError: status >= 500 || fails, now: now)
        let holds =
            fails
            && policy.mayResend(idempotent: true, bodyCanBeResent: true, attempts: UInt32(request.attempts))
        if end(at, saw: holds ? [.held, .sent] : [.answer, .sent], status: status) { attempt(at) }
    }

    private func expireAttempt() {
        guard let expired = attemptDeadlines.removeFirst(), requests[expired.request].attempt == expired.attempt,
            requests[expired.request].isOpen
        else { return }
        if end(expired.request, saw: [.sent, .timeout], status: 0) { attempt(expired.request) }
    }

    /// httpd does not see that a client has gone before it writes to it: the attempt goes on, and so does the member.
    private func expireClient() {
        guard let expired = clientDeadlines.removeFirst(), clientSerials[expired.request] == expired.serial,
            requests[expired.request].clientWaits
        else { return }
        resolve(expired.request, success: false)
        forgetIfOver(expired.request)
    }

    private func resolve(_ at: Int, success: Bool) {
        requests[at].clientWaits = false
        if success { succeeded += 1 } else { failed += 1 }
        guard requests[at].arrived >= scenario.measuredFrom else { return }
        if success { measuredSucceeded += 1 }
        latencies.append(UInt32(success ? now - requests[at].arrived : scenario.clientTimeout))
    }

    private func forgetIfOver(_ at: Int) {
        guard !requests[at].clientWaits, !requests[at].isOpen else { return }
        clientSerials[at] = 0
        requests.remove(at)
    }

    // MARK: Events

    private func happen() {
        guard let event = events.next else { return }
        events.removeNext()
        let index = Int(event.index)
        switch event.kind {
        case .done:
            let job = jobs[index]
            jobs.remove(index)
            let member = members[job.member]
            if let next = member.leave(job, now: now) {
                events.schedule(.done, next, at: now + member.serviceTime(jobs[next].demand, now: now))
            }
            answer(job, status: 200)
        case .errorPage:
            let job = jobs[index]
            jobs.remove(index)
            answer(job, status: 500)
        case .probe:
            let probe = probes[index]
            probes.remove(index)
            let member = members[probe.member]
            switch member.effect(at: now) {
            case .refuse, .hang: break
            default:
                let answer = member.probe()
                balancers[probe.balancer].probed(
                    probe.member, inFlight: answer.inFlight, latency: answer.latency, now: now)
            }
        case .join:
            for balancer in balancers { balancer.join(index, now: now) }
        case .measure:
            measure()
        case .report:
            let loads = reports[index]
            reports.remove(index)
            for balancer in balancers {
                for (member, load) in loads.enumerated() { balancer.report(member, load, now: now) }
            }
        }
    }

    private func sendProbes(_ balancer: any Balancer, _ at: Int) {
        guard competitor.sendsProbes else { return }
        while let member = balancer.nextProbe() {
            events.schedule(.probe, probes.add((at, member)), at: now + Self.probeDelay)
        }
    }

    private func measure() {
        guard let plan = scenario.reports else { return }
        let loads = members.map { $0.measure(now: now) }
        events.schedule(.report, reports.add(loads), at: now + plan.delay)
        events.schedule(.measure, 0, at: now + plan.every)
    }

    private func scheduleArrival() {
        switch scenario.arrivals {
        case .poisson(let rate):
            arrivalClock += Distribution.exponential(mean: 1e6 / rate).quantile(arrivalNumbers.fraction())
        case .constant(let rate):
            arrivalClock += 1e6 / rate
        }
        nextArrival = arrivalClock < Double(scenario.duration) ? Time(arrivalClock) : .max
    }

    private func nextSerial() -> UInt32 {
        serial &+= 1
        return serial
    }

    private func makeRoom() {
        let wanted = requests.places.count
        guard wanted > triedCapacity else { return }
        let capacity = max(1_024, wanted * 2)
        let bigger = UnsafeMutablePointer<UInt32>.allocate(capacity: capacity * scenario.maxAttempts)
        bigger.initialize(repeating: 0, count: capacity * scenario.maxAttempts)
        bigger.update(from: tried, count: triedCapacity * scenario.maxAttempts)
        tried.deallocate()
        tried = bigger
        triedCapacity = capacity
    }

    private static func policy(_ scenario: Scenario) -> RequestPolicy {
        var statuses = InlineArray<10, UInt64>(repeating: 0)
        if scenario.failsOnErrors { statuses[500 / 64] |= 1 << (500 % 64) }
        return RequestPolicy(
            maxAttempts: UInt32(scenario.maxAttempts), retrySafe: true, failOnTimeout: false, failOnStatus: statuses)
    }
}
