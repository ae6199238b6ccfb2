/// Probes members beside the requests, keeps the answers in a pool, and chooses among these: members with many requests in
/// flight are hot; of the cold ones the one with the lowest latency, and if all are hot the one with the fewest in flight.
///
/// B. Wydrowski, R. Kleinberg, S. M. Rumble, A. Archer, Load is not what you should balance: Introducing Prequal, NSDI 2024.
/// Constants are the paper's. It does not say what to do with fewer members than places in the pool: here the pool
/// holds half the members at most, and one answer of each. Avoiding members that fail fast is left out.
struct Prequal: ReferencePolicy {
    /// Probes sent after each request.
    static let probesPerRequest = 3
    static let poolSize = 16
    /// Microseconds after which an answer is too old.
    static let longestAge: Time = 1_000_000
    /// A member is hot above this quantile of the requests in flight that were seen lately: 2 ^ -1/4.
    static let hotQuantile = 0.841
    /// Answers taken out of the pool at each request, the oldest and the worst in turn.
    private static let removalsPerRequest = 1.0
    private static let delta = 1.0
    /// Requests in flight that were seen lately: so many answers.
    private static let memory = 128

    private struct Answer {
        var member: Int
        var inFlight: Int
        var latency: Double
        var came: Time
        var uses: Int
    }

    private var pool: [Answer] = []
    private let capacity: Int
    /// How often an answer may be used: fractions are drawn.
    private let reuse: Double
    private var toProbe = 0
    private var probedNow: [Int] = []
    private var removesOldest = true
    private var seen: [Int] = []
    private var seenNext = 0
    private var histogram = [Int](repeating: 0, count: 1024)
    private var random: Randomness

    init(memberCount: Int, seed: UInt64) {
        random = Randomness(seed: seed, stream: 25)
        capacity = min(Self.poolSize, max(2, memberCount / 2))
        let fresh = (1 - Double(capacity) / Double(max(memberCount, capacity + 1))) * Double(Self.probesPerRequest)
        let left = fresh - Self.removalsPerRequest
        reuse = left > 0 ? max(1, (1 + Self.delta) / left) : Double(capacity)
    }

    mutating func choose(_ candidates: ArraySlice<Int>, inFlight: [Int32], now: Time) -> Int {
        toProbe = Self.probesPerRequest
        probedNow.removeAll(keepingCapacity: true)
        pool.removeAll { now - $0.came > Self.longestAge }
        let threshold = hotThreshold()
        var best: Int?
        for at in pool.indices where Self.contains(candidates, pool[at].member) {
            if let known = best, !isBetter(pool[at], pool[known], threshold) { continue }
            best = at
        }
        guard pool.count >= 2, let best else { return candidates.at(random.below(candidates.count)) }
        let member = pool[best].member
        // The request that goes there now is not in the answer.
        pool[best].inFlight += 1
        pool[best].uses -= 1
        if pool[best].uses <= 0 { pool.remove(at: best) }
        removeOne(threshold)
        return member
    }

    mutating func nextProbe(_ available: [Int]) -> Int? {
        guard toProbe > 0, probedNow.count < available.count else { return nil }
        toProbe -= 1
        while true {
            let member = available[random.below(available.count)]
            if probedNow.contains(member) { continue }
            probedNow.append(member)
            return member
        }
    }

    mutating func probed(_ member: Int, inFlight: Int, latency: Double, now: Time) {
        note(min(inFlight, histogram.count - 1))
        var uses = Int(reuse)
        if random.fraction() < reuse - Double(uses) { uses += 1 }
        pool.removeAll { $0.member == member }
        if pool.count >= capacity { pool.remove(at: oldest()) }
        pool.append(Answer(member: member, inFlight: inFlight, latency: latency, came: now, uses: uses))
    }

    /// Hot above it.
    private func hotThreshold() -> Int {
        let wanted = Self.hotQuantile * Double(seen.count)
        var below = 0
        for inFlight in histogram.indices {
            below += histogram[inFlight]
            if Double(below) >= wanted { return inFlight }
        }
        return .max
    }

    private func isBetter(_ a: Answer, _ b: Answer, _ threshold: Int) -> Bool {
        let (aIsHot, bIsHot) = (a.inFlight > threshold, b.inFlight > threshold)
        if aIsHot != bIsHot { return bIsHot }
        return aIsHot ? a.inFlight < b.inFlight : a.latency < b.latency
    }

    private mutating func removeOne(_ threshold: Int) {
        guard !pool.isEmpty else { return }
        if removesOldest {
            pool.remove(at: oldest())
        } else {
            var worst = 0
            for at in pool.indices where isBetter(pool[worst], pool[at], threshold) { worst = at }
            pool.remove(at: worst)
        }
        removesOldest.toggle()
    }

    /// Answers are in the order in which they came.
    private func oldest() -> Int { 0 }

    private mutating func note(_ inFlight: Int) {
        if seen.count < Self.memory {
            seen.append(inFlight)
        } else {
            histogram[seen[seenNext]] -= 1
            seen[seenNext] = inFlight
            seenNext = (seenNext + 1) % Self.memory
        }
        histogram[inFlight] += 1
    }

    /// Candidates are in rising order.
    private static func contains(_ candidates: ArraySlice<Int>, _ member: Int) -> Bool {
        var (low, high) = (candidates.startIndex, candidates.endIndex)
        while low < high {
            let middle = (low + high) / 2
            if candidates[middle] < member { low = middle + 1 } else { high = middle }
        }
        return low < candidates.endIndex && candidates[low] == member
    }
}
