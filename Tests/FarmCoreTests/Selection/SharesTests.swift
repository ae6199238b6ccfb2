import CFarm
import FarmTestSupport
import Testing

@testable import FarmCore

/// The shares of all members at once are those that each is told, and add up to all requests or none.
@Suite struct SharesTests {
    private static let now: UInt64 = 900_000_000
    private static let expect: UInt64 = 1_000_000
    private static let slowStart: UInt64 = 10_000_000

    private static func make(
        _ algorithm: Algorithm, _ count: Int, slowStart: UInt64 = 0, panic: UInt32 = 0, numbers: inout Numbers
    ) -> TestFarm {
        let weights = (0..<count).map { _ in [1, 1, 2, 10, 1_000].randomElement(using: &numbers)! as UInt32 }
        return TestFarm(
            algorithm, weights: weights, freshness: Freshness(expect: expect, ignores: false),
            slowStart: SlowStart(time: slowStart), panic: panic)
    }

    /// Members of every kind, more of them available than not.
    private static func write(_ row: MemberRow, numbers: inout Numbers) {
        func one(of many: UInt64) -> Bool { numbers.next() % many == 0 }
        let admin: Admin = one(of: 8) ? .off : one(of: 8) ? .drain : .on
        row.publish(
            MemberState(word: 0).with(admin: admin).with(downByFailures: one(of: 8)).with(downByMonitor: one(of: 12)))
        row.pointee.updated_us = one(of: 8) ? 1 : now - 10
        row.pointee.tier = one(of: 3) ? 1 : one(of: 6) ? 9 : 0
        row.pointee.max_inflight = one(of: 3) ? 5 : 0
        row.pointee.inflight = UInt32(truncatingIfNeeded: one(of: 3) ? 0 : one(of: 9) ? UInt64.max : numbers.next() % 8)
        row.pointee.bytes_in = one(of: 3) ? 0 : one(of: 20) ? .max : numbers.next() % 100_000
        row.pointee.requests = numbers.next() % 100
        row.pointee.available_since = one(of: 3) ? now - numbers.next() % (slowStart * 3 / 2) : one(of: 9) ? now + 5 : 0
        let loads: [Double] = [.nan, 0, 0.5, 1, 99, -4, 1e300, .greatestFiniteMagnitude, .leastNonzeroMagnitude]
        row.pointee.load = SharedDouble.word(loads.randomElement(using: &numbers)!)
        let latencies: [Float] = [0, 1, 900, 20_000, 1e9, .greatestFiniteMagnitude]
        row.pointee.latency =
            DecayingAverage(
                value: latencies.randomElement(using: &numbers)!,
                atMilliseconds: UInt32(truncatingIfNeeded: now / 1000) - UInt32(numbers.next() % 10_000)
            ).word
        row.pointee.failure_ratio =
            one(of: 3)
            ? DecayingAverage(value: 0.7, atMilliseconds: UInt32(truncatingIfNeeded: now / 1000)).word : 0
    }

    private static func all(_ shares: inout Shares, _ count: Int) -> [Double] {
        [Double](unsafeUninitializedCapacity: count) { room, used in
            room.initialize(repeating: .nan)
            shares.all(into: room.baseAddress ?? UnsafeMutablePointer(bitPattern: 8)!)
            used = count
        }
    }

    /// What is wrong; the first few of it, for a message.
    private struct Faults {
        var count = 0
        var first: [String] = []
        mutating func add(_ what: String) {
            count += 1
            if first.count < 3 { first.append(what) }
        }
    }

    private static func check(
        _ test: TestFarm, now: UInt64 = now, within: Double = 1e-9, _ what: String, _ faults: inout Faults
    ) {
        let count = test.rows.count
        var shares = Shares(test.farm, now: now)
        let before = all(&shares, count)
        let each = (0..<count).map { shares.share(of: $0) }
        let after = all(&shares, count)
        shares.deallocate()
        if before != after { faults.add("\(what): \(before), and later \(after)") }
        for at in 0..<count where !((before[at] - each[at]).magnitude <= within) {
            faults.add("\(what): member \(at) has \(before[at]), but is told \(each[at])")
        }
        if !before.allSatisfy({ $0 >= 0 && $0 <= 1 + 1e-9 }) { faults.add("\(what): shares of \(before)") }
        let sum = before.reduce(0, +)
        let someMay = test.farm.condition(now: now) == .ok
        if (sum - (someMay ? 1 : 0)).magnitude > 1e-9 { faults.add("\(what): \(sum) in all, \(before)") }
    }

    @Test(arguments: Algorithm.allCases, [0, 50] as [UInt32])
    func ofFarmsOfEveryKind(_ algorithm: Algorithm, panic: UInt32) {
        var numbers = Numbers(17 + UInt64(algorithm.rawValue))
        var faults = Faults()
        for round in 0..<600 {
            let count = round % 9
            let test = Self.make(
                algorithm, count, slowStart: round % 2 == 0 ? 0 : Self.slowStart, panic: panic, numbers: &numbers)
            for at in 0..<count { Self.write(test.rows[at], numbers: &numbers) }
            if round % 40 == 39 { test.rows.farm.pointee.admin = UInt32(round / 40 % 2 + 1) }
            test.rows.farm.pointee.inflight = (0..<count).reduce(0) { $0 + InFlight.count(test.rows[$1]) }
            test.farm.changed()
            Self.check(test, "round \(round)", &faults)
        }
        #expect(faults.count == 0, "\(faults.first)")
    }

    /// Many members come back in fewer steps: nearly what each is told.
    @Test(arguments: Algorithm.allCases) func ofManyMembers(_ algorithm: Algorithm) {
        var numbers = Numbers(5)
        var faults = Faults()
        let test = TestFarm(
            algorithm, weights: [UInt32](repeating: 1, count: 201), slowStart: SlowStart(time: Self.slowStart))
        for at in 0..<201 {
            test.rows[at].pointee.latency =
                DecayingAverage(value: 1_000, atMilliseconds: UInt32(truncatingIfNeeded: Self.now / 1000)).word
            test.rows[at].pointee.inflight = UInt32(numbers.next() % 3)
        }
        Self.check(test, "nobody comes back", &faults)
        for at in 0..<3 { test.rows[at].pointee.available_since = Self.now - Self.slowStart / 2 }
        test.farm.changed()
        Self.check(test, within: 0.15, "three come back", &faults)
        #expect(faults.count == 0, "\(faults.first)")
    }

    /// Weights hold where nothing else is to be looked at.
    @Test func byWeight() {
        for algorithm in [Algorithm.roundrobin, .random, .hash] {
            let test = TestFarm(algorithm, weights: [1, 2, 5, 7, 99])
            test.setState(4, admin: .drain)
            test.rows[3].pointee.tier = 1
            var shares = Shares(test.farm, now: 1)
            #expect(Self.all(&shares, 5) == [0.125, 0.25, 0.625, 0, 0])
            shares.deallocate()
            // The lower tier has no room left.
            for at in 0..<3 {
                test.rows[at].pointee.max_inflight = 1
                test.rows[at].pointee.inflight = 1
            }
            shares = Shares(test.farm, now: 1)
            #expect(Self.all(&shares, 5) == [0, 0, 0, 1, 0])
            shares.deallocate()
        }
    }

    @Test(arguments: Algorithm.allCases) func ofAFarmThatIsOffOrEmpty(_ algorithm: Algorithm) {
        for (count, admin) in [(3, FARM_ADMIN_OFF), (3, FARM_ADMIN_DRAIN), (0, FARM_ADMIN_ON)] {
            let test = TestFarm(algorithm, weights: [UInt32](repeating: 1, count: count))
            test.rows.farm.pointee.admin = admin
            var shares = Shares(test.farm, now: 1)
            #expect(Self.all(&shares, count).allSatisfy { $0 == 0 })
            shares.deallocate()
        }
    }

    /// What they say is what comes.
    @Test(arguments: Algorithm.allCases) func theyAreWhatIsChosen(_ algorithm: Algorithm) {
        let test = TestFarm(algorithm, weights: [1, 2, 3, 4])
        test.setState(1, admin: .off)
        let milliseconds = UInt32(truncatingIfNeeded: Self.now / 1000)
        for (at, load) in [0.2, 0.4, 0.6, 0.8].enumerated() {
            test.rows[at].pointee.load = SharedDouble.word(load)
            test.rows[at].pointee.latency = DecayingAverage(value: 1_000, atMilliseconds: milliseconds).word
        }
        test.farm.changed()
        var shares = Shares(test.farm, now: Self.now)
        let said = Self.all(&shares, 4)
        shares.deallocate()
        // Those that look at what moves send everything to one at a time, here where nothing moves: the cheapest ones.
        let seen = test.sequential(20_000, now: Self.now)
        #expect(said[1] == 0 && seen[1] == 0)
        for at in 0..<4 {
            #expect((said[at] - Double(seen[at]) / 20_000).magnitude < 0.02, "\(said), but \(seen)")
        }
    }
}
