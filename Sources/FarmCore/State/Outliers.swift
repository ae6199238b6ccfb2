import CFarm

/// Members that stand far out from their farm, by the part of their requests that fail or by latency: `FarmSet eject=on`.
///
/// One process at a time looks, every two seconds while requests come, and puts down one member at the most. What is
/// compared are the requests of about the last ten seconds. docs/algorithms/outliers.md has the reasons for the numbers.
public enum Outliers {
    /// Microseconds between two looks.
    public static let interval: UInt64 = 2_000_000
    /// What is kept of the counts before, at each look, as a divisor: an eighth goes.
    private static let fading: UInt32 = 8
    /// A member with fewer recent requests is not judged.
    private static let fewest: Double = 10
    /// Standard errors by which a member's part of failures exceeds that of the others together.
    private static let errorDeviations = 4.0
    /// And by how much at the least.
    private static let errorExcess = 0.2
    /// The modified z-score of Iglewicz and Hoaglin (How to Detect and Handle Outliers, ASQC 1993).
    private static let latencyScore = 3.5
    /// And how many times the median, and how many microseconds above it.
    private static let latencyFactor = 3.0
    private static let latencyExcess = 10_000.0
    /// A latency older than this many milliseconds says nothing.
    private static let latencyAge: UInt32 = 10_000

    /// Takes the next look for the caller; false when it is not due, or somebody else's.
    public static func claim(_ row: FarmRow, now: UInt64) -> Bool {
        let last = farm_get64(&row.pointee.judged_at)
        return now >= last &+ interval && farm_swap64(&row.pointee.judged_at, last, now) != 0
    }

    /// The member that stands out most, if one does and may be put down: afterwards at least half of the members that the
    /// administrator wants must be left. By whom the look was claimed.
    public static func find(_ members: UnsafeBufferPointer<Member>, freshness: Freshness, now: UInt64) -> Int? {
        for member in members { count(member.row) }
        var wanted = 0
        var judged: [Int] = []
        for at in 0..<members.count {
            let row = members[at].row
            if row.state.admin == .on { wanted += 1 }
            if freshness.isAvailable(row, now: now) { judged.append(at) }
        }
        guard judged.count > 1, 2 * (judged.count - 1) >= wanted else { return nil }
        return worstByErrors(members, judged) ?? worstByLatency(members, judged, now: now)
    }

    /// Lets a member begin anew: what put it down has been paid for. Under the row's lock.
    static func forget(_ row: MemberRow) {
        farm_set64(&row.pointee.judged_requests, farm_get64(&row.pointee.requests))
        farm_set64(&row.pointee.judged_failures, farm_get64(&row.pointee.failed_outcomes))
        farm_set32(&row.pointee.recent_requests, 0)
        farm_set32(&row.pointee.recent_failures, 0)
        farm_set64(&row.pointee.failure_ratio, 0)
        farm_set64(&row.pointee.latency, 0)
    }

    private static func count(_ row: MemberRow) {
        func move(_ recent: UInt32, _ total: UInt64, _ before: UInt64) -> UInt32 {
            let new = UInt32(clamping: total >= before ? total - before : 0)
            return (recent - recent / fading).addingReportingOverflow(new).overflow
                ? UInt32.max : recent - recent / fading + new
        }
        let requests = farm_get64(&row.pointee.requests)
        let failures = farm_get64(&row.pointee.failed_outcomes)
        farm_set32(
            &row.pointee.recent_requests,
            move(farm_get32(&row.pointee.recent_requests), requests, farm_get64(&row.pointee.judged_requests)))
        farm_set32(
            &row.pointee.recent_failures,
            move(farm_get32(&row.pointee.recent_failures), failures, farm_get64(&row.pointee.judged_failures)))
        farm_set64(&row.pointee.judged_requests, requests)
        farm_set64(&row.pointee.judged_failures, failures)
    }

    private static func requests(_ member: Member) -> Double { Double(farm_get32(&member.row.pointee.recent_requests)) }

    private static func failures(_ member: Member) -> Double {
        min(Double(farm_get32(&member.row.pointee.recent_failures)), requests(member))
    }

    /// By the test for two proportions, of each member and all others together, with the pooled variance.
    private static func worstByErrors(_ members: UnsafeBufferPointer<Member>, _ judged: [Int]) -> Int? {
        var allRequests = 0.0
        var allFailures = 0.0
        for at in judged {
            allRequests += requests(members[at])
            allFailures += failures(members[at])
        }
        guard allFailures > 0 else { return nil }
        var worst: Int?
        var worstScore = errorDeviations
        for at in judged {
            let own = requests(members[at])
            let others = allRequests - own
            guard own >= fewest, others >= fewest else { continue }
            let excess = failures(members[at]) / own - (allFailures - failures(members[at])) / others
            let pooled = allFailures / allRequests
            let error = (pooled * (1 - pooled) * (1 / own + 1 / others)).squareRoot()
            // Where everything fails, nobody stands out.
            guard excess >= errorExcess, error > 0, excess / error > worstScore else { continue }
            worst = at
            worstScore = excess / error
        }
        return worst
    }

    /// By the distance from the median in units of the median distance from it.
    private static func worstByLatency(_ members: UnsafeBufferPointer<Member>, _ judged: [Int], now: UInt64) -> Int? {
        let milliseconds = UInt32(truncatingIfNeeded: now / 1000)
        var known: [(at: Int, latency: Double)] = []
        for at in judged where requests(members[at]) >= fewest {
            let word = farm_get64(&members[at].row.pointee.latency)
            let average = DecayingAverage(word: word)
            guard FirstAnswers(word: word) == nil, milliseconds &- average.time < latencyAge else { continue }
            known.append((at, Double(average.value)))
        }
        // Of two nobody can say which is the odd one.
        guard known.count > 2 else { return nil }
        let median = median(known.map { $0.latency })
        let spread = Self.median(known.map { ($0.latency - median).magnitude })
        var worst: Int?
        var worstLatency = max(median * latencyFactor, median + latencyExcess)
        for (at, latency) in known
        where latency >= worstLatency && 0.6745 * (latency - median) > latencyScore * spread {
            worst = at
            worstLatency = latency
        }
        return worst
    }

    private static func median(_ values: [Double]) -> Double {
        let sorted = values.sorted()
        let middle = sorted.count / 2
        return sorted.count % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
    }
}
