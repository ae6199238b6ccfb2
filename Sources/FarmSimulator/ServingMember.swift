/// A request at a member. It stays there when its balancer or its client no longer waits.
struct Job {
    /// The request's place and the number of its attempt, by which a request that is gone is known.
    var request: Int
    var attempt: UInt32
    var member: Int
    /// The random number that says how much work it is.
    var demand: Double
    var arrived: Time
    /// Its work ends with a closed connection instead of an answer.
    var breaks = false
    /// Requests that were at the member when it came.
    var found: Int
}

/// A member at work: servers in parallel, and a queue before them.
final class ServingMember {
    let model: MemberModel
    private let keepsHistory: Bool
    private(set) var working = 0
    /// The most that were ever in work at the same time.
    private(set) var mostWorking = 0
    private var queue = Ring<Int>()
    private var history = ServedHistory()
    private var busyTime = 0.0
    private var busySince: Time = 0
    private var measuredAt: Time = 0

    init(_ model: MemberModel, keepsHistory: Bool) {
        self.model = model
        self.keepsHistory = keepsHistory
    }

    /// Requests in work and waiting.
    var present: Int { working + queue.count }
    var queued: Int { queue.count }

    /// What a connection that is made now meets.
    func effect(at now: Time) -> Disturbance.Effect? {
        for disturbance in model.disturbances where disturbance.isOn(at: now) {
            switch disturbance.effect {
            case .refuse, .error, .close, .hang: return disturbance.effect
            case .speed, .service: continue
            }
        }
        return nil
    }

    enum Entry { case started, waits, refused }

    func enter(_ job: Int, now: Time) -> Entry {
        if let servers = model.servers, working >= servers {
            guard queue.count < model.backlog else { return .refused }
            queue.append(job)
            return .waits
        }
        count(1, now: now)
        return .started
    }

    /// A job is done; the next one that waited begins.
    func leave(_ job: Job, now: Time) -> Int? {
        if keepsHistory { history.add(found: job.found, latency: now - job.arrived) }
        if let next = queue.removeFirst() { return next }
        count(-1, now: now)
        return nil
    }

    /// How long a job that is begun now will take: decided here, whatever befalls the member meanwhile.
    func serviceTime(_ demand: Double, now: Time) -> Time {
        var speed = model.speed
        for disturbance in model.disturbances where disturbance.isOn(at: now) {
            switch disturbance.effect {
            case .speed(let factor): speed *= factor
            case .service(let other): return Time(max(1, other.quantile(demand).rounded()))
            case .refuse, .error, .close, .hang: continue
            }
        }
        if model.warmUp > 0 && now < model.joins + model.warmUp {
            let warm = Double(now - min(now, model.joins)) / Double(model.warmUp)
            speed *= model.coldSpeed + (1 - model.coldSpeed) * warm
        }
        return Time(max(1, (model.service.quantile(demand) / speed).rounded()))
    }

    /// What a probe is told: requests here, and the latency to expect with so many.
    func probe() -> (inFlight: Int, latency: Double) { (present, history.latency(near: present)) }

    /// The load since the last time it was asked.
    func measure(now: Time) -> MemberReport {
        count(0, now: now)
        let span = Double(now - measuredAt) * Double(model.servers ?? 1)
        let utilisation = span > 0 ? busyTime / span : 0
        busyTime = 0
        measuredAt = now
        return MemberReport(utilisation: utilisation, queued: queue.count)
    }

    private func count(_ step: Int, now: Time) {
        busyTime += Double(working) * Double(now - busySince)
        busySince = now
        working += step
        mostWorking = max(mostWorking, working)
    }
}

/// The last requests that a member has served, for probes (Prequal): how long each was there, and how many it found.
struct ServedHistory {
    private static let length = 32
    private static let asked = 8
    private var found: [Int] = []
    private var latencies: [Double] = []
    private var next = 0

    mutating func add(found count: Int, latency: Time) {
        if found.count < Self.length {
            found.append(count)
            latencies.append(Double(latency))
        } else {
            found[next] = count
            latencies[next] = Double(latency)
            next = (next + 1) % Self.length
        }
    }

    /// The median latency of those that found about as many; 0 when there was none.
    func latency(near count: Int) -> Double {
        guard !found.isEmpty else { return 0 }
        var nearest: [(distance: Int, latency: Double)] = []
        nearest.reserveCapacity(Self.asked + 1)
        for at in found.indices {
            let distance = abs(found[at] - count)
            if nearest.count == Self.asked && distance >= nearest[Self.asked - 1].distance { continue }
            var place = nearest.count
            while place > 0 && nearest[place - 1].distance > distance { place -= 1 }
            nearest.insert((distance, latencies[at]), at: place)
            if nearest.count > Self.asked { nearest.removeLast() }
        }
        nearest.sort { $0.latency < $1.latency }
        return nearest[nearest.count / 2].latency
    }
}
