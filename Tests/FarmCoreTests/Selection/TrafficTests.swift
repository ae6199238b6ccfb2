import CFarm
import FarmTestSupport
import Testing

@testable import FarmCore

@Suite struct TrafficTests {
    /// Sends requests of `size` bytes one after the other.
    private func run(_ test: TestFarm, _ count: Int, size: UInt64 = 1_000) -> [Int] {
        test.sequential(count) { at in
            test.rows[at].pointee.requests += 1
            test.rows[at].pointee.bytes_in += size - 100
            test.rows[at].pointee.bytes_out += 100
        }
    }

    @Test func whoMovedLeastIsNext() {
        let test = TestFarm(.traffic, weights: [1, 1, 4])
        for (at, moved) in ([5_000, 4_000, 15_000] as [UInt64]).enumerated() {
            test.rows[at].pointee.bytes_in = moved / 2
            test.rows[at].pointee.bytes_out = moved / 2
            test.rows[at].pointee.requests = 10
        }
        #expect(test.choose()?.index == 2, "15000 / 4 is the least for its weight")
    }

    /// Bytes are known only as they move: requests of a burst, none of which has ended, still spread.
    @Test func aBurstSpreads() {
        let test = TestFarm(.traffic, weights: [1, 1, 1])
        _ = run(test, 30)
        for _ in 0..<30 {
            let choice = test.choose()!
            test.rows[choice.index].pointee.requests += 1
        }
        #expect((0..<3).allSatisfy { (8...12).contains(test.rows.inflight($0).row) })
    }

    @Test func aBurstSpreadsBeforeAnythingHasMoved() {
        let test = TestFarm(.traffic, weights: [1, 1, 1])
        for _ in 0..<30 {
            let choice = test.choose()!
            test.rows[choice.index].pointee.requests += 1
        }
        #expect((0..<3).map { test.rows.inflight($0).row } == [10, 10, 10])
    }

    /// A member that comes back after the others have moved a million bytes each gets its share, not everything.
    @Test func aLateJoinerIsNotFlooded() {
        let test = TestFarm(.traffic, weights: [1, 1, 2])
        test.setState(2, admin: .off)
        _ = run(test, 2_000)
        test.farm.creditTraffic(2)
        test.setState(2, admin: .on)
        let seen = run(test, 400)
        #expect((195...205).contains(seen[2]), "\(seen)")
    }

    @Test func withoutCreditItWouldBe() {
        let test = TestFarm(.traffic, weights: [1, 1, 2])
        test.setState(2, admin: .off)
        _ = run(test, 2_000)
        test.setState(2, admin: .on)
        #expect(run(test, 400)[2] == 400, "or the test above shows nothing")
    }

    /// Credit makes up what is missing, once, and takes nothing away.
    @Test func creditIsWhatIsMissing() {
        let test = TestFarm(.traffic, weights: [1, 1])
        test.rows[0].pointee.bytes_in = 10_000
        test.rows[1].pointee.bytes_in = 4_000
        test.farm.creditTraffic(1)
        #expect(test.rows[1].pointee.traffic_base == 6_000)
        test.farm.creditTraffic(1)
        #expect(test.rows[1].pointee.traffic_base == 6_000)
        test.farm.creditTraffic(0)
        #expect(test.rows[0].pointee.traffic_base == 0)
    }

    @Test func noOthersNoCredit() {
        let test = TestFarm(.traffic, weights: [1, 1])
        test.setState(0, admin: .off)
        test.rows[0].pointee.bytes_in = 10_000
        test.farm.creditTraffic(1)
        #expect(test.rows[1].pointee.traffic_base == 0)
        let other = TestFarm(.random, weights: [1, 1])
        other.rows[0].pointee.bytes_in = 10_000
        other.farm.creditTraffic(1)
        #expect(other.rows[1].pointee.traffic_base == 0, "no other algorithm looks at it")
    }
}
