/// A moving average over time, packed into one word so that it is read and replaced whole: the high half is the bits of
/// a Float, the low half the time of the last sample in milliseconds (monotonic, wrapping after 49 days).
///
/// A sample that comes `t` after the last one has the weight t / (t + tau), the first terms of 1 - exp(-t / tau) without
/// the exponential, but never less than `smallestWeight`, so that a burst of samples in one millisecond still counts.
public struct DecayingAverage: Equatable {
    public let word: UInt64

    /// The time constant, in milliseconds: after this long without a sample an old value has half its say.
    public static let tau: Float = 2_000
    /// At a thousand samples a second the average follows about the last 16 of them.
    public static let smallestWeight: Float = 1.0 / 16
    /// A first sample pays for connections and cold caches. It is believed as if it were this many milliseconds old:
    /// the member is soon asked again, and the second sample replaces three quarters of the first.
    static let ageOfFirst: UInt32 = 6_000

    public init(word: UInt64) { self.word = word }

    public init(value: Float, atMilliseconds time: UInt32) {
        word = UInt64(value.bitPattern) << 32 | UInt64(time)
    }

    /// The average at its last sample; 0 when there never was one.
    public var value: Float { Float(bitPattern: UInt32(truncatingIfNeeded: word >> 32)) }

    public var time: UInt32 { UInt32(truncatingIfNeeded: word) }

    public var isEmpty: Bool { word == 0 }

    /// The value as it should be believed at `now`: it fades towards 0 while nothing confirms it, so that a member that
    /// once was slow is tried again.
    @inline(__always)
    public func faded(atMilliseconds now: UInt32, tau: Float = Self.tau) -> Float {
        let age = Float(Int32(bitPattern: now &- time))
        return age <= 0 ? value : value * (tau / (tau + age))
    }

    /// The average with one more sample.
    public func adding(_ sample: Float, atMilliseconds now: UInt32) -> DecayingAverage {
        if isEmpty { return DecayingAverage(value: sample, atMilliseconds: now &- Self.ageOfFirst) }
        let age = Float(max(0, Int32(bitPattern: now &- time)))
        let weight = max(Self.smallestWeight, age / (age + Self.tau))
        let next = value + (sample - value) * weight
        return DecayingAverage(value: next.isFinite ? next : sample, atMilliseconds: now)
    }
}
