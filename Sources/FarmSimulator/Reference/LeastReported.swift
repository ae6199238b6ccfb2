/// The member whose last report was lowest, and nothing else: what herding looks like.
///
/// M. Mitzenmacher, How useful is old information?, IEEE Transactions on Parallel and Distributed Systems 11 (1), 2000: all
/// requests between two reports go to the member that was idle at the first.
struct LeastReported: ReferencePolicy {
    private var loads: [Double]
    private var random: Randomness

    init(memberCount: Int, seed: UInt64) {
        loads = [Double](repeating: 0, count: memberCount)
        random = Randomness(seed: seed, stream: 24)
    }

    mutating func choose(_ candidates: ArraySlice<Int>, inFlight: [Int32], now: Time) -> Int {
        var best = candidates.at(random.below(candidates.count))
        for member in candidates where loads[member] < loads[best] { best = member }
        return best
    }

    mutating func report(_ member: Int, _ load: MemberReport) { loads[member] = load.utilisation + Double(load.queued) }
}
