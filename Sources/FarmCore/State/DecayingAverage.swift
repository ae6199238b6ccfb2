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
    /// How soon a latency that nothing confirms is forgotten, in milliseconds: after this long it is believed a quarter.
    static let forgetting: Float = 20_000

    public init(word: UInt64) { self.word = word }

    public init(value: Float, atMilliseconds time: UInt32) {
        word = UInt64(value.bitPattern) << 32 | UInt64(time)
    }

    /// The average at its last sample; 0 when there never was one.
    public var value: Float { Float(bitPattern: UInt32(truncatingIfNeeded: word >> 32)) }

    public var time: UInt32 { UInt32(truncatingIfNeeded: word) }

    public var isEmpty: Bool { word == 0 }

    /// Milliseconds since the last sample.
    public func age(atMilliseconds now: UInt32) -> UInt64 { UInt64(max(0, Int32(bitPattern: now &- time))) }

    /// The value as it should be believed at `now`: it fades towards 0 while nothing confirms it, to half after `tau`
    /// milliseconds.
    @inline(__always)
    public func faded(atMilliseconds now: UInt32, tau: Float) -> Float { value * part(left: now, of: tau) }

    /// The same for a latency, so that a member that once was slow is tried again: first slowly, since each trial costs a
    /// request its time, and then faster, so that one that was slower by far is not left out for minutes.
    @inline(__always)
    public func forgotten(atMilliseconds now: UInt32) -> Float {
        let part = part(left: now, of: Self.forgetting)
        return value * part * part
    }

    /// 1 at the last sample, a half `tau` milliseconds after it.
    @inline(__always)
    private func part(left now: UInt32, of tau: Float) -> Float {
        let age = Float(Int32(bitPattern: now &- time))
        return age <= 0 ? 1 : tau / (tau + age)
    }

    /// What a sample that comes now counts, 0 to 1.
    @inline(__always)
    func weight(atMilliseconds now: UInt32) -> Float {
        if isEmpty { return 1 }
        let age = Float(max(0, Int32(bitPattern: now &- time)))
        return max(Self.smallestWeight, age / (age + Self.tau))
    }

    /// The average with one more sample, which counts `weight`, or what it does at that time.
    @inline(__always)
    public func adding(_ sample: Float, atMilliseconds now: UInt32, weight: Float? = nil) -> DecayingAverage {
        if isEmpty { return DecayingAverage(value: sample, atMilliseconds: now) }
        let next = value + (sample - value) * (weight ?? self.weight(atMilliseconds: now))
        return DecayingAverage(value: next.isFinite ? next : sample, atMilliseconds: now)
    }
}
