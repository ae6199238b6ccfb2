import FarmTestSupport
import Foundation
import Testing

@testable import FarmCore

@Suite struct MomentTextTests {
    private func read(_ text: String) -> MomentText? { bytes(text).withUnsafeBufferPointer { MomentText.read($0) } }

    private static let second: UInt64 = 1_000_000

    // MARK: Intervals

    @Test(
        arguments: [
            ("500ms", 500_000), ("90", 90 * second), ("90s", 90 * second), ("30min", 1_800 * second),
            ("2h", 7_200 * second), ("1d", 86_400 * second), ("0", 0), ("0d", 0), ("007s", 7 * second),
            ("2H", 7_200 * second), ("500MS", 500_000), ("36600d", 36_600 * 86_400 * second),
        ] as [(String, UInt64)])
    func anInterval(_ text: String, _ microseconds: UInt64) { #expect(read(text) == .after(microseconds)) }

    @Test(
        arguments: [
            "", " ", "h", "-1", "+1", "1.5h", "1 h", " 1h", "1h ", "1hour", "1w", "1y", "1us", "m", "1m", "1sm",
            "2h30min",
            "36601d", "999999999999999d", "99999999999999999999", "1000000000000000s", "\u{661}h", "0x10", "1e3",
            "soon",
        ])
    func noMoment(_ text: String) { #expect(read(text) == nil) }

    // MARK: Times

    @Test(
        arguments: [
            ("1970-01-01T00:00:00Z", 0), ("1970-01-01T00:00:01Z", 1), ("2000-02-29T00:00:00Z", 951_782_400),
            ("2026-11-25T12:00:00Z", 1_795_608_000), ("2026-11-25t12:00:00z", 1_795_608_000),
            ("2026-11-25 12:00:00Z", 1_795_608_000),
            ("2026-11-25T14:00:00+02:00", 1_795_608_000), ("2026-11-25T14:00:00 02:00", 1_795_608_000),
            ("2026-11-25T06:30:00-05:30", 1_795_608_000), ("2026-11-26T11:59:00+23:59", 1_795_608_000),
            ("2026-11-25T12:00:00-00:00", 1_795_608_000), ("2100-02-28T23:59:59Z", 4_107_542_399),
            // A leap second is the first of the next minute, as everywhere in POSIX.
            ("2016-12-31T23:59:60Z", 1_483_228_800), ("9999-12-31T23:59:59Z", 253_402_300_799),
        ] as [(String, UInt64)])
    func aTime(_ text: String, _ seconds: UInt64) { #expect(read(text) == .at(seconds * Self.second)) }

    @Test(
        arguments: [
            (".5Z", 500_000), (".000001Z", 1), (".123456789Z", 123_456), (".25+00:00", 250_000),
            (".\(String(repeating: "9", count: 200))Z", 999_999),
        ] as [(String, UInt64)])
    func aFraction(_ ending: String, _ microseconds: UInt64) {
        #expect(read("2026-11-25T12:00:00" + ending) == .at(1_795_608_000 * Self.second + microseconds))
    }

    @Test(
        arguments: [
            "2026-11-25", "2026-11-25T12:00:00", "2026-11-25T12:00Z", "2026-11-25T12:00:00ZZ", "2026-11-25T12:00:00Z ",
            " 2026-11-25T12:00:00Z", "2026-13-01T00:00:00Z", "2026-00-01T00:00:00Z", "2026-11-31T00:00:00Z",
            "2026-11-00T00:00:00Z", "2026-02-29T00:00:00Z", "2100-02-29T00:00:00Z", "2026-11-25T24:00:00Z",
            "2026-11-25T12:60:00Z", "2026-11-25T12:00:61Z", "2026-11-25T12:00:00.Z", "2026-11-25T12:00:00.5",
            "2026-11-25T12:00:00+2:00", "2026-11-25T12:00:00+0200", "2026-11-25T12:00:00+02",
            "2026-11-25T12:00:00+24:00",
            "2026-11-25T12:00:00+02:60", "2026-11-25T12:00:00+02:00Z", "2026/11/25T12:00:00Z", "26-11-25T12:00:00Z",
            "2026-11-25X12:00:00Z", "2026-1x-25T12:00:00Z", "+026-11-25T12:00:00Z", "1969-12-31T23:59:59Z",
            "1970-01-01T00:00:00+00:01", "0000-01-01T00:00:00Z", "2026-11-25T12-00-00Z", "2026-11-25T12:00:00\u{0}",
        ])
    func noTime(_ text: String) { #expect(read(text) == nil) }

    /// Random times in random zones, as Foundation reads them.
    @Test func asTheSystemWritesThem() {
        var numbers = Numbers(3)
        for _ in 0..<20_000 {
            let seconds = UInt64.random(in: 90_000..<250_000_000_000, using: &numbers)
            let minutes = Int.random(in: -1_079...1_079, using: &numbers)
            var local = time_t(Int(seconds) + minutes * 60)
            var parts = tm()
            gmtime_r(&local, &parts)
            var room = [CChar](repeating: 0, count: 32)
            let length = strftime(&room, room.count, "%Y-%m-%dT%H:%M:%S", &parts)
            let time = String(decoding: room[..<length].map { UInt8(bitPattern: $0) }, as: UTF8.self)
            let digits = { (number: Int) in (number < 10 ? "0" : "") + String(number) }
            let offset = (minutes < 0 ? "-" : "+") + digits(abs(minutes) / 60) + ":" + digits(abs(minutes) % 60)
            if read(time + offset) != .at(seconds * Self.second) { Issue.record("\(time)\(offset) is \(seconds)") }
        }
    }

    /// Every day of four centuries, one after the other.
    @Test func everyDayFollowsTheOther() {
        var day: UInt64 = 0
        for year in 1970..<2370 {
            for month in 1...12 {
                let isLeap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
                let days = [31, isLeap ? 29 : 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31][month - 1]
                for date in 1...days {
                    let text = "\(year)-\(month < 10 ? "0" : "")\(month)-\(date < 10 ? "0" : "")\(date)T00:00:00Z"
                    if read(text) != .at(day * 86_400 * Self.second) { Issue.record("\(text)") }
                    day += 1
                }
            }
        }
    }

    /// Texts that are nearly a time: nothing is read beyond their end.
    @Test func everyBeginning() {
        for text in ["2026-11-25T12:00:00.123456+02:00", "123456min"] {
            for length in 0...text.utf8.count {
                var beginning = Array(text.utf8.prefix(length))
                beginning.withUnsafeMutableBufferPointer { bytes in
                    let moment = MomentText.read(UnsafeBufferPointer(bytes))
                    if case .at = moment { #expect(length == 32) }
                }
            }
        }
    }
}
