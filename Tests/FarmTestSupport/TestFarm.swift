import CFarm
import FarmCore

/// A farm of its own rows with a seeded source of random numbers, so that every draw of a test is the same each time.
public final class TestFarm {
    public let rows: Rows
    public let farm: Farm
    /// Where the random numbers of the choice are, and those of the keys that it is given.
    private let seed: UnsafeMutablePointer<UInt64>

    /// What a request is known by to an algorithm that asks.
    public enum Key {
        /// Each has its own, if the algorithm wants one at all.
        case fresh
        case none
        case hashed(UInt64)
    }

    public init(
        _ algorithm: Algorithm, weights: [UInt32], names: [String]? = nil, fall: UInt32 = 1,
        retry: UInt64 = 10_000_000, recover: UInt64 = 0, freshness: Freshness = .off, slowStart: SlowStart = .off,
        panic: UInt32 = 0,
        seed number: UInt64 = 1
    ) {
        rows = Rows(weights: weights, names: names)
        rows.farm.pointee.counts_inflight = algorithm.countsFarmInFlight ? 1 : 0
        seed = .allocate(capacity: 2)
        seed.initialize(to: number)
        (seed + 1).initialize(to: ~number)
        farm = Farm(
            row: rows.farm, members: rows.members, algorithm: algorithm,
            health: PassiveHealth(fall: fall, retry: retry, recover: recover), freshness: freshness,
            slowStart: slowStart,
            panic: panic)
    }

    deinit {
        farm.deallocate()
        seed.deallocate()
    }

    public var random: RandomSource { RandomSource(state: seed) }

    public func choose(
        tried: [UInt32] = [], trials: Wish.Trials = .whenDue, key: Key = .fresh, named: Int? = nil, now: UInt64 = 1
    ) -> Choice? {
        let key: UInt64? =
            switch key {
            case .fresh: farm.algorithm.wantsKey ? RandomSource(state: seed + 1).next() : nil
            case .none: nil
            case .hashed(let key): key
            }
        return tried.withUnsafeBufferPointer { tried in
            // An empty array may have no address; the pointer is not followed when there is nothing to see.
            let start = tried.baseAddress ?? UnsafePointer(bitPattern: 8)!
            return farm.choose(
                Wish(tried: start, triedCount: tried.count, trials: trials, key: key, named: named.map { UInt32($0) }),
                now: now, random: random)
        }
    }

    public func giveBack(_ choice: Choice) { farm.giveBack(rows.members[choice.index]) }

    /// Sends `count` requests one after the other; each is over before the next one comes.
    public func sequential(_ count: Int, now: UInt64 = 1, each: (Int) -> Void = { _ in }) -> [Int] {
        var seen = [Int](repeating: 0, count: rows.count)
        for _ in 0..<count {
            guard let choice = choose(now: now) else { continue }
            seen[choice.index] += 1
            each(choice.index)
            giveBack(choice)
        }
        return seen
    }

    /// Who stands in for whom, one for each member; nil: nobody.
    public func redirect(_ others: [Int?]) {
        for (at, other) in others.enumerated() { if let other { farm.setRedirect(at, to: UInt32(other)) } }
    }

    public func setState(_ at: Int, admin: Admin, down: Bool = false) {
        rows.setState(at, admin: admin, down: down)
        farm.changed()
    }
}
