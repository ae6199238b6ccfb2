import Foundation

/// Of two different members drawn at random, the one with the lower product of a moving average of its round-trip times
/// and its requests in flight, the new one included. The average jumps to a sample that is above it and otherwise falls
/// towards samples, and towards nothing while none come, with a mean life of `decay`.
///
/// M. Eriksen, R. Oanta and others, finagle-core's loadbalancer/PeakEwma.scala; named in S. Jenson and R. Oanta, Beyond
/// Round Robin: Load Balancing for Latency, linkerd.io, 2016.
struct PeakEWMA: ReferencePolicy {
    /// Microseconds. Finagle's and Linkerd's default is 10 s.
    static let decay = 10_000_000.0
    /// The cost of a member that was asked and has not answered yet, above any other.
    private static let penalty = 1e12

    private struct Metric {
        var cost = 0.0
        var stamp: Time = 0

        mutating func observe(_ sample: Double, now: Time) {
            if sample > cost {
                cost = sample
            } else {
                let weight = exp(-Double(now - stamp) / PeakEWMA.decay)
                cost = cost * weight + sample * (1 - weight)
            }
            stamp = now
        }
    }

    private var metrics: [Metric]
    private var random: Randomness

    init(memberCount: Int, seed: UInt64) {
        metrics = [Metric](repeating: Metric(), count: memberCount)
        random = Randomness(seed: seed, stream: 23)
    }

    mutating func choose(_ candidates: ArraySlice<Int>, inFlight: [Int32], now: Time) -> Int {
        let pair = random.pair(below: candidates.count)
        let (first, second) = (candidates.at(pair.0), candidates.at(pair.1))
        let firstLoad = load(first, inFlight: inFlight[first], now: now)
        return load(second, inFlight: inFlight[second], now: now) < firstLoad ? second : first
    }

    mutating func ended(_ member: Int, took: Time, now: Time) { metrics[member].observe(Double(took), now: now) }

    mutating func load(_ member: Int, inFlight: Int32, now: Time) -> Double {
        metrics[member].observe(0, now: now)
        let cost = metrics[member].cost
        return cost == 0 && inFlight != 0 ? Self.penalty + Double(inFlight) : cost * Double(inFlight + 1)
    }
}
