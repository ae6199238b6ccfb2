import CFarm

/// How a farm or member stood in the last minutes: a ring of samples, some seconds apart. One process, the parent, takes
/// them; any thread of any process reads them, without a lock. All times are monotonic microseconds.
public struct History {
    private let row: UnsafeMutablePointer<farm_history_row>

    public init(_ row: UnsafeMutablePointer<farm_history_row>) { self.row = row }

    private static let room = Int(FARM_HISTORY_SAMPLES)
    /// The least time from one sample to the next. httpd calls its parent's hook every ten seconds, and more often when
    /// children come and go.
    public static let interval: UInt64 = 5_000_000
    /// How far rates look back at the least: with a sample every ten seconds that is up to twice as far.
    static let window: UInt64 = 10_000_000

    /// What is sampled. Counters may be the whole or the low half.
    public struct Sample {
        public var at: UInt64
        public var requests: UInt64
        /// A member's errors, a farm's failovers.
        public var failures: UInt64
        public var inflight: UInt32

        public init(at: UInt64, requests: UInt64, failures: UInt64, inflight: UInt32) {
            self.at = at
            self.requests = requests
            self.failures = failures
            self.inflight = inflight
        }
    }

    /// Forgets all. The parent, when the row is another one's from now on.
    public func forget() { farm_publish32(&row.pointee.count, 0) }

    /// Whether it is time for another sample.
    public func isDue(now: UInt64) -> Bool {
        let count = farm_read32(&row.pointee.count)
        return count == 0 || UInt64(age(sample(count - 1), Self.milliseconds(now))) >= Self.interval / 1000
    }

    /// Adds a sample. The parent.
    public func note(_ new: Sample) {
        let count = farm_read32(&row.pointee.count)
        let sample = sample(count)
        farm_set32(&sample.pointee.at_ms, Self.milliseconds(new.at))
        farm_set32(&sample.pointee.requests, UInt32(truncatingIfNeeded: new.requests))
        farm_set32(&sample.pointee.failures, UInt32(truncatingIfNeeded: new.failures))
        farm_set32(&sample.pointee.inflight, new.inflight)
        farm_publish32(&row.pointee.count, count &+ 1)
    }

    /// Requests and failures a second.
    public struct Rates: Equatable {
        public var requests: Double
        public var failures: Double
    }

    /// How fast the counters have gone up to `now` since the latest sample that is old enough to tell; nil when none is.
    public func rates(_ now: Sample) -> Rates? {
        let count = farm_read32(&row.pointee.count)
        // Of the oldest one the place may just be taken by the next.
        for back in 1..<UInt32(Self.room) where back <= count {
            let sample = sample(count &- back)
            guard UInt64(age(sample, Self.milliseconds(now.at))) >= Self.window / 1000 else { continue }
            return Self.rates(sample, requests: now.requests, failures: now.failures, at: now.at)
        }
        return nil
    }

    /// One step of a chart: from a sample to the next.
    public struct Step {
        /// How long ago it ended, in seconds.
        public var age: Double
        public var rates: Rates
        /// At its end.
        public var inflight: UInt32
    }

    /// The steps from the oldest to the newest, without memory of their own.
    public func steps(now: UInt64, _ body: (Step) -> Void) {
        let count = farm_read32(&row.pointee.count)
        let kept = min(count, UInt32(Self.room) - 1)
        guard kept > 1 else { return }
        for back in stride(from: kept, to: 1, by: -1) {
            let (from, to) = (sample(count &- back), sample(count &- back &+ 1))
            let end = farm_get32(&to.pointee.at_ms)
            guard
                let rates = Self.rates(
                    from, requests: UInt64(farm_get32(&to.pointee.requests)),
                    failures: UInt64(farm_get32(&to.pointee.failures)), at: UInt64(end) * 1000)
            else { continue }
            body(
                Step(
                    age: Double(age(to, Self.milliseconds(now))) / 1000, rates: rates,
                    inflight: farm_get32(&to.pointee.inflight)))
        }
    }

    private static func rates(
        _ from: UnsafeMutablePointer<farm_history_sample>, requests: UInt64, failures: UInt64, at: UInt64
    ) -> Rates? {
        let milliseconds = milliseconds(at) &- farm_get32(&from.pointee.at_ms)
        guard milliseconds > 0 else { return nil }
        let seconds = Double(milliseconds) / 1000
        return Rates(
            requests: Double(UInt32(truncatingIfNeeded: requests) &- farm_get32(&from.pointee.requests)) / seconds,
            failures: Double(UInt32(truncatingIfNeeded: failures) &- farm_get32(&from.pointee.failures)) / seconds)
    }

    private func sample(_ number: UInt32) -> UnsafeMutablePointer<farm_history_sample> {
        farm_history_row_samples(row).unsafelyUnwrapped + Int(number % UInt32(Self.room))
    }

    private func age(_ sample: UnsafeMutablePointer<farm_history_sample>, _ now: UInt32) -> UInt32 {
        let age = now &- farm_get32(&sample.pointee.at_ms)
        // A time that is read while another process takes the next sample may seem to come.
        return Int32(bitPattern: age) < 0 ? 0 : age
    }

    private static func milliseconds(_ time: UInt64) -> UInt32 { UInt32(truncatingIfNeeded: time / 1000) }
}
