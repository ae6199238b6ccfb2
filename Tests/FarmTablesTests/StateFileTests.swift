import CFarm
import CFarmABI
import FarmCore
import FarmTestSupport
import Testing

@testable import FarmTables

/// `FarmStateFile`: what survives a full stop. Each test's second world is the instance after the stop.
@Suite struct StateFileTests {
    static let first = "mod_proxy_farm state 1\n"

    static func write(_ engine: UnsafeMutablePointer<Engine>) -> String {
        let output = Output()
        engine.pointee.writeState(to: output.handle)
        return output.text
    }

    @discardableResult
    static func read(_ engine: UnsafeMutablePointer<Engine>, _ text: [UInt8]) -> (line: Int, what: String)? {
        var text = text
        return text.withUnsafeMutableBufferPointer { engine.pointee.readState($0) }.map { ($0.line, "\($0.what)") }
    }

    @discardableResult
    static func read(_ engine: UnsafeMutablePointer<Engine>, _ text: String) -> (line: Int, what: String)? {
        read(engine, bytes(text))
    }

    private func update(_ engine: UnsafeMutablePointer<Engine>, _ text: String) {
        var text = bytes(text)
        let output = Output()
        text.withUnsafeMutableBufferPointer { engine.pointee.update($0, caller: nil, out: output.handle) }
        #expect(output.status == 200)
    }

    private func metric(_ engine: UnsafeMutablePointer<Engine>, _ local: Int, _ name: String) -> Double? {
        let number = bytes(name).withUnsafeBufferPointer { MetricName($0).flatMap { engine.pointee.tables.metric($0) } }
        return number.map { SharedDouble.value(engine.pointee.values(farm: 0, local: local)[Int($0)]) }
    }

    private let app = [farm("app", "a", "b", "10.0.0.1:80") { $0.load = "cpu * 2" }, farm("gold", "a")]

    @Test func nothingToRemember() throws {
        let world = World()
        let engine = try #require(
            world.configure([FarmSpec("f", [MemberSpec("a", weight: 3, admin: 2), MemberSpec("b")])]))
        #expect(Self.write(engine) == Self.first)
        #expect(Self.read(engine, Self.first) == nil)
    }

    /// A metric that cannot be read, as a version with another idea of numbers has written it, costs itself and nothing else.
    @Test func oneMetricThatCannotBeRead() throws {
        let world = World()
        let engine = try #require(world.configure(app))
        let read = Self.read(
            engine,
            Self.first + "farm=app&member=a&configured_admin=on&admin=off&by=me&reason=why&since=17&until=0"
                + "&configured_weight=1&weight=7&metric=cpu%3A0%2C3333333333333333&metric=mem%3A4\nfarm=gold&admin=drain"
                + "&by=you&reason=&since=18&until=0\n")
        #expect(read == nil)
        #expect(engine.row(0).state.admin == .off && engine.row(0).pointee.weight == 7)
        #expect(engine.pointee.farms[1].admin == .drain)
        #expect(metric(engine, 0, "mem") == 4 && metric(engine, 0, "cpu").map { $0.isNaN } ?? true)
    }

    @Test func everythingSurvives() throws {
        let before = World()
        let old = try before.child(app, pid: 1)
        ManagementTests.manage(
            old, "farm=app&member=a&admin=drain&by=s%C3%B6phie+%26+co&reason=100+%25+%2B+%22quotes%22&until=2h&weight=7"
        )
        ManagementTests.manage(old, "farm=app&member=b&health=down")
        ManagementTests.manage(old, "farm=gold&admin=off&by=me&reason=why")
        update(old, "farm=app&member=10.0.0.1:80&cpu=0.25&mem=1e300&x=-3")
        let text = Self.write(old)
        #expect(text.hasPrefix(Self.first) && text.hasSuffix("\n"))
        #expect(text.utf8.allSatisfy { ($0 >= 0x20 && $0 < 0x7F) || $0 == 0x0A })
        let after = World()
        let new = try #require(after.configure(app))
        #expect(Self.read(new, text) == nil)
        let note = new.row(0).pointee.note
        #expect(new.row(0).state.admin == .drain && new.row(0).pointee.weight == 7)
        #expect(ManagementTests.by(note) == "söphie & co" && ManagementTests.reason(note) == "100 % + \"quotes\"")
        #expect(note.since_us == ManagementTests.wall && note.until_us == ManagementTests.wall + 7_200_000_000)
        #expect(new.row(1).state.isDownByMonitor && new.row(1).state.admin == .on)
        #expect(new.row(2).state.isAvailable)
        #expect(metric(new, 2, "cpu") == 0.25 && metric(new, 2, "mem") == 1e300 && metric(new, 2, "x") == -3)
        #expect(metric(new, 0, "cpu")?.isNaN == true)
        #expect(SharedDouble.value(new.row(2).pointee.load) == 0.5, "its load is known at once")
        #expect(new.pointee.farms[1].admin == .off)
        #expect(ManagementTests.reason(new.pointee.farms[1].row.pointee.note) == "why")
        #expect(new.row(3).state.admin == .on)
        #expect(Self.write(new) == text, "and the same is written again")
    }

    /// Somebody is writing a row, or has died at it: its state is kept, and what may be of two notes or reports is left out. The next
    /// file has it.
    @Test func aRowThatIsBeingWritten() throws {
        let before = World()
        let old = try before.child(app, pid: 1)
        ManagementTests.manage(old, "farm=app&member=a&admin=off&by=me&reason=why&until=2h&weight=7")
        ManagementTests.manage(old, "farm=gold&admin=drain&by=me&reason=why")
        update(old, "farm=app&member=a&cpu=0.25")
        let whole = Self.write(old)
        old.row(0).pointee.sequence |= 1
        old.pointee.farms[1].row.pointee.sequence |= 1
        let text = HostClock.$wall.withValue(ManagementTests.wall + 5) { Self.write(old) }
        #expect(!text.contains("why") && !text.contains("by=me") && !text.contains("cpu"))
        let after = World()
        let new = try #require(after.configure(app))
        #expect(Self.read(new, text) == nil)
        #expect(new.row(0).state.admin == .off && new.row(0).pointee.weight == 7)
        let note = new.row(0).pointee.note
        #expect((note.since_us, note.until_us) == (ManagementTests.wall + 5, 0))
        #expect(new.pointee.farms[1].admin == .drain)
        old.row(0).pointee.sequence += 1
        old.pointee.farms[1].row.pointee.sequence += 1
        #expect(Self.write(old) == whole)
    }

    /// Failures do not: a member that was down by them is tried anew.
    @Test func whatFailuresDidIsForgotten() throws {
        let world = World()
        let engine = try #require(world.configure(app))
        engine.row(0).publish(MemberState(word: FARM_DOWN_BY_FAILURES | FARM_DOWN_AS_OUTLIER))
        #expect(Self.write(engine) == Self.first)
    }

    /// One whose state has an end ends at its time, or at once if that was during the stop.
    @Test func anEndDuringTheStop() throws {
        let before = World()
        let old = try #require(before.configure(app))
        ManagementTests.manage(old, "farm=app&member=a&admin=off&until=10")
        ManagementTests.manage(old, "farm=app&admin=off&until=20")
        let text = Self.write(old)
        let after = World()
        let new = try #require(after.configure(app))
        Self.read(new, text)
        HostClock.$wall.withValue(ManagementTests.wall + 15_000_000) { new.pointee.tick() }
        #expect(new.row(0).state.admin == .on && new.pointee.farms[0].admin == .off)
    }

    // MARK: The configuration

    private func oneMember(_ weight: UInt32, _ admin: UInt32) -> [FarmSpec] {
        [FarmSpec("f", [MemberSpec("m", weight: weight, admin: admin)])]
    }

    /// "A configured value that differs from what was configured when the file was written wins over the run-time one."
    @Test(
        arguments: [
            // now configured: weight, admin -> weight, admin
            (3, 0, 9, Admin.off), (4, 0, 4, .off), (3, 1, 9, .drain), (4, 2, 4, .off), (9, 0, 9, .off),
        ] as [(UInt32, UInt32, UInt32, Admin)])
    func aChangedConfigurationWins(_ weight: UInt32, _ admin: UInt32, _ expected: UInt32, _ state: Admin) throws {
        let before = World()
        let old = try #require(before.configure(oneMember(3, 0)))
        ManagementTests.manage(old, "farm=f&member=m&admin=off&weight=9&by=me")
        let text = Self.write(old)
        let after = World()
        let new = try #require(after.configure(oneMember(weight, admin)))
        #expect(Self.read(new, text) == nil)
        #expect(new.row(0).pointee.weight == expected && new.row(0).state.admin == state)
        #expect(ManagementTests.by(new.row(0).pointee.note) == (admin == 0 ? "me" : ""))
    }

    /// Where a member was set back to what is configured, or a state has ended, that survives too.
    @Test func onByHandOverAConfiguredOff() throws {
        let before = World()
        let old = try #require(before.configure(oneMember(1, 2)))
        ManagementTests.manage(old, "farm=f&member=m&admin=off&until=10")
        HostClock.$wall.withValue(ManagementTests.wall + 10_000_000) { old.pointee.tick() }
        let after = World()
        let new = try #require(after.configure(oneMember(1, 2)))
        Self.read(new, Self.write(old))
        #expect(new.row(0).state.admin == .on)
    }

    @Test func whoIsGoneIsPassedBy() throws {
        let before = World()
        let old = try #require(before.configure(app))
        for change in ["farm=app&member=a", "farm=app&member=b", "farm=gold&member=a", "farm=gold", "farm=app"] {
            ManagementTests.manage(old, change + "&admin=drain")
        }
        let text = Self.write(old)
        let after = World()
        let new = try #require(after.configure([farm("app", "c", "b"), farm("new", "a")]))
        #expect(Self.read(new, text) == nil)
        #expect((0..<3).map { new.row($0).state.admin } == [.on, .drain, .on])
        #expect((0..<2).map { new.pointee.farms[$0].admin } == [.drain, .on])
    }

    /// A table with room for fewer metrics: what it has room for is enough; the rest is said and forgotten.
    @Test func fewerMetrics() throws {
        let before = World()
        let old = try before.child([farm("app", "a")], pid: 1)
        update(old, "farm=app&member=a&fewer_1=1&fewer_2=2&fewer_3=3")
        let after = World(metrics: 2)
        let new = try #require(after.configure([farm("app", "a")]))
        #expect(Self.read(new, Self.write(old)) == nil)
        #expect(HostLog.lines(naming: "the metric fewer_").map(\.number) == [117])
    }

    // MARK: Damage

    private static let lines = [
        "farm=app&admin=off&by=me&reason=why&since=5&until=0",
        "farm=app&member=a&configured_admin=on&admin=drain&by=me&reason=&since=5&until=0&configured_weight=1&weight=7",
        "farm=app&member=b&configured_admin=on&admin=on&health=down&configured_weight=1&metric=cpu%3A4",
    ]

    /// All of it, or nothing: a bad line anywhere leaves the tables as they were.
    @Test(arguments: 0...3, ["rubbish", "", "farm=", "farm=app&admin=gone", "farm=app&by=%0A", "farm=app&x=%"])
    func aBadLineAnywhere(_ at: Int, _ bad: String) throws {
        let world = World()
        let engine = try world.child(app, pid: 1)
        var lines = Self.lines
        lines.insert(bad, at: at)
        let before = world.memory()
        let fault = Self.read(engine, Self.first + lines.map { $0 + "\n" }.joined())
        #expect(fault?.line == at + 2)
        #expect(world.memory() == before)
        #expect(Self.read(engine, Self.first + Self.lines.map { $0 + "\n" }.joined()) == nil)
        #expect(world.memory() != before)
    }

    @Test(
        arguments: [
            ("", "it is empty"), ("\n", "it is no state file of mod_proxy_farm"),
            ("hello\n", "it is no state file of mod_proxy_farm"),
            ("mod_proxy_farm state ", "it is no state file of mod_proxy_farm"),
            ("mod_proxy_farm state 2\n", "it was written by another version of mod_proxy_farm"),
            ("mod_proxy_farm state 1 \n", "it was written by another version of mod_proxy_farm"),
            ("mod_proxy_farm state 1\r\n", "it was written by another version of mod_proxy_farm"),
            ("\u{0}\u{0}\u{0}", "it is no state file of mod_proxy_farm"),
        ])
    func aForeignFile(_ text: String, _ what: String) throws {
        let world = World()
        let engine = try #require(world.configure(app))
        let before = world.memory()
        let fault = Self.read(engine, text + Self.lines.map { $0 + "\n" }.joined())
        let alone = Self.read(engine, text)
        if text.hasSuffix("\n") { #expect(fault?.line == 1 && fault?.what == what) }
        #expect(alone?.line == 1 && alone?.what == what)
        #expect(world.memory() == before)
    }

    /// Whoever is logged in, under whatever name, what is written is read again: one odd name must not cost all the rest.
    @Test(
        arguments: [
            [UInt8](repeating: 0x61, count: 200), bytes(String(repeating: "ä", count: 40)),
            bytes("a" + String(repeating: "€", count: 30)),
            [0xFF, 0xFE], bytes("line\nend"), bytes("\u{85}"), [0x7F], bytes("Jürgen \"J\" <j@x>"),
        ] as [[UInt8]])
    func whoeverIsLoggedIn(_ name: [UInt8]) throws {
        let world = World()
        let engine = try world.child(app, pid: 1)
        let output = Output()
        defer { withExtendedLifetime(output) {} }
        var text = bytes("farm=app&member=a&admin=off&reason=kept")
        let made = text.withUnsafeMutableBufferPointer { text in
            name.withUnsafeBufferPointer { name in
                engine.pointee.manage(text, by: Engine.Asker(name: name, nonce: nil), out: output.handle)
            }
        }
        #expect(made)
        let file = Self.write(engine)
        let after = World()
        let new = try #require(after.configure(app))
        #expect(Self.read(new, file) == nil)
        #expect(new.row(0).state.admin == .off && ManagementTests.reason(new.row(0).pointee.note) == "kept")
    }
}
