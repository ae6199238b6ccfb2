import CFarm
import FarmTestSupport
import Testing

@testable import FarmCore

/// `FarmSet slowstart=`: a member that has become available again takes its share "linear from a tenth to full".
@Suite struct SlowStartTests {
    private static let time: UInt64 = 1_000_000
    private static let back: UInt64 = 50_000_000

    /// Members of equal weight, of which the first has just come back.
    private func make(_ algorithm: Algorithm, _ count: Int = 2, ramping: [Int] = [0]) -> TestFarm {
        let test = TestFarm(
            algorithm, weights: [UInt32](repeating: 1, count: count), slowStart: SlowStart(time: Self.time))
        for at in ramping { test.rows[at].pointee.available_since = Self.back }
        return test
    }

    private func share(_ test: TestFarm, now: UInt64, of at: Int = 0) -> Double {
        let seen = test.sequential(8_000, now: now)
        return Double(seen[at]) / 8_000
    }

    /// At a time after it came back, the part of its full share.
    private static let line: [(after: UInt64, part: Double)] = [
        (0, 0.1), (time / 10, 0.19), (time / 4, 0.325), (time / 2, 0.55), (time * 3 / 4, 0.775), (time, 1),
        (time * 5, 1),
    ]

    /// Of two members that are alike, the one that has come back takes its part of the half that is its own.
    @Test(arguments: Algorithm.allCases) func theShareGrowsInALine(_ algorithm: Algorithm) {
        for (after, part) in Self.line {
            let seen = share(make(algorithm), now: Self.back + after)
            #expect((seen - part / 2).magnitude < 0.03, "\(after) us after: \(seen)")
        }
    }

    /// The same farm goes along with the clock by itself.
    @Test(arguments: Algorithm.allCases) func withoutAnythingElseHappening(_ algorithm: Algorithm) {
        let test = make(algorithm)
        let seen = Self.line.map { share(test, now: Self.back + $0.after) }
        for (at, point) in Self.line.enumerated() {
            // A view follows in steps of a twentieth.
            #expect((seen[at] - point.part / 2).magnitude < 0.055, "\(point.after) us after: \(seen[at])")
        }
        #expect((seen.last! - 0.5).magnitude < 0.03)
    }

    @Test(arguments: Algorithm.allCases) func whatTheSharesSayIsWhatComes(_ algorithm: Algorithm) {
        for (after, _) in Self.line {
            let test = make(algorithm, 3)
            var shares = Shares(test.farm, now: Self.back + after)
            let said = (0..<3).map { shares.share(of: $0) }
            shares.deallocate()
            #expect((said.reduce(0, +) - 1).magnitude < 1e-9)
            let seen = test.sequential(8_000, now: Self.back + after).map { Double($0) / 8_000 }
            for at in 0..<3 { #expect((said[at] - seen[at]).magnitude < 0.04, "\(after): \(said), but \(seen)") }
        }
    }

    /// "not at httpd's own start".
    @Test func whoWasThereFromTheStartHasItsShare() {
        let test = make(.random, ramping: [])
        #expect((share(test, now: 1) - 0.5).magnitude < 0.03)
    }

    @Test func offMeansAtOnce() {
        let test = TestFarm(.random, weights: [1, 1])
        test.rows[0].pointee.available_since = Self.back
        #expect((share(test, now: Self.back) - 0.5).magnitude < 0.03)
    }

    /// A tier is used before the next one also while all that it has come back.
    @Test(arguments: Algorithm.allCases) func aTierThatOnlyRampsStillServes(_ algorithm: Algorithm) {
        for after in [0, Self.time / 2, Self.time] {
            let test = make(algorithm, 3, ramping: [0, 1])
            test.rows[2].pointee.tier = 1
            let seen = test.sequential(2_000, now: Self.back + after)
            #expect(seen[2] == 0)
            #expect((Double(seen[0]) / 2_000 - 0.5).magnitude < 0.06, "\(seen): alike")
        }
    }

    /// And when the one that has its full share has no room, the one that ramps takes the rest.
    @Test(arguments: Algorithm.allCases) func whoRampsServesWhenNobodyElseCan(_ algorithm: Algorithm) {
        let test = make(algorithm)
        test.rows[1].pointee.max_inflight = 1
        test.rows[1].pointee.inflight = 1
        for _ in 0..<100 {
            let choice = test.choose(now: Self.back)
            #expect(choice?.index == 0)
            if let choice { test.giveBack(choice) }
        }
    }

    /// A clock that is read before the change, by another thread, is no reason for a full share.
    @Test func aClockThatIsBehind() {
        let slowStart = SlowStart(time: Self.time)
        let part = { (now: UInt64) in slowStart.part(since: Self.back, now: now) }
        #expect(part(Self.back - 1) == part(Self.back))
        #expect(part(Self.back + Self.time - 1) < 1)
        #expect(part(Self.back + Self.time) == 1)
        #expect(slowStart.part(since: .max - 5, now: .max) > 0)
    }

    /// A key stays where it is until the member that it belongs to has grown enough; then it goes there, and stays.
    @Test func aKeyMovesOnceAndForGood() {
        let test = make(.hash, 4, ramping: [2])
        let keys = (0..<800).map { bytes("client \($0)").withUnsafeBufferPointer { RequestKey.of($0) } }
        func places(_ now: UInt64) -> [Int] {
            keys.map { key in
                guard let choice = test.choose(key: .hashed(key), now: now) else { return -1 }
                test.giveBack(choice)
                return choice.index
            }
        }
        func grown(_ places: [Int]) -> Int { places.count { $0 == 2 } }
        var before = places(Self.back)
        #expect(places(Self.back) == before, "the same each time")
        var counts = [grown(before)]
        for step in 1...20 {
            test.farm.changed()
            let now = places(Self.back + Self.time * UInt64(step) / 20)
            for (old, new) in zip(before, now) where old != new { #expect(new == 2, "only to the one that grows") }
            before = now
            counts.append(grown(now))
        }
        #expect(counts == counts.sorted())
        #expect(counts[0] < 60 && counts[20] > 120)
        test.rows[2].pointee.available_since = 0
        test.farm.changed()
        #expect(places(Self.back + Self.time * 2) == before, "as if it had never been away")
    }
}
