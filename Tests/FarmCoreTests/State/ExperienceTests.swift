import CFarm
import FarmTestSupport
import Testing

@testable import FarmCore

@Suite struct ExperienceTests {
    private let rows = Rows(count: 1)
    private var row: MemberRow { rows[0] }
    private func latency() -> Float { Experience.latency(row) ?? 0 }
    private func ratio() -> Float { DecayingAverage(word: row.pointee.failure_ratio).value }
    private func counted() -> UInt64 {
        (0..<LatencyBuckets.count).reduce(0) { $0 + farm_member_row_buckets(row)[$1] }
    }

    @Test func anAnswerIsCountedAndAveraged() {
        Experience.answered(row, latency: 2_000, isError: false, now: 1_000_000)
        #expect(latency() == 2_000)
        #expect(farm_member_row_buckets(row)[LatencyBuckets.index(of: 2_000)] == 1)
        #expect(row.pointee.failure_ratio == 0, "a healthy member's ratio is not written")
    }

    /// With the latency, the load at which it came: the others in flight, averaged alike. A pause leaves the newest.
    @Test func theLoadOfALatencyIsAveraged() {
        row.pointee.inflight = 5
        Experience.answered(row, latency: 2_000, isError: false, now: 1_000_000)
        #expect(Experience.usualInFlight(row) == 4, "the one that is answered is not counted")
        row.pointee.inflight = 1
        Experience.answered(row, latency: 2_000, isError: true, now: 1_001_000)
        #expect(Experience.usualInFlight(row) == 4, "an error says nothing of latency")
        for step: UInt64 in 1...100 {
            Experience.answered(row, latency: 2_000, isError: false, now: 1_001_000 + step * 1_000)
        }
        #expect(Experience.usualInFlight(row) < 0.1)
        row.pointee.inflight = 21
        Experience.answered(row, latency: 2_000, isError: false, now: 400_000_000)
        #expect(Experience.usualInFlight(row) > 19)
        for bad in [Float.nan, -3, Float.infinity] {
            row.pointee.usual_inflight = bad.bitPattern
            Experience.answered(row, latency: 2_000, isError: false, now: 400_000_000)
            #expect(Experience.usualInFlight(row) == 20)
        }
    }

    /// Until it has answered ten requests a member has no latency that a choice could compare, and then what its answers
    /// had in common: one slow answer among them, the first or any, says nothing. An error is no answer here.
    @Test(arguments: 0..<10) func theFirstAnswers(_ slow: Int) {
        for answer in 0..<10 {
            #expect(Farm.Standing(row, 1_000).cost == 0, "after \(answer) answers")
            Experience.answered(row, latency: 7, isError: true, now: 1_000_000)
            Experience.answered(row, latency: answer == slow ? 3_000_000 : 1_000, isError: false, now: 1_000_000)
            #expect(latency() >= 999 && latency() <= 3_000_000)
        }
        #expect(Farm.Standing(row, 1_000).cost > 0)
        #expect(latency() > 1_050 && latency() < 1_200)
        #expect(!DecayingAverage(word: row.pointee.latency).isEmpty)
        #expect(DecayingAverage(word: row.pointee.latency).time == 1_000, "of the last answer")
        Experience.answered(row, latency: 1_000, isError: true, now: 5_000_000)
        #expect(DecayingAverage(word: row.pointee.latency).time == 5_000, "an error keeps it from fading now")
    }

    /// A member that is slow in earnest is known to be, after ten answers and not before.
    @Test func tenSlowAnswers() {
        for _ in 0..<10 {
            #expect(Farm.Standing(row, 1_000).cost == 0)
            Experience.answered(row, latency: 400_000, isError: false, now: 1_000_000)
        }
        #expect((latency() - 400_000).magnitude < 100)
    }

    /// Whatever a word holds that is none of an average, ten more answers make a sound one of it.
    @Test func anyWordBecomesAnAverage() {
        var numbers = Numbers(7)
        let words = (0..<500).map { _ in numbers.next() | 1 << 63 }
        for word in words + [1 << 63, 0xFFF0_0000_0000_0000, 0xFF80_0000_0000_0003, 0xBF80_0000_0000_0009] {
            row.pointee.latency = word
            #expect(Farm.Standing(row, 1_000).cost == 0)
            for _ in 0..<11 { Experience.answered(row, latency: 2_000, isError: false, now: 1_000_000) }
            #expect(Int64(bitPattern: row.pointee.latency) > 0 && latency() >= 1 && latency().isFinite)
        }
    }

    /// An error page that comes fast must not make the member look fast, however often it comes.
    @Test func aFastErrorNeverLowersTheAverage() {
        Experience.answered(row, latency: 50_000, isError: false, now: 1_000_000)
        var before = latency()
        for step: UInt64 in 1...500 {
            Experience.answered(row, latency: step % 400, isError: true, now: 1_000_000 + step * 10_000)
            #expect(latency() >= before)
            before = latency()
        }
        #expect(counted() == 501, "its latency is a latency all the same")
    }

    /// Slow answers, errors or not, raise the average, but one of them only so far.
    @Test(arguments: [false, true]) func slowAnswersRaiseTheAverage(isError: Bool) {
        for step: UInt64 in 0..<200 {
            Experience.answered(row, latency: 1_000, isError: false, now: 1_000_000 + step * 10_000)
        }
        let before = latency()
        Experience.answered(row, latency: 1_000_000, isError: isError, now: 3_000_000)
        #expect(latency() > before && latency() < 2 * before)
        for step: UInt64 in 1...200 {
            Experience.answered(row, latency: 1_000_000, isError: isError, now: 3_000_000 + step * 10_000)
        }
        #expect(latency() > 900_000)
    }

    @Test func aFastAnswerLowersTheAverage() {
        Experience.answered(row, latency: 100_000, isError: false, now: 1_000_000)
        Experience.answered(row, latency: 1_000, isError: false, now: 11_000_000)
        #expect(latency() < 60_000)
    }

    @Test func theRatioRisesAndFalls() {
        var now: UInt64 = 1_000_000
        var last: Float = 0
        for _ in 0..<40 {
            now += 1_000
            Experience.failed(row, now: now)
            #expect(ratio() >= last && ratio() > 0 && ratio() <= 1)
            last = ratio()
        }
        #expect(last > 0.95)
        for _ in 0..<40 {
            now += 1_000
            Experience.answered(row, latency: 500, isError: false, now: now)
            #expect(ratio() <= last && ratio() >= 0)
            last = ratio()
        }
        #expect(last < 0.01)
        for _ in 0..<200 {
            now += 1_000
            Experience.answered(row, latency: 500, isError: false, now: now)
        }
        #expect(row.pointee.failure_ratio == 0, "a member that has recovered costs one load again")
    }

    @Test func anErrorAnswerIsAFailedOne() {
        Experience.answered(row, latency: 500, isError: true, now: 1_000_000)
        #expect(ratio() > 0)
    }

    /// A failure without an answer has no latency.
    @Test func aFailureIsNoLatency() {
        Experience.failed(row, now: 1_000_000)
        #expect(row.pointee.latency == 0)
        #expect(counted() == 0)
    }

    @Test(arguments: [0, 1, 63, 1 << 40, .max] as [UInt64])
    func anyLatencyIsTaken(_ microseconds: UInt64) {
        Experience.answered(row, latency: microseconds, isError: false, now: 1)
        #expect(latency() >= 1 && latency().isFinite)
        #expect(counted() == 1)
    }
}
