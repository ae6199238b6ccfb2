import CFarm
import FarmCore

/// A farm of its own rows with a seeded source of random numbers, so that every draw of a test is the same each time.
public final class TestFarm {
    public let rows: Rows
    public let farm: Farm
    private let seed: UnsafeMutablePointer<UInt64>

    public init(
        _ algorithm: Algorithm, weights: [UInt32], fall: UInt32 = 1, retry: UInt64 = 10_000_000,
        seed number: UInt64 = 1
    ) {
        rows = Rows(weights: weights)
        seed = .allocate(capacity: 1)
        seed.initialize(to: number)
        farm = Farm(
            row: rows.farm, members: rows.members, algorithm: algorithm,
            health: PassiveHealth(fall: fall, retry: retry))
    }

    deinit {
        farm.deallocate()
        seed.deallocate()
    }

    public var random: RandomSource { RandomSource(state: seed) }

    public func choose(tried: [UInt32] = [], mayTry: Bool = true, now: UInt64 = 1) -> Choice? {
        tried.withUnsafeBufferPointer { tried in
            // An empty array may have no address; the pointer is not followed when there is nothing to see.
            let start = tried.baseAddress ?? UnsafePointer(bitPattern: 8)!
            return farm.choose(
                Wish(tried: start, triedCount: tried.count, mayTry: mayTry), now: now,
                random: random)
        }
    }

    public func giveBack(_ choice: Choice) { InFlight.giveBack(rows.members[choice.index]) }

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

    public func setState(_ at: Int, admin: Admin, down: Bool = false) {
        rows.setState(at, admin: admin, down: down)
        farm.changed()
    }
}
