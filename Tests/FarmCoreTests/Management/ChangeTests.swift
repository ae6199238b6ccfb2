import FarmTestSupport
import Testing

@testable import FarmCore

@Suite struct ChangeTests {
    /// A change as values of its own.
    struct Read: Equatable {
        var farm = "app"
        var member: String?
        var admin: Admin?
        var by: String?
        var reason: String?
        var until: UInt64?
        var health: HealthVerdict?
        var weight: UInt32?
        var nonce: String?
    }

    enum Outcome: Equatable {
        case change(Read)
        case refused(ChangeRefusal.Kind, String)

        var kind: ChangeRefusal.Kind? { if case .refused(let kind, _) = self { kind } else { nil } }
    }

    static let wall: UInt64 = 1_795_608_000_000_000

    static func parse(_ text: [UInt8], isForm: Bool = false) -> Outcome {
        var text = text
        return text.withUnsafeMutableBufferPointer { text in
            switch Change.parse(text, isForm: isForm, wallClock: wall) {
            case .change(let change):
                return .change(
                    Read(
                        farm: Reading.text(change.farm), member: change.member.map(Reading.text), admin: change.admin,
                        by: change.by.map(Reading.text), reason: change.reason.map(Reading.text), until: change.until,
                        health: change.health, weight: change.weight, nonce: change.nonce.map(Reading.text)))
            case .refused(let refusal):
                return .refused(refusal.kind, Reading.text(refusal.value))
            }
        }
    }

    static func parse(_ text: String, isForm: Bool = false) -> Outcome { parse(bytes(text), isForm: isForm) }

    // MARK: Good

    @Test(
        arguments: [
            ("farm=app&admin=off", Read(admin: .off)),
            ("farm=app&admin=drain", Read(admin: .drain)),
            ("farm=app&admin=on", Read(admin: .on)),
            ("farm=App_1-x&admin=on", Read(farm: "App_1-x", admin: .on)),
            ("farm=app&member=app1&admin=drain", Read(member: "app1", admin: .drain)),
            ("member=10.0.0.1%3A8080&farm=app&weight=7", Read(member: "10.0.0.1:8080", weight: 7)),
            ("farm=app&member=m&health=up", Read(member: "m", health: .up)),
            ("farm=app&member=m&health=down", Read(member: "m", health: .down)),
            ("farm=app&member=m&weight=1", Read(member: "m", weight: 1)),
            ("farm=app&member=m&weight=1000", Read(member: "m", weight: 1_000)),
            (
                "farm=app&member=m&admin=off&health=down&weight=3&by=me&reason=new+kernel&until=2h&nonce=00",
                Read(
                    member: "m", admin: .off, by: "me", reason: "new kernel", until: wall + 7_200_000_000,
                    health: .down,
                    weight: 3, nonce: "00")
            ),
            ("farm=app&admin=on&by=me&reason=done", Read(admin: .on, by: "me", reason: "done")),
            ("farm=app&admin=off&reason=", Read(admin: .off, reason: "")),
            ("&&farm=app&&admin=off&", Read(admin: .off)),
            ("farm=app&admin=off&by=s%C3%B6phie&reason=%F0%9F%98%80", Read(admin: .off, by: "söphie", reason: "😀")),
            ("farm=app&admin=off&until=2026-11-25T12:00:01Z", Read(admin: .off, until: wall + 1_000_000)),
            ("farm=app&admin=off&until=2026-11-25T14:00:01%2B02:00", Read(admin: .off, until: wall + 1_000_000)),
            // A + that form decoding made a blank is understood.
            ("farm=app&admin=off&until=2026-11-25T14:00:01+02:00", Read(admin: .off, until: wall + 1_000_000)),
            ("farm=app&admin=drain&until=1", Read(admin: .drain, until: wall + 1_000_000)),
            ("f%61rm=app&admin=%6Fff", Read(admin: .off)),
        ] as [(String, Read)])
    func aChange(_ text: String, _ expected: Read) { #expect(Self.parse(text) == .change(expected)) }

    /// A browser sends what was left empty as well.
    @Test func whatAFormLeftEmpty() {
        let text = "nonce=ab&farm=app&member=&admin=off&until=&reason=&health=&weight=&by="
        #expect(Self.parse(text, isForm: true) == .change(Read(admin: .off, nonce: "ab")))
        #expect(Self.parse("farm=app&member=m&admin=&weight=3", isForm: true) == .change(Read(member: "m", weight: 3)))
        #expect(Self.parse("farm=app&member=m&admin=&weight=", isForm: true).kind == .nothing)
        #expect(Self.parse("farm=&admin=off", isForm: true).kind == .noFarm)
    }

    // MARK: Bad

    @Test(
        arguments: [
            ("", .noFarm, ""), ("admin=off", .noFarm, ""), ("member=m&weight=1", .noFarm, ""),
            ("farm=app", .nothing, ""), ("farm=app&member=m", .nothing, ""), ("farm=app&nonce=1", .nothing, ""),
            ("farm=app&admin=off&color=red", .unknownField, "color"), ("farm=app&Admin=off", .unknownField, "Admin"),
            ("farm=app&admin=off&%00=1", .unknownField, "\0"), ("farm=app&admin=off&=x", .unknownField, ""),
            ("farm=app&farm=app&admin=off", .twice, "farm"), ("farm=app&admin=off&admin=off", .twice, "admin"),
            ("farm=app&admin=off&reason=&reason=", .twice, "reason"), ("farm=app&nonce=1&nonce=1", .twice, "nonce"),
            ("farm=&admin=off", .empty, "farm"), ("farm=app&admin", .empty, "admin"),
            ("farm=app&member=&admin=off", .empty, "member"), ("farm=app&admin=off&by=", .empty, "by"),
            ("farm=app&admin=off&until=", .empty, "until"), ("farm=app&member=m&weight=", .empty, "weight"),
            ("farm=a.b&admin=off", .badFarm, "a.b"), ("farm=a+b&admin=off", .badFarm, "a b"),
            ("farm=app&member=a/b&admin=off", .badMember, "a/b"),
            ("farm=app&admin=offline", .badAdmin, "offline"), ("farm=app&admin=OFF", .badAdmin, "OFF"),
            ("farm=app&admin=1", .badAdmin, "1"), ("farm=app&admin=on%00", .badAdmin, "on\0"),
            ("farm=app&member=m&health=UP", .badHealth, "UP"), ("farm=app&member=m&health=1", .badHealth, "1"),
            ("farm=app&member=m&weight=0", .badWeight, "0"), ("farm=app&member=m&weight=1001", .badWeight, "1001"),
            ("farm=app&member=m&weight=-1", .badWeight, "-1"), ("farm=app&member=m&weight=1.0", .badWeight, "1.0"),
            ("farm=app&member=m&weight=99999999999", .badWeight, "99999999999"),
            ("farm=app&member=m&weight=+5", .badWeight, " 5"),
            ("farm=app&by=me", .noAdmin, ""), ("farm=app&member=m&weight=1&reason=x", .noAdmin, ""),
            ("farm=app&member=m&health=up&until=2h", .noAdmin, ""),
            ("farm=app&admin=on&until=2h", .untilOn, ""),
            ("farm=app&health=up", .healthOfFarm, ""), ("farm=app&weight=5", .weightOfFarm, ""),
            ("farm=app&admin=off&weight=5", .weightOfFarm, ""), ("farm=app&admin=off&health=up", .healthOfFarm, ""),
            ("farm=app&admin=off&until=0", .past, "0"), ("farm=app&admin=off&until=0ms", .past, "0ms"),
            ("farm=app&admin=off&until=2026-11-25T12:00:00Z", .past, "2026-11-25T12:00:00Z"),
            ("farm=app&admin=off&until=1999-01-01T00:00:00Z", .past, "1999-01-01T00:00:00Z"),
            ("farm=app&admin=off&until=tomorrow", .badUntil, "tomorrow"),
            ("farm=app&admin=off&until=2026-11-26", .badUntil, "2026-11-26"),
            ("farm=app&admin=off&until=9999-12-31T23:59:59Z", .badUntil, "9999-12-31T23:59:59Z"),
            ("farm=app&admin=off&by=a%0Ab", .unreadableBy, ""), ("farm=app&admin=off&by=%FF", .unreadableBy, ""),
            ("farm=app&admin=off&reason=a%00b", .unreadableReason, ""),
            ("farm=app&admin=off&reason=%C2%85", .unreadableReason, ""),
            ("farm=app&admin=off&reason=%E2%82", .unreadableReason, ""),
            ("farm=app&admin=of%f", .badEscape, "admin=of%f"), ("%=1", .badEscape, "%=1"),
        ] as [(String, ChangeRefusal.Kind, String)])
    func noChange(_ text: String, _ kind: ChangeRefusal.Kind, _ value: String) {
        #expect(Self.parse(text) == .refused(kind, value))
    }

    /// At most 63 bytes of who and 191 of why: bytes, not characters.
    @Test func lengths() {
        func parse(_ field: String, _ text: String) -> ChangeRefusal.Kind? {
            Self.parse("farm=app&admin=off&\(field)=\(text)").kind
        }
        #expect(parse("by", String(repeating: "a", count: 63)) == nil)
        #expect(parse("by", String(repeating: "a", count: 64)) == .longBy)
        #expect(parse("by", String(repeating: "%C3%A4", count: 31) + "a") == nil)
        #expect(parse("by", String(repeating: "%C3%A4", count: 32)) == .longBy)
        #expect(parse("reason", String(repeating: "a", count: 191)) == nil)
        #expect(parse("reason", String(repeating: "a", count: 192)) == .longReason)
        #expect(parse("reason", String(repeating: "%C3%A4", count: 96)) == .longReason)
    }

    @Test func names() {
        let longest = String(repeating: "n", count: 63)
        #expect(Self.parse("farm=\(longest)&member=\(longest)&admin=on").kind == nil)
        #expect(Self.parse("farm=\(longest)n&admin=on").kind == .badFarm)
        #expect(Self.parse("farm=app&member=\(longest)n&admin=on").kind == .badMember)
    }

    /// A hundred years are the most that is understood as meant.
    @Test func tooFarAway() {
        #expect(Self.parse("farm=app&admin=off&until=36600d").kind == nil)
        #expect(Self.parse("farm=app&admin=off&until=36601d").kind == .badUntil)
    }

    /// Cut anywhere, changed anywhere: it is a change or a refusal.
    @Test func nearlyAChange() {
        let text = bytes(
            "farm=app&member=app1&admin=drain&by=me&reason=new+kernel%21&until=2026-12-25T12:00:00Z&weight=9")
        var numbers = Numbers(6)
        for length in 0...text.count { _ = Self.parse(Array(text.prefix(length))) }
        for _ in 0..<20_000 {
            var changed = text
            for _ in 0...Int.random(in: 0...3, using: &numbers) {
                changed[Int.random(in: 0..<changed.count, using: &numbers)] = UInt8.random(in: 0...255, using: &numbers)
            }
            guard case .change(let change) = Self.parse(changed) else { continue }
            #expect(change.weight.map { (1...1_000).contains($0) } ?? true)
            #expect(change.until.map { $0 > Self.wall } ?? true)
        }
    }
}
