import CFarm
import FarmTestSupport
import Testing

@testable import FarmCore

/// Samples some seconds apart, and what is told of them: rates "over the last 10 to 20 seconds", and the steps of a chart.
@Suite struct HistoryTests {
    /// A row of the test's own, zeroed as shared memory is. Times are seconds.
    private final class Book {
        let row = UnsafeMutablePointer<farm_history_row>.allocate(capacity: 1)
        init() { row.initialize(to: farm_history_row()) }
        deinit { row.deallocate() }

        var history: History { History(row) }

        static func sample(_ at: Double, _ requests: UInt64, _ failures: UInt64, _ inflight: UInt32) -> History.Sample {
            History.Sample(
                at: UInt64(at * 1_000_000), requests: requests, failures: failures, inflight: inflight)
        }

        func note(_ at: Double, _ requests: UInt64, _ failures: UInt64 = 0, inflight: UInt32 = 0) {
            history.note(Self.sample(at, requests, failures, inflight))
        }

        func isDue(_ now: Double) -> Bool { history.isDue(now: UInt64(now * 1_000_000)) }

        func rates(_ now: Double, _ requests: UInt64, _ failures: UInt64 = 0) -> History.Rates? {
            history.rates(Self.sample(now, requests, failures, 0))
        }

        func steps(_ now: Double) -> [History.Step] {
            var steps: [History.Step] = []
            history.steps(now: UInt64(now * 1_000_000)) { steps.append($0) }
            return steps
        }
    }

    // MARK: When

    @Test func nothingIsKnownOfARowThatIsNew() {
        let book = Book()
        #expect(book.isDue(0) && book.isDue(1_000))
        #expect(book.rates(1_000, 50) == nil)
        #expect(book.steps(1_000).isEmpty)
    }

    @Test(
        arguments: [(100, false), (104.999, false), (105, true), (400, true), (99, false), (1, false)]
            as [(Double, Bool)])
    func aSampleIsDueAfterFiveSeconds(_ now: Double, _ isDue: Bool) {
        let book = Book()
        book.note(100, 1)
        #expect(book.isDue(now) == isDue, "at \(now)")
    }

    // MARK: Rates

    /// Requests as the square of time: the rate between two moments is their sum, and tells how far back it looks.
    @Test func ratesLookBackTenToTwentySeconds() throws {
        let book = Book()
        func requests(_ at: Int) -> UInt64 { UInt64(at * at) }
        for at in stride(from: 0, through: 200, by: 10) { book.note(Double(at), requests(at), requests(at) * 3) }
        for time in 200..<210 {
            let rates = try #require(book.rates(Double(time), requests(time), requests(time) * 3))
            let since = rates.requests - Double(time)
            #expect((10...20).contains(Double(time) - since), "at \(time) it looks back to \(since)")
            #expect((rates.failures - rates.requests * 3).magnitude < 1e-6)
        }
    }

    /// Also when the samples come as often as they may.
    @Test func ratesLookBackAsFarWhenSamplesComeOften() throws {
        let book = Book()
        for at in stride(from: 0, through: 200, by: 5) { book.note(Double(at), UInt64(at * at)) }
        for time in 200..<205 {
            let since = try #require(book.rates(Double(time), UInt64(time * time))).requests - Double(time)
            #expect((10...20).contains(Double(time) - since), "at \(time) it looks back to \(since)")
        }
    }

    @Test func ratesAreUnknownRightAfterTheStart() throws {
        let book = Book()
        book.note(50, 1_000)
        for time in [50, 51, 59.999] { #expect(book.rates(time, 2_000) == nil, "at \(time)") }
        let rates = try #require(book.rates(60, 2_000, 50))
        #expect(rates == History.Rates(requests: 100, failures: 5))
    }

    @Test func nothingHappensAtNoRate() {
        let book = Book()
        for at in 0..<4 { book.note(Double(at) * 10, 77, 3) }
        #expect(book.rates(35, 77, 3) == History.Rates(requests: 0, failures: 0))
    }

    /// Counters are kept as their low halves.
    @Test(arguments: [UInt64(UInt32.max), 1 << 32, 1 << 40, .max]) func countersPassTheEndOfTheirLowHalf(_ end: UInt64)
    {
        let book = Book()
        book.note(0, end &- 5, end &- 2)
        #expect(book.rates(10, end &+ 15, end &+ 8) == History.Rates(requests: 2, failures: 1))
        book.note(10, end &+ 15, end &+ 8)
        #expect(book.steps(10).map(\.rates) == [History.Rates(requests: 2, failures: 1)])
    }

    /// The time is kept as milliseconds in one word, which begins anew after 49 days.
    @Test func timePassesTheEndOfItsWord() {
        let end = 4_294_967.296
        let book = Book()
        book.note(end - 15, 0)
        book.note(end - 5, 100)
        book.note(end + 5, 200)
        #expect(!book.isDue(end + 9) && book.isDue(end + 10.001))
        #expect(book.rates(end + 8, 230).map { $0.requests.rounded() } == 10)
        #expect(book.steps(end + 5).map { ($0.age * 10).rounded() / 10 } == [10, 0])
        #expect(book.steps(end + 5).map { $0.rates.requests.rounded() } == [10, 10])
    }

    /// Who read the clock before another process took a sample sees it come from the future.
    @Test func aSampleThatIsYetToComeIsPassedBy() throws {
        let book = Book()
        book.note(10, 100)
        book.note(20, 300)
        book.note(30, 900)
        let rates = try #require(book.rates(29, 900))
        #expect(
            rates == History.Rates(requests: 800 / 19.0, failures: 0), "20 is not long enough ago, 30 is yet to come")
        #expect(book.rates(5, 900) == nil)
        #expect(book.steps(25).map(\.age) == [5, 0], "it is as old as the newest can be")
    }

    @Test func timeStandsStillOrLeaps() throws {
        let book = Book()
        book.note(10, 0)
        book.note(10, 50)
        #expect(book.steps(10).isEmpty, "no time, no rate")
        #expect(book.rates(10, 50) == nil)
        book.note(86_410, 86_450)
        let steps = book.steps(86_410)
        #expect(steps.map(\.rates.requests) == [1])
        #expect(try #require(book.rates(86_430, 86_470)).requests == 1)
    }

    // MARK: Steps

    @Test func aStepIsWhatHappenedBetweenTwoSamples() {
        let book = Book()
        book.note(100, 1_000, 10, inflight: 1)
        #expect(book.steps(105).isEmpty, "one sample is no step")
        book.note(110, 1_500, 11, inflight: 7)
        book.note(115, 1_500, 16, inflight: 0)
        let steps = book.steps(120)
        #expect(steps.map(\.age) == [10, 5])
        #expect(
            steps.map(\.rates)
                == [History.Rates(requests: 50, failures: 0.1), History.Rates(requests: 0, failures: 1)])
        #expect(steps.map(\.inflight) == [7, 0])
    }

    /// The ring: of many samples the newest are kept, one less than there is room for, since its place may just be taken.
    @Test(arguments: [2, 60, 61, 62, 63, 64, 123, 124, 125, 1_000]) func theRingGoesRound(_ count: Int) {
        let book = Book()
        for at in 0..<count { book.note(Double(at) * 10, UInt64(at * at), UInt64(at), inflight: UInt32(at)) }
        let steps = book.steps(Double(count - 1) * 10)
        let kept = min(count, Int(FARM_HISTORY_SAMPLES) - 1)
        #expect(steps.count == kept - 1)
        #expect(steps.map(\.inflight) == (count - kept + 1..<count).map { UInt32($0) })
        #expect(steps.map(\.age) == (0..<kept - 1).reversed().map { Double($0) * 10 })
        for (step, at) in zip(steps, count - kept + 1..<count) {
            #expect(step.rates == History.Rates(requests: Double(2 * at - 1) / 10, failures: 0.1))
        }
        #expect(book.row.pointee.count == UInt32(count))
    }

    /// The parent takes the next sample in the middle of a reading.
    @Test func aSampleMayComeWhileStepsAreRead() {
        let book = Book()
        for at in 0..<200 { book.note(Double(at) * 10, UInt64(at) * 100) }
        var seen: [Double] = []
        book.history.steps(now: 1_990_000_000) { step in
            if seen.isEmpty { book.note(2_000, 999_999) }
            seen.append(step.rates.requests)
        }
        #expect(seen == [Double](repeating: 10, count: 60))
    }

    @Test func whatIsForgottenIsGone() {
        let book = Book()
        for at in 0..<100 { book.note(Double(at) * 10, UInt64(at)) }
        book.history.forget()
        #expect(book.isDue(990) && book.rates(1_000, 5) == nil && book.steps(1_000).isEmpty)
        // What is in the samples still is another one's.
        book.note(1_000, 50)
        #expect(book.rates(1_005, 60) == nil && book.steps(1_005).isEmpty)
        #expect(book.rates(1_009, 60) == nil)
        book.note(1_010, 60)
        #expect(book.steps(1_010).map(\.rates.requests) == [1])
    }
}
