/// The member with the fewest requests in flight of all; one of them at random when several have as few.
///
/// "Least loaded" of S. Jenson and R. Oanta, Beyond Round Robin: Load Balancing for Latency, linkerd.io, 2016.
struct LeastLoaded: ReferencePolicy {
    private var random: Randomness

    init(memberCount: Int, seed: UInt64) { random = Randomness(seed: seed, stream: 22) }

    mutating func choose(_ candidates: ArraySlice<Int>, inFlight: [Int32], now: Time) -> Int {
        var least = Int32.max
        var ties = 0
        for member in candidates {
            if inFlight[member] < least { (least, ties) = (inFlight[member], 0) }
            if inFlight[member] == least { ties += 1 }
        }
        var left = random.below(ties)
        for member in candidates where inFlight[member] == least {
            if left == 0 { return member }
            left -= 1
        }
        return candidates.at(0)
    }
}
