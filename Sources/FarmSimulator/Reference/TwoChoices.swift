/// Of two different members drawn at random, the one with fewer requests in flight; the first drawn when they have as many.
///
/// M. Mitzenmacher, The power of two choices in randomized load balancing, IEEE Transactions on Parallel and Distributed
/// Systems 12 (10), 2001.
struct TwoChoices: ReferencePolicy {
    private var random: Randomness

    init(memberCount: Int, seed: UInt64) { random = Randomness(seed: seed, stream: 21) }

    mutating func choose(_ candidates: ArraySlice<Int>, inFlight: [Int32], now: Time) -> Int {
        let pair = random.pair(below: candidates.count)
        let (first, second) = (candidates.at(pair.0), candidates.at(pair.1))
        return inFlight[second] < inFlight[first] ? second : first
    }
}
