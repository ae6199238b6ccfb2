import Testing

@testable import FarmCore

@Suite struct DecayingAverageTests {
    @Test func nothingIsEmpty() {
        let none = DecayingAverage(word: 0)
        #expect(none.isEmpty)
        #expect(none.value == 0)
        #expect(none.forgotten(atMilliseconds: 12345) == 0)
    }

    /// The first sample is the whole average, as of now.
    @Test(arguments: [0, 1, 10_000, .max] as [UInt32])
    func theFirstSampleIsTheAverage(_ now: UInt32) {
        let average = DecayingAverage(word: 0).adding(250, atMilliseconds: now)
        #expect(average.value == 250)
        #expect(!average.isEmpty)
        #expect(average.forgotten(atMilliseconds: now) == 250)
    }

    @Test func theWordIsTheWholeOfIt() {
        let average = DecayingAverage(value: 1.5, atMilliseconds: 77)
        #expect(average.word == UInt64(Float(1.5).bitPattern) << 32 | 77)
        #expect(DecayingAverage(word: average.word) == average)
    }

    private static let tau = UInt32(DecayingAverage.tau)

    /// Milliseconds since the last sample, and the weight of the next: t / (t + tau), and never less than the least.
    @Test(
        arguments: [
            (0, Double(DecayingAverage.smallestWeight)), (1, Double(DecayingAverage.smallestWeight)), (tau, 0.5),
            (tau * 9, 0.9), (tau * 99, 0.99),
        ] as [(UInt32, Double)])
    func weight(after age: UInt32, is weight: Double) {
        let start = DecayingAverage(value: 100, atMilliseconds: 5_000)
        let next = start.adding(1_100, atMilliseconds: 5_000 + age)
        #expect(abs(Double(next.value) - (100 + 1_000 * weight)) < 0.01)
        #expect(next.time == 5_000 + age)
    }

    /// The average lies between itself and the sample, wherever they are.
    @Test func neverLeavesItsSamples() {
        for old: Float in [0.5, 1, 80, 1e6, 1e9] {
            for sample: Float in [0.5, 1, 80, 1e6, 1e9] {
                for age: UInt32 in [0, 3, 400, 20_000, 1_000_000_000] {
                    let next = DecayingAverage(value: old, atMilliseconds: 9).adding(sample, atMilliseconds: 9 &+ age)
                    #expect(min(old, sample) * 0.999 <= next.value && next.value <= max(old, sample) * 1.001)
                }
            }
        }
    }

    /// An unconfirmed value has half its say after tau, a tenth after nine of them.
    @Test(arguments: [(0, 100), (tau, 50), (tau * 3, 25), (tau * 9, 10)] as [(UInt32, Float)])
    func fading(after age: UInt32, leaves rest: Float) {
        let average = DecayingAverage(value: 100, atMilliseconds: 40)
        #expect(abs(average.faded(atMilliseconds: 40 + age, tau: Float(Self.tau)) - rest) < 0.001)
        #expect(average.value == 100, "reading changes nothing")
    }

    /// A latency is believed a quarter after `forgetting`, a hundredth after nine times that.
    @Test(arguments: [(0, 100), (1, 25), (3, 6.25), (9, 1)] as [(UInt32, Float)])
    func forgetting(after times: UInt32, leaves rest: Float) {
        let average = DecayingAverage(value: 100, atMilliseconds: 40)
        let age = times * UInt32(DecayingAverage.forgetting)
        #expect(abs(average.forgotten(atMilliseconds: 40 + age) - rest) < 0.001)
    }

    /// The millisecond clock wraps after 49 days; a sample either side of that is a few milliseconds apart.
    @Test func theClockWraps() {
        let half = Self.tau / 2
        let before = DecayingAverage(value: 100, atMilliseconds: .max - (half - 1))
        #expect(abs(before.faded(atMilliseconds: half, tau: Float(Self.tau)) - 50) < 0.01)
        let next = before.adding(200, atMilliseconds: half)
        #expect(abs(next.value - 150) < 0.01)
        #expect(next.time == half)
    }

    /// Two threads may take the time in one order and write in the other.
    @Test func aSampleFromThePastCountsLeast() {
        let average = DecayingAverage(value: 100, atMilliseconds: 10_000)
        #expect(average.forgotten(atMilliseconds: 9_000) == 100)
        let least = 100 * DecayingAverage.smallestWeight
        #expect(abs(average.adding(200, atMilliseconds: 9_000).value - (100 + least)) < 0.001)
    }

    /// Whatever stands in the word, one good sample makes it a number again.
    @Test(arguments: [Float.nan, .infinity, -.infinity, .signalingNaN])
    func notANumberHeals(_ bad: Float) {
        let broken = DecayingAverage(value: bad, atMilliseconds: 1_000)
        #expect(broken.adding(42, atMilliseconds: 1_010).value == 42)
        #expect(broken.adding(42, atMilliseconds: 1_010).adding(42, atMilliseconds: 1_020).value == 42)
        let good = DecayingAverage(value: 42, atMilliseconds: 1_000)
        #expect(good.adding(bad, atMilliseconds: 1_010).adding(43, atMilliseconds: 1_020).value.isFinite)
    }
}
