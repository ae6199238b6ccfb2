import FarmTestSupport
import Testing

@testable import FarmCore

@Suite struct StateRecordTests {
    /// A record as values of its own.
    struct Read: Equatable {
        var farm = "app"
        var member: String?
        var admin = Admin.on
        var configuredAdmin = Admin.on
        var by = ""
        var reason = ""
        var since: UInt64 = 0
        var until: UInt64 = 0
        var isDownByMonitor = false
        var isDownByManager = false
        var weight: UInt32 = 0
        var configuredWeight: UInt32 = 0
        var metrics: [String: Double] = [:]
    }

    private func read(_ text: [UInt8]) -> Read? {
        var text = text
        return text.withUnsafeMutableBufferPointer { text in
            guard let record = StateRecord.read(text, number: Reading.number) else { return nil }
            return Read(
                farm: Reading.text(record.farm), member: record.member.map(Reading.text), admin: record.admin,
                configuredAdmin: record.configuredAdmin, by: Reading.text(record.by),
                reason: Reading.text(record.reason),
                since: record.since, until: record.until, isDownByMonitor: record.isDownByMonitor,
                isDownByManager: record.isDownByManager,
                weight: record.weight,
                configuredWeight: record.configuredWeight,
                metrics: Dictionary(
                    record.metrics.map { (Reading.name($0.name), $0.value) }, uniquingKeysWith: { _, new in new }))
        }
    }

    private func read(_ text: String) -> Read? { read(bytes(text)) }

    @Test(
        arguments: [
            ("farm=app", Read()),
            (
                "farm=app&admin=off&by=me&reason=why&since=17&until=18",
                Read(admin: .off, by: "me", reason: "why", since: 17, until: 18)
            ),
            (
                "farm=app&member=10.0.0.1%3A80&configured_admin=drain&admin=off&by=&reason=&since=1&until=0&health=down"
                    + "&configured_weight=3&weight=7&metric=cpu%3A0.5&metric=db.conns%3A1e%2B300",
                Read(
                    member: "10.0.0.1:80", admin: .off, configuredAdmin: .drain, since: 1, isDownByMonitor: true,
                    weight: 7,
                    configuredWeight: 3, metrics: ["cpu": 0.5, "db.conns": 1e300])
            ),
            (
                "farm=app&member=m&health=down&health_by=manager",
                Read(member: "m", isDownByMonitor: true, isDownByManager: true)
            ),
            ("farm=app&member=m&metric=a%3A-0.25", Read(member: "m", metrics: ["a": -0.25])),
            ("farm=app&since=999999999999999999", Read(since: 999_999_999_999_999_999)),
        ] as [(String, Read)])
    func aLine(_ text: String, _ expected: Read) { #expect(read(text) == expected) }

    @Test(arguments: [
        "", "&", "mod_proxy_farm state 1", "member=m&admin=on", "farm=", "farm=a.b", "farm=app&member=",
        "farm=app&member=a/b",
        "farm=app&admin=", "farm=app&admin=gone", "farm=app&configured_admin=x", "farm=app&since=", "farm=app&since=-1",
        "farm=app&since=1.5", "farm=app&since=9999999999999999999", "farm=app&until=x", "farm=app&health=up",
        "farm=app&health_by=monitor",
        "farm=app&health=", "farm=app&weight=0", "farm=app&weight=1001", "farm=app&weight=",
        "farm=app&configured_weight=-1",
        "farm=app&colour=red", "farm=app&Admin=on", "farm=app&by=%0A", "farm=app&reason=%FF", "farm=app&by=%", "farm",
        "farm=app&reason=%C2%85",
    ])
    func noLine(_ text: String) { #expect(read(text) == nil) }

    /// One metric that cannot be read does not make the line none: the next report brings it.
    @Test(arguments: [
        "cpu", "%3A1", "cpu%3A", "cpu%3Ax", "cpu%3Anan", "cpu%3Ainf", "1x%3A1", "cpu%3A1e999",
        "cpu%3A0%2C3333333333333333",
    ])
    func aMetricThatCannotBeRead(_ metric: String) {
        let line = "farm=app&member=m&metric=a%3A1&metric=\(metric)&metric=b%3A2&health=down"
        #expect(read(line) == Read(member: "m", isDownByMonitor: true, metrics: ["a": 1, "b": 2]))
        var text = bytes(line)
        let unread = text.withUnsafeMutableBufferPointer { StateRecord.read($0, number: Reading.number)?.unreadMetrics }
        #expect(unread == 1)
    }

    @Test func theLongestTexts() {
        let text = String(repeating: "x", count: 191)
        #expect(read("farm=app&reason=\(text)")?.reason == text)
        #expect(read("farm=app&reason=\(text)x") == nil)
        #expect(read("farm=app&by=\(text.prefix(63))")?.by == String(text.prefix(63)))
        #expect(read("farm=app&by=\(text.prefix(64))") == nil)
    }

    /// Whatever bytes there are, they are one word of a form, which reads back as the same bytes.
    @Test func formEncoding() {
        let all = (0...255).map { UInt8($0) }
        let pieces = Pieces()
        all.withUnsafeBufferPointer { all in pieces.write { $0.formEncoded(all) } }
        let encoded = pieces.text
        #expect(encoded.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F && $0 != 0x26 && $0 != 0x3D && $0 != 0x2B })
        #expect(FormReaderTests.read(bytes("x=" + encoded)) == [.pair(bytes("x"), all, hasEquals: true)])
        for plain in "azAZ09-._" { #expect(encoded.contains(plain)) }
    }

    /// A text in, the same text out.
    @Test(arguments: ["a b", "new kernel & more = 100 %", "söphie", "😀+😀", "\"'\\", "a%41", "", "~!@#$^*()"])
    func roundTrip(_ text: String) {
        let pieces = Pieces()
        bytes(text).withUnsafeBufferPointer { text in
            pieces.write {
                $0.text("farm=app&reason=")
                $0.formEncoded(text)
            }
        }
        #expect(read(pieces.text) == Read(reason: text))
    }

    /// A file that was cut or damaged: no line is more than it says, and nothing stops.
    @Test func damage() {
        let line = bytes(
            "farm=app&member=m&configured_admin=on&admin=off&by=me&reason=a%20b&since=17&until=0&metric=cpu%3A1")
        var numbers = Numbers(12)
        for length in 0...line.count { _ = read(Array(line.prefix(length))) }
        for _ in 0..<20_000 {
            var text = line
            for _ in 0...Int.random(in: 0...3, using: &numbers) {
                text[Int.random(in: 0..<text.count, using: &numbers)] = UInt8.random(in: 0...255, using: &numbers)
            }
            guard let read = read(text) else { continue }
            #expect(!read.farm.isEmpty && read.weight <= 1_000 && read.metrics.values.allSatisfy { $0.isFinite })
        }
    }
}
