/// A moment as people write it: a time (RFC 3339) or how long from now.
public enum MomentText: Equatable {
    /// Microseconds since 1970.
    case at(UInt64)
    /// Microseconds from now.
    case after(UInt64)

    /// Further away than this, in microseconds, is a mistake: a hundred years.
    static let furthest: UInt64 = 100 * 366 * 86_400 * 1_000_000

    public static func read(_ text: UnsafeBufferPointer<UInt8>) -> MomentText? {
        interval(text).map { .after($0) } ?? time(text).map { .at($0) }
    }

    /// httpd's time intervals, and days: `500ms`, `90`, `90s`, `30min`, `2h`, `1d`.
    static func interval(_ text: UnsafeBufferPointer<UInt8>) -> UInt64? {
        var digits = 0
        var value: UInt64 = 0
        while digits < text.count, let digit = digit(text[digits]) {
            guard digits < 15 else { return nil }
            value = value * 10 + digit
            digits += 1
        }
        guard digits > 0, let unit = unit(UnsafeBufferPointer(rebasing: text[digits...])) else { return nil }
        let (total, overflow) = value.multipliedReportingOverflow(by: unit)
        return overflow || total > furthest ? nil : total
    }

    private static func unit(_ word: UnsafeBufferPointer<UInt8>) -> UInt64? {
        func isWord(_ known: StaticString) -> Bool {
            Names.equalIgnoringCase(word, UnsafeBufferPointer(start: known.utf8Start, count: known.utf8CodeUnitCount))
        }
        if isWord("ms") { return 1_000 }
        if word.isEmpty || isWord("s") { return 1_000_000 }
        if isWord("min") || isWord("mi") { return 60_000_000 }
        if isWord("h") { return 3_600_000_000 }
        return isWord("d") ? 86_400_000_000 : nil
    }

    /// `2026-11-25T12:00:00Z`, with a fraction or an offset if wanted. A blank where the sign of an offset belongs was a `+`
    /// before a form was decoded.
    static func time(_ text: UnsafeBufferPointer<UInt8>) -> UInt64? {
        guard text.count >= 20, let year = number(text, 0, 4), text[4] == 0x2D, let month = number(text, 5, 2),
            text[7] == 0x2D, let day = number(text, 8, 2), text[10] | 0x20 == 0x74 || text[10] == 0x20,
            let hour = number(text, 11, 2), text[13] == 0x3A, let minute = number(text, 14, 2), text[16] == 0x3A,
            let second = number(text, 17, 2)
        else { return nil }
        guard year >= 1970, (1...12).contains(month), day >= 1, day <= days(month, year), hour < 24, minute < 60,
            second <= 60
        else { return nil }
        var at = 19
        var fraction: Int64 = 0
        if text[at] == 0x2E {
            at += 1
            let start = at
            var scale: Int64 = 100_000
            while at < text.count, let digit = digit(text[at]) {
                fraction += Int64(digit) * scale
                scale /= 10
                at += 1
            }
            guard at > start else { return nil }
        }
        guard let offset = offset(text, at) else { return nil }
        let minutes = (daysSinceEpoch(year, month, day) * 24 + hour) * 60 + minute - offset
        let microseconds = (minutes * 60 + second) * 1_000_000 + fraction
        return microseconds < 0 ? nil : UInt64(microseconds)
    }

    /// Minutes east of UTC; what is left of the text is nothing else.
    private static func offset(_ text: UnsafeBufferPointer<UInt8>, _ at: Int) -> Int64? {
        guard at < text.count else { return nil }
        if text[at] | 0x20 == 0x7A { return at + 1 == text.count ? 0 : nil }
        let isWest = text[at] == 0x2D
        guard isWest || text[at] == 0x2B || text[at] == 0x20, at + 6 == text.count,
            let hours = number(text, at + 1, 2), text[at + 3] == 0x3A, let minutes = number(text, at + 4, 2),
            hours < 24, minutes < 60
        else { return nil }
        return (hours * 60 + minutes) * (isWest ? -1 : 1)
    }

    /// In the proleptic Gregorian calendar; years are counted from March, so that the leap day is the last of one.
    private static func daysSinceEpoch(_ year: Int64, _ month: Int64, _ day: Int64) -> Int64 {
        let years = month > 2 ? year : year - 1
        let months = (month + 9) % 12
        return years * 365 + years / 4 - years / 100 + years / 400 + (months * 153 + 2) / 5 + day - 1 - 719_468
    }

    private static func days(_ month: Int64, _ year: Int64) -> Int64 {
        switch month {
        case 2: year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) ? 29 : 28
        case 4, 6, 9, 11: 30
        default: 31
        }
    }

    private static func number(_ text: UnsafeBufferPointer<UInt8>, _ at: Int, _ count: Int) -> Int64? {
        var value: Int64 = 0
        for place in at..<at + count {
            guard let digit = digit(text[place]) else { return nil }
            value = value * 10 + Int64(digit)
        }
        return value
    }

    private static func digit(_ byte: UInt8) -> UInt64? { byte >= 0x30 && byte <= 0x39 ? UInt64(byte - 0x30) : nil }
}
