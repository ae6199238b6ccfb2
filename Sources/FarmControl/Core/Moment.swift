import FarmCore

#if canImport(Glibc)
    import Glibc
#endif

/// Times, in microseconds since 1970, and how people read and write them.
public enum Moment {
    /// Now.
    public static var now: UInt64 {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return UInt64(time.tv_sec) * 1_000_000 + UInt64(time.tv_nsec) / 1000
    }

    /// Seconds of a clock that never goes back.
    public static var monotonic: Double {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) / 1_000_000_000
    }

    /// A time (RFC 3339), or an interval from `now`; nil: neither.
    public static func read(_ text: String, now: UInt64) -> UInt64? {
        switch Grammar.bytes(text, MomentText.read) {
        case .at(let time): time
        case .after(let time): now + time
        case nil: nil
        }
    }

    /// A time (RFC 3339) alone; nil: it is none.
    public static func time(_ text: String) -> UInt64? {
        guard case .at(let time) = Grammar.bytes(text, MomentText.read) else { return nil }
        return time
    }

    /// An interval in seconds (`500ms`, `10s`, `5min`, `2h`, `1d`; a bare number is seconds; also `2.5` and `2.5s`, which
    /// httpd does not take); nil: it is none.
    public static func seconds(_ text: String) -> Double? {
        if case .after(let time) = Grammar.bytes(text, MomentText.read) { return Double(time) / 1_000_000 }
        let bare = text.hasSuffix("s") ? String(text.dropLast()) : text
        guard let number = Grammar.number(bare), number >= 0, number <= 1e9 else { return nil }
        return number
    }

    /// The interval that an option has, which is longer than nothing; throws what to write instead.
    public static func wanted(_ text: String, of option: String) throws -> Double {
        guard let seconds = seconds(text), seconds > 0 else {
            throw Failure(.usage, "\(option) takes a time such as 10s or 5min, longer than 0, not '\(text)'")
        }
        return seconds
    }

    /// RFC 3339 in UTC, to the second.
    public static func text(_ time: UInt64) -> String {
        var seconds = time_t(clamping: time / 1_000_000)
        var parts = tm()
        guard gmtime_r(&seconds, &parts) != nil else { return "\(time / 1_000_000) s" }
        func two(_ number: Int32) -> String { number < 10 ? "0\(number)" : "\(number)" }
        let date = "\(parts.tm_year + 1900)-\(two(parts.tm_mon + 1))-\(two(parts.tm_mday))"
        return date + "T\(two(parts.tm_hour)):\(two(parts.tm_min)):\(two(parts.tm_sec))Z"
    }

    /// How long something is, in at most two units: `0.4s`, `12s`, `3min`, `2h 5min`, `4d 3h`.
    public static func length(_ seconds: Double) -> String {
        let whole = Int(max(0, min(seconds, 1e15)))
        switch whole {
        case ..<10: return "\((max(0, seconds) * 10).rounded(.down) / 10)s".replacingZeroFraction
        case ..<60: return "\(whole)s"
        case ..<3600: return "\(whole / 60)min"
        case ..<86_400: return "\(whole / 3600)h" + (whole % 3600 >= 60 ? " \(whole % 3600 / 60)min" : "")
        default: return "\(whole / 86_400)d" + (whole % 86_400 >= 3600 ? " \(whole % 86_400 / 3600)h" : "")
        }
    }
}

extension String {
    fileprivate var replacingZeroFraction: String { hasSuffix(".0s") ? String(dropLast(3)) + "s" : self }
}
