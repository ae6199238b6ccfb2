import CFarm
import FarmTestSupport
import Testing

@testable import FarmCore

@Suite struct AdaptiveTests {
    /// A farm in virtual time: requests come at random, each stays at its member for that member's time. No queue at the
    /// member: what a slow one does to `adaptive` is to keep its requests longer.
    struct Simulation {
        struct Behaviour {
            var latency: UInt64
            var fails = false
            /// It keeps every request until then, as one does that is still compiling.
            var begins: UInt64 = 0
            /// How long it takes for its first request; nil: as for any.
            var first: UInt64?
        }

        let test: TestFarm
        var behaviours: [Behaviour]
        var now: UInt64 = 1_000_000
        private var open: [(ends: UInt64, choice: Choice, began: UInt64)] = []
        private var numbers = Numbers(31)

        init(_ behaviours: [Behaviour]) {
            test = TestFarm(.adaptive, weights: [UInt32](repeating: 1, count: behaviours.count), seed: 8)
            self.behaviours = behaviours
        }

        /// How many requests each member got of `count` that come every `interval` microseconds on average.
        mutating func run(_ count: Int, every interval: UInt64) -> [Double] {
            var seen = [Double](repeating: 0, count: behaviours.count)
            for _ in 0..<count {
                now += UInt64.random(in: 0...(2 * interval), using: &numbers)
                finish()
                guard let choice = test.choose(now: now) else { continue }
                seen[choice.index] += 1
                let latency = behaviours[choice.index].first ?? behaviours[choice.index].latency
                behaviours[choice.index].first = nil
                let jittered = UInt64.random(in: (latency * 8 / 10)...(latency * 12 / 10), using: &numbers)
                open.append((max(now + jittered, behaviours[choice.index].begins), choice, now))
            }
            return seen.map { $0 / Double(count) }
        }

        private mutating func finish() {
            for request in open where request.ends <= now {
                let index = request.choice.index
                Experience.answered(
                    test.rows[index], latency: request.ends - request.began,
                    isError: behaviours[index].fails, now: request.ends)
                test.giveBack(request.choice)
            }
            open.removeAll { $0.ends <= now }
        }
    }

    static let good = Simulation.Behaviour(latency: 20_000)

    @Test func equalMembersShareEvenly() {
        var simulation = Simulation([Self.good, Self.good, Self.good, Self.good])
        let shares = simulation.run(8_000, every: 5_000)
        #expect(shares.allSatisfy { abs($0 - 0.25) < 0.025 }, "\(shares)")
    }

    /// Idle members whose averages differ by noise, less than half as much again, are told apart by nothing.
    @Test func noiseIsNoDifference() {
        let test = TestFarm(.adaptive, weights: [1, 1, 1])
        for (at, latency) in ([10_000, 12_000, 14_500] as [Float]).enumerated() {
            test.rows[at].pointee.latency = DecayingAverage(value: latency, atMilliseconds: 1).word
        }
        #expect(DistributionTests.isWithin(test.sequential(12_000, now: 1_000), [1, 1, 1]))
    }

    /// Twenty times slower than the other three: of a fair share of a quarter it keeps less than a half.
    @Test func aSlowMemberGetsClearlyLess() {
        var simulation = Simulation([Self.good, .init(latency: 400_000), Self.good, Self.good])
        let shares = simulation.run(8_000, every: 5_000)
        #expect(shares[1] < 0.125, "\(shares)")
        #expect(shares[1] > 0, "it is still tried now and then")
    }

    /// Slow once, well again: the old average fades and its share comes back.
    @Test func aMemberThatRecoversIsUsedAgain() {
        var simulation = Simulation([Self.good, .init(latency: 400_000), Self.good, Self.good])
        _ = simulation.run(4_000, every: 5_000)
        simulation.behaviours[1] = Self.good
        _ = simulation.run(30_000, every: 5_000)
        let shares = simulation.run(4_000, every: 5_000)
        #expect(shares[1] > 0.2, "\(shares)")
    }

    /// The first answer of a new member takes 3 s, in a farm whose others take 1 ms: one request says so, or all that came
    /// in the 3 s, at a low rate and at a high one. It gets its requests all the same as soon as it is quick.
    @Test(arguments: [100_000, 10_000, 300] as [UInt64], [false, true])
    func aSlowFirstAnswerStarvesNobody(every interval: UInt64, all: Bool) {
        let quick = Simulation.Behaviour(latency: 1_000)
        var simulation = Simulation([quick, quick, quick])
        simulation.test.setState(2, admin: .off)
        _ = simulation.run(2_000, every: interval)
        simulation.test.setState(2, admin: .on)
        if all {
            simulation.behaviours[2].begins = simulation.now + 3_000_000
        } else {
            simulation.behaviours[2].first = 3_000_000
        }
        // Until its first answer is there.
        _ = simulation.run(Int(3_600_000 / interval), every: interval)
        let shares = simulation.run(400, every: interval)
        #expect(shares[2] > 0.15, "\(shares)")
    }

    /// An idle member gets a hundredth of its weight's share at the least, however slow it seems and whatever load it reports;
    /// An idle member gets a hundredth of its weight's share at the least, however slow it seems and whatever load it
    /// reports; and not much more.
    @Test(
        arguments: [
            ([1, 1, 1], nil), ([1, 1, 8], nil), ([5, 1, 3, 1], nil), ([1, 1, 1], [1, 1, 400]),
            ([1, 4, 8], [3, 2, 50]),
        ] as [([UInt32], [Double]?)])
    func theIdleAreAsked(_ weights: [UInt32], _ loads: [Double]?) {
        let test = TestFarm(.adaptive, weights: weights)
        let slow = weights.count - 1
        for at in weights.indices {
            test.rows[at].pointee.latency =
                DecayingAverage(value: at == slow ? 3_000_000 : 1_000, atMilliseconds: 1).word
            if let loads { test.rows[at].pointee.load = SharedDouble.word(loads[at]) }
        }
        test.farm.loadChanged()
        let count = 200_000
        let expected = 0.01 * Double(weights[slow]) / Double(weights.reduce(0, +))
        let deviation = (expected * Double(count)).squareRoot()
        let seen = Double(test.sequential(count, now: 1_000)[slow])
        #expect((seen - expected * Double(count)).magnitude < 4 * deviation, "\(seen), not \(expected * Double(count))")
        var shares = Shares(test.farm, now: 1_000)
        defer { shares.deallocate() }
        #expect((shares.share(of: slow) - expected).magnitude < 1e-6)
        // One that is not idle is compared.
        test.rows[slow].pointee.inflight = 1
        #expect(test.sequential(20_000, now: 1_000)[slow] == 0)
        var busy = Shares(test.farm, now: 1_000)
        defer { busy.deallocate() }
        #expect(busy.share(of: slow) == 0)
    }

    /// A member whose application answers 500 at once is the fastest of all, and has the fewest in flight. After minutes
    /// it must still not draw more than its share: nothing confirms what it once was, only that it fails.
    @Test func aMemberThatFailsFastGetsLess() {
        var simulation = Simulation([Self.good, Self.good, Self.good, Self.good])
        _ = simulation.run(2_000, every: 5_000)
        simulation.behaviours[2] = .init(latency: 1_000, fails: true)
        for minute in 1...10 {
            let shares = simulation.run(6_000, every: 10_000)
            #expect(shares[2] < 0.2, "minute \(minute): \(shares)")
        }
    }

    /// The same for one that has failed since it was first asked, and has no better past to be measured by.
    @Test func aMemberThatNeverWorkedGetsLess() {
        var simulation = Simulation([Self.good, Self.good, .init(latency: 1_000, fails: true), Self.good])
        _ = simulation.run(1_000, every: 5_000)
        let shares = simulation.run(8_000, every: 5_000)
        #expect(shares[2] < 0.2, "\(shares)")
    }

    /// Requests in flight count for the weight.
    @Test func theBusierIsDearer() {
        let rows = Rows(weights: [1, 1, 4])
        rows[0].pointee.inflight = 3
        rows[1].pointee.inflight = 2
        rows[2].pointee.inflight = 11
        #expect(isCheaper(rows[1], than: rows[0]))
        #expect(!isCheaper(rows[0], than: rows[1]))
        #expect(isCheaper(rows[2], than: rows[0]))
        #expect(!isCheaper(rows[2], than: rows[1]))
        rows[2].pointee.inflight = 8
        #expect(!isCheaper(rows[2], than: rows[1]) && !isCheaper(rows[1], than: rows[2]), "8 for 4 are 2 for 1")
    }

    /// Of idle members only a latency more than twice as long tells; of busy ones requests in flight and latency multiply.
    @Test func latencyTells() {
        let rows = Rows(weights: [1, 1])
        for (at, latency) in ([10_000, 18_000] as [Float]).enumerated() {
            rows[at].pointee.latency = DecayingAverage(value: latency, atMilliseconds: 1).word
        }
        #expect(!isCheaper(rows[0], than: rows[1]) && !isCheaper(rows[1], than: rows[0]))
        rows[0].pointee.inflight = 3
        #expect(isCheaper(rows[1], than: rows[0]), "1 x 18 against 4 x 10")
        rows[1].pointee.inflight = 2
        #expect(isCheaper(rows[0], than: rows[1]), "4 x 10 against 3 x 18")
        rows[0].pointee.inflight = 0
        rows[1].pointee.inflight = 0
        rows[1].pointee.latency = DecayingAverage(value: 21_000, atMilliseconds: 1).word
        #expect(isCheaper(rows[0], than: rows[1]))
    }

    /// A latency that was measured with a load of ten counts the root of ten less: with a load of three a member is
    /// cheaper than an idle one of the same latency, with four it is dearer. Twice the weight carries twice the load.
    @Test(arguments: [0, 1] as [Int]) func latencyIsThatOfItsLoad(_ heavy: Int) {
        let weight: UInt32 = heavy == 0 ? 1 : 2
        let rows = Rows(weights: [weight, 1])
        for at in 0..<2 { rows[at].pointee.latency = DecayingAverage(value: 10_000, atMilliseconds: 1).word }
        rows[0].pointee.usual_inflight = (9 * Float(weight)).bitPattern
        for (load, isCheaper) in [(1, true), (3, true), (4, false), (10, false)] as [(UInt32, Bool)] {
            rows[0].pointee.inflight = (load - 1) * weight
            #expect(self.isCheaper(rows[0], than: rows[1]) == isCheaper)
            #expect(self.isCheaper(rows[1], than: rows[0]) == !isCheaper)
        }
    }

    private func isCheaper(_ a: MemberRow, than b: MemberRow) -> Bool {
        Farm.Standing(a, 1).isCheaper(than: Farm.Standing(b, 1))
    }

    /// With few members the same one would often be drawn twice, and a slow one keep the square of its share: a quarter of
    /// two. Another is drawn instead, however far apart the weights are.
    @Test(arguments: [[1, 1], [1, 1, 1], [50, 1]] as [[UInt32]])
    func aBusyMemberIsNeverAlone(_ weights: [UInt32]) {
        let test = TestFarm(.adaptive, weights: weights)
        test.rows[0].pointee.inflight = 1_000_000
        #expect(test.sequential(2_000)[0] == 0)
    }

    @Test func nobodyIsCheaperThanItself() {
        let rows = Rows(weights: [3])
        rows[0].pointee.inflight = 5
        rows[0].pointee.latency = DecayingAverage(value: 700, atMilliseconds: 1).word
        #expect(!isCheaper(rows[0], than: rows[0]))
    }
}
