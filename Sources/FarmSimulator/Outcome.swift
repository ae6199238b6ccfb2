/// What came of a run: of the requests that arrived while it was measured.
public struct Outcome: Sendable {
    public var scenario: String
    public var algorithm: String
    public var seed: UInt64
    public var requests: Int
    /// Successful answers in time.
    public var succeeded: Int
    /// Seconds that were measured.
    public var span: Double
    /// How long each client waited, in rising order, in microseconds. A request that failed counts as the client's timeout,
    /// however soon it failed: no algorithm gains by failing fast.
    public var latencies: [UInt32]
    /// The part of the attempts that each member had.
    public var shares: [Double]
    /// The part that all the odd members had together; nil when there are none.
    public var oddShare: Double?

    /// The part of the requests that succeeded.
    public var success: Double { requests == 0 ? 1 : Double(succeeded) / Double(requests) }
    /// Successes a second.
    public var goodput: Double { span > 0 ? Double(succeeded) / span : 0 }

    /// The latency, in milliseconds, that the part `quantile` of the requests did not exceed (nearest rank).
    public func percentile(_ quantile: Double) -> Double {
        guard !latencies.isEmpty else { return 0 }
        let rank = Int((quantile * Double(latencies.count)).rounded(.up))
        return Double(latencies[min(max(rank, 1), latencies.count) - 1]) / 1_000
    }

    /// The mean of the latencies, in milliseconds.
    public var mean: Double {
        latencies.isEmpty ? 0 : latencies.reduce(0.0) { $0 + Double($1) } / Double(latencies.count) / 1_000
    }
}
