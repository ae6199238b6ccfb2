import FarmTestSupport
import Testing

@testable import FarmCore

@Suite struct UpdateTests {
    typealias Group = Reading.Group

    @Test(
        arguments: [
            (
                "farm=app&member=app1&cpu=0.42&db_conns=57",
                [Group(farm: "app", member: "app1", metrics: ["cpu": 0.42, "db_conns": 57])]
            ),
            // A heartbeat, and one of whoever sends it.
            ("farm=app&member=app1", [Group(farm: "app", member: "app1")]),
            ("farm=app", [Group(farm: "app")]),
            ("farm=app&cpu=1", [Group(farm: "app", metrics: ["cpu": 1])]),
            // In any order within the group.
            ("cpu=1&member=app1&farm=app&mem=2", [Group(farm: "app", member: "app1", metrics: ["cpu": 1, "mem": 2])]),
            ("member=app1&farm=app", [Group(farm: "app", member: "app1")]),
            ("&&farm=app&&&member=app1&", [Group(farm: "app", member: "app1")]),
            // A further member= is one more of the same farm.
            (
                "farm=app&member=a&cpu=1&member=b&cpu=2&member=c",
                [
                    Group(farm: "app", member: "a", metrics: ["cpu": 1]),
                    Group(farm: "app", member: "b", metrics: ["cpu": 2]),
                    Group(farm: "app", member: "c"),
                ]
            ),
            // A further farm= is one without a member, until it gets one.
            (
                "farm=app&member=a&cpu=1&farm=web&cpu=2",
                [
                    Group(farm: "app", member: "a", metrics: ["cpu": 1]), Group(farm: "web", metrics: ["cpu": 2]),
                ]
            ),
            (
                "farm=app&farm=web&member=a&member=b",
                [
                    Group(farm: "app"), Group(farm: "web", member: "a"), Group(farm: "web", member: "b"),
                ]
            ),
            (
                "farm=app&member=a&farm=app&member=a",
                [Group(farm: "app", member: "a"), Group(farm: "app", member: "a")]
            ),
            ("farm=app&health=down", [Group(farm: "app", health: .down)]),
            (
                "farm=app&member=a&health=up&cpu=1&member=b&health=down",
                [
                    Group(farm: "app", member: "a", health: .up, metrics: ["cpu": 1]),
                    Group(farm: "app", member: "b", health: .down),
                ]
            ),
            // Escapes anywhere; what a name may be is asked of what they stand for.
            (
                "f%61rm=%61pp&m%65mber=10.0.0.1%3A80&c%70u=%2E5",
                [
                    Group(farm: "app", member: "10.0.0.1:80", metrics: ["cpu": 0.5])
                ]
            ),
            // Names as they stand: case matters to metrics, and is kept of the others.
            (
                "farm=App&member=A&cpu=1&CPU=2&Farm=3",
                [
                    Group(farm: "App", member: "A", metrics: ["cpu": 1, "CPU": 2, "Farm": 3])
                ]
            ),
            // No metric is left over from the group before.
            (
                "farm=app&member=a&a=1&b=2&c=3&member=b&member=c&c=4",
                [
                    Group(farm: "app", member: "a", metrics: ["a": 1, "b": 2, "c": 3]), Group(farm: "app", member: "b"),
                    Group(farm: "app", member: "c", metrics: ["c": 4]),
                ]
            ),
        ] as [(String, [Group])])
    func isRead(_ text: String, _ groups: [Group]) { #expect(Reading.update(text) == .groups(groups)) }

    /// Each kind of refusal with its whole message. Other lines of the same kind are in `isRefused` below.
    @Test(
        arguments: [
            ("", 1, "farm= is missing; write farm=NAME&member=NAME&METRIC=NUMBER"),
            (
                "farm=a&member=b&cpu=%zz", 1,
                "'cpu=%zz' has a % without two hexadecimal digits after it; write %25 for a %"
            ),
            ("farm=a&member=b&cpu", 1, "'cpu' lacks its value; write NAME=NUMBER"),
            ("farm=a&member=b&cpu=", 1, "cpu= is empty; write a value, or leave it out"),
            ("farm=a b", 1, "farm= takes 1 to 63 letters, digits, '_' and '-', not 'a b'"),
            ("farm=a&member=b/c", 1, "member= takes 1 to 63 letters, digits and '_.:-', not 'b/c'"),
            ("farm=a&health=ok", 1, "health= takes up or down, not 'ok'"),
            (
                "farm=a&1x=1", 1,
                "'1x' names no metric; write a letter or '_', then up to 31 letters, digits, '_' and '.'"
            ),
            ("farm=a&cpu=5.", 1, "cpu= takes a finite decimal number such as 0.42, not '5.'"),
            ("farm=a&cpu=1&mem=1&cpu=1", 1, "cpu= stands twice in this group; write it once"),
            (
                "farm=a&x1=1&x2=1&x3=1&x4=1&x5=1", 1,
                "the table of metrics has no room for the name 'x5'; raise FarmTable metrics=N"
            ),
            // The group that is at fault.
            ("farm=a&member=b&cpu=1&member=c&cpu=x", 2, "cpu= takes a finite decimal number such as 0.42, not 'x'"),
            ("farm=a&farm=b&farm=c&member=d&member=", 4, "member= is empty; write a value, or leave it out"),
            ("farm=a&member=b&farm=", 2, "farm= is empty; write a value, or leave it out"),
            ("farm=a&member=b&member", 2, "'member' lacks its value; write NAME=NUMBER"),
            ("farm=a&member=b&member=c&member=d/", 3, "member= takes 1 to 63 letters, digits and '_.:-', not 'd/'"),
            ("farm=a&member=b&farm=c.d", 2, "farm= takes 1 to 63 letters, digits, '_' and '-', not 'c.d'"),
            (
                "farm=a&member=b&member=c&%=1", 2,
                "'%=1' has a % without two hexadecimal digits after it; write %25 for a %"
            ),
            ("member=a&cpu=1&member=b&farm=c", 1, "farm= is missing; write farm=NAME&member=NAME&METRIC=NUMBER"),
            ("cpu=1", 1, "farm= is missing; write farm=NAME&member=NAME&METRIC=NUMBER"),
            ("%4", 1, "'%4' has a % without two hexadecimal digits after it; write %25 for a %"),
            ("farm=a&health=up&health=down", 1, "health= stands twice in this group; write it once"),
        ] as [(String, Int, String)])
    func refusal(_ text: String, _ group: Int, _ what: String) {
        let status: UInt32 = what.contains("no room") ? 413 : 400
        #expect(
            Reading.update(text.replacing(" ", with: "+"), most: 4)
                == .refused("error: \(what) (group \(group))", group: group, status: status))
    }

    @Test(arguments: [
        "&", "&&", "farm", "farm=", "=", "=1", "farm=a&=1", "farm=a&=", "farm=a&member", "farm=a&health=",
        "farm=a&health",
        "farm=a&health=UP", "farm=a&health=up+", "farm=a&health=upx", "farm=a&cpu=+1", "farm=a&cpu=%2B1",
        "farm=a&cpu=0x10",
        "farm=a&cpu=nan", "farm=a&cpu=inf", "farm=a&cpu=1e999", "farm=a&cpu=1_000", "farm=a&cpu=1%00", "farm=a%00",
        "farm=a&cpu%00=1", "farm=a&c-pu=1", "farm=a.b", "farm=a:b", "member=b", "farm=a&member=b%20c",
        "farm=a;member=b",
        "farm=a&member=b&cpu=1&c%70u=2", "farm=a&member==b", "farm=a&cpu==1", "{\"farm\":\"a\"}",
    ])
    func isRefused(_ text: String) {
        let message = Reading.update(text).message
        #expect(message?.hasSuffix(" (group 1)") == true, "\(message ?? "read")")
    }

    /// Names and numbers as long as may be, and one byte longer.
    @Test func lengths() {
        func a(_ count: Int) -> String { String(repeating: "a", count: count) }
        let good = "farm=\(a(63))&member=\(a(63))&\(a(32))=\(String(repeating: "1", count: 64))"
        #expect(Reading.update(good).groups?.count == 1)
        #expect(Reading.update("farm=\(a(64))").groups == nil)
        #expect(Reading.update("farm=a&member=\(a(64))").groups == nil)
        #expect(Reading.update("farm=a&\(a(33))=1").groups == nil)
        #expect(Reading.update("farm=a&b=\(String(repeating: "1", count: 65))").groups == nil)
    }

    /// As many names as there is room for, in each of the groups.
    @Test func theRoomIsEachGroups() {
        let three = "x=1&y=2&z=3"
        #expect(Reading.update("farm=a&member=b&\(three)&member=c&\(three)", most: 3).groups?.count == 2)
        let outcome = Reading.update("farm=a&member=b&\(three)&member=c&\(three)&w=4", most: 3)
        #expect(
            outcome
                == .refused(
                    "error: the table of metrics has no room for the name 'w'; raise FarmTable metrics=N (group 2)",
                    group: 2, status: 413))
        #expect(Reading.update("farm=a&x=1", most: 0).groups == nil)
        #expect(Reading.update("farm=a", most: 0).groups?.count == 1)
        #expect(Reading.update("farm=a&\(three)&x=1", most: 3).message?.contains("twice") == true, "it has room")
    }

    @Test(arguments: [1_000, 100_000]) func manyGroups(_ count: Int) throws {
        let text = "farm=app" + (0..<count).map { "&member=m\($0)&v=\($0)" }.joined()
        let groups = try #require(Reading.update(text).groups)
        #expect(groups.count == count)
        let wrong = groups.indices.filter {
            groups[$0] != Group(farm: "app", member: "m\($0)", metrics: ["v": Double($0)])
        }
        #expect(wrong.isEmpty)
        // Nothing of it stands when the last is wrong.
        #expect(
            Reading.update(text + "&v=1")
                == .refused(
                    "error: v= stands twice in this group; write it once (group \(count))", group: count, status: 400))
    }

    /// What the updates of any group may say, as text and as groups, generated.
    @Test func whatWasWrittenIsRead() {
        var numbers = Numbers(99)
        var wrong: [String] = []
        for _ in 0..<3_000 {
            var groups: [Group] = []
            var parts: [String] = []
            for at in 0..<Int.random(in: 1...5, using: &numbers) {
                var group = Group(farm: "f\(Int.random(in: 0...2, using: &numbers))", member: "m\(at)")
                if let last = groups.last, Bool.random(using: &numbers) {
                    group.farm = last.farm
                } else {
                    parts.append("farm=\(group.farm)")
                }
                parts.append("member=m\(at)")
                if Int.random(in: 0..<4, using: &numbers) == 0 {
                    group.health = Bool.random(using: &numbers) ? .up : .down
                    parts.append(group.health == .up ? "health=up" : "health=down")
                }
                for number in 0..<Int.random(in: 0...4, using: &numbers) {
                    let value = Double.random(in: -1e6...1e6, using: &numbers)
                    group.metrics["n\(number)"] = value
                    parts.append("n\(number)=\(value)")
                }
                groups.append(group)
            }
            let text = parts.joined(separator: Bool.random(using: &numbers) ? "&" : "&&")
            if Reading.update(text) != .groups(groups) { wrong.append(text) }
        }
        #expect(wrong.isEmpty)
    }

    // MARK: Hostile texts

    /// Whatever comes: groups that keep the grammars, or one line of printable ASCII that names a group.
    static func isSound(_ outcome: Reading.Outcome) -> Bool {
        switch outcome {
        case .groups(let groups):
            !groups.isEmpty
                && groups.allSatisfy { group in
                    bytes(group.farm).withUnsafeBufferPointer { Names.isFarm($0) }
                        && group.member.map { bytes($0).withUnsafeBufferPointer { Names.isMember($0) } } != false
                        && group.metrics.allSatisfy { MetricNameTests.named($0.key) != nil && $0.value.isFinite }
                }
        case .refused(let message, let group, let status):
            message.hasPrefix("error: ") && message.hasSuffix(" (group \(group))") && group >= 1
                && (status == 400 || status == 413) && message.utf8.count <= 200
                && message.utf8.allSatisfy { (0x20..<0x7F).contains($0) }
        }
    }

    static let good = "farm=app&member=app1&cpu=0.42&%64b=5e1&health=up&member=app2&cpu=+.5&farm=web&x=1"
        .replacing("=+", with: "=")

    @Test func anyDamage() {
        #expect(Reading.update(Self.good).groups?.count == 3)
        var unsound: [[UInt8]] = []
        var (read, refused) = (0, 0)
        Reading.damaged(bytes(Self.good)) { text in
            let outcome = Reading.update(text)
            if outcome.groups != nil { read += 1 } else { refused += 1 }
            if !Self.isSound(outcome) { unsound.append(text) }
        }
        #expect(unsound.isEmpty)
        #expect(read > 1_000 && refused > 1_000)
    }

    @Test func anything() {
        let pieces = [
            "&", "&", "=", "farm=a", "&farm=b", "&member=m", "&member=", "member", "health=up", "&health=", "cpu",
            "&cpu=1",
            "&x=0.5", "%", "%41", "%00", "+", "1e9", "&y=1e999",
        ].map(bytes)
        var numbers = Numbers(23)
        var unsound: [[UInt8]] = []
        var (read, refused) = (0, 0)
        for _ in 0..<200_000 {
            let text = Reading.random(pieces, &numbers, most: 8)
            let outcome = Reading.update(text, most: 2)
            if outcome.groups != nil { read += 1 } else { refused += 1 }
            if !Self.isSound(outcome) { unsound.append(text) }
        }
        #expect(unsound.isEmpty)
        #expect(read > 2_000 && refused > 2_000, "\(read) \(refused)")
    }
}
