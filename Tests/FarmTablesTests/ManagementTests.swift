import CFarm
import CFarmABI
import FarmCore
import FarmTestSupport
import Testing

@testable import FarmTables

/// What an administrator changes at run time.
@Suite struct ManagementTests {
    /// Far ahead: what ends by the clock must not do so while a test looks at the real one.
    static let wall: UInt64 = 4_951_281_600_000_000

    /// Makes a change as a program does, at a time of the test's choice.
    @discardableResult
    static func manage(
        _ engine: UnsafeMutablePointer<Engine>, _ text: String, by: String = "192.0.2.9", nonce: String? = nil,
        wall: UInt64 = Self.wall, now: UInt64 = 5_000_000
    ) -> (status: UInt32, text: String, made: Bool) {
        var text = bytes(text)
        let output = Output()
        let made = HostClock.$wall.withValue(wall) {
            HostClock.$now.withValue(now) {
                text.withUnsafeMutableBufferPointer { text in
                    bytes(by).withUnsafeBufferPointer { by in
                        bytes(nonce ?? "").withUnsafeBufferPointer { bytes in
                            engine.pointee.manage(
                                text, by: Engine.Asker(name: by, nonce: nonce == nil ? nil : bytes), out: output.handle)
                        }
                    }
                }
            }
        }
        return (output.status, output.text, made)
    }

    static func by(_ note: farm_admin_note) -> String { withUnsafeBytes(of: note.by) { text($0) } }
    static func reason(_ note: farm_admin_note) -> String { withUnsafeBytes(of: note.reason) { text($0) } }
    private static func text(_ bytes: UnsafeRawBufferPointer) -> String {
        String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
    }

    // MARK: Members

    @Test(arguments: [LockGranularity.row, .farm, .engine]) func aMember(_ granularity: LockGranularity) throws {
        let world = World(granularity: granularity)
        let engine = try world.child([farm("f", "a", "b"), farm("g", "a")], pid: 7)
        let before = engine.pointee.farms[0].row.pointee.generation
        let answer = Self.manage(engine, "farm=F&member=b&admin=drain&by=s%C3%B6phie&reason=new+disk&until=2h&weight=5")
        #expect(answer.made && answer.status == 200)
        #expect(answer.text == "ok f b admin=drain health=up fresh=in available=no weight=5\n")
        let row = engine.row(1)
        #expect(row.state.admin == .drain && row.pointee.weight == 5)
        #expect(Self.by(row.pointee.note) == "söphie" && Self.reason(row.pointee.note) == "new disk")
        #expect(row.pointee.note.since_us == Self.wall && row.pointee.note.until_us == Self.wall + 7_200_000_000)
        #expect(row.pointee.sequence == 2 && row.pointee.writer == 7)
        #expect(engine.pointee.farms[0].row.pointee.generation > before, "every process looks again")
        // Nobody else's.
        for other in [0, 2] { #expect(engine.row(other).state.isAvailable && engine.row(other).pointee.weight == 1) }
        #expect(engine.pointee.farms[0].admin == .on)
        for _ in 0..<20 { #expect(engine.chosen()?.member == 0) }
    }

    @Test func healthByHand() throws {
        let world = World()
        let engine = try world.child([farm("byhand", "m")], pid: 1)
        #expect(
            Self.manage(engine, "farm=byhand&member=m&health=down").text
                == "ok byhand m admin=on health=down fresh=in available=no weight=1\n")
        #expect(engine.row(0).state.isDownByMonitor && engine.row(0).state.admin == .on)
        #expect(engine.chosen() == nil && engine.pointee.condition(0) == .down)
        #expect(engine.row(0).pointee.note.since_us != Self.wall, "health is not the administrator's word")
        Self.manage(engine, "farm=byhand&member=m&health=up")
        #expect(engine.row(0).state.isAvailable && engine.chosen() != nil)
        #expect(HostLog.lines(naming: "farm byhand: member m").map(\.number) == [107, 108])
    }

    /// Health ends what failures began; admin touches nobody's health.
    @Test func theAxesAreApart() throws {
        let world = World()
        let engine = try world.child([farm("axes", "m")], pid: 1)
        let row = engine.row(0)
        row.publish(MemberState(word: FARM_DOWN_BY_FAILURES | FARM_DOWN_BY_MONITOR))
        for admin in [Admin.off, .drain, .on] {
            Self.manage(engine, "farm=axes&member=m&admin=\(admin.name)")
            #expect(row.state.word == admin.rawValue | FARM_DOWN_BY_FAILURES | FARM_DOWN_BY_MONITOR)
        }
        Self.manage(engine, "farm=axes&member=m&admin=off&health=up")
        #expect(row.state.word == FARM_ADMIN_OFF)
    }

    @Test func aWeight() throws {
        let world = World()
        let engine = try world.child([farm("weighed", "m", "n") { $0.algorithm = Algorithm.random.rawValue }], pid: 1)
        Self.manage(engine, "farm=weighed&member=n&weight=1000&nonce=whatever", by: "me")
        #expect(engine.row(1).pointee.weight == 1_000 && engine.row(1).pointee.configured_weight == 1)
        let seen = (0..<400).count { _ in engine.chosen()?.member == 1 }
        #expect(seen > 385)
        #expect(Self.by(engine.row(1).pointee.note).isEmpty, "that is not about its admin")
        let line = try #require(HostLog.lines(naming: "farm weighed: member n").first)
        #expect((line.number, line.level) == (112, FARM_LOG_NOTICE) && line.text.contains("1000: by me"))
    }

    /// Whoever asks is who did it, unless the text says somebody else.
    @Test func byWhom() throws {
        let world = World()
        let engine = try world.child([farm("whom", "m")], pid: 1)
        Self.manage(engine, "farm=whom&member=m&admin=off", by: "frank")
        #expect(Self.by(engine.row(0).pointee.note) == "frank")
        Self.manage(engine, "farm=whom&member=m&admin=drain&by=deploy&reason=x&until=2126-11-25T12:00:05Z", by: "frank")
        #expect(Self.by(engine.row(0).pointee.note) == "deploy")
        Self.manage(engine, "farm=whom&member=m&admin=on")
        #expect(Self.reason(engine.row(0).pointee.note).isEmpty && engine.row(0).pointee.note.until_us == 0)
        let lines = HostLog.lines(naming: "farm whom: member m")
        #expect(lines.map(\.number) == [110, 110, 110] && lines.allSatisfy { $0.level == FARM_LOG_NOTICE })
        #expect(
            lines.map(\.text) == [
                "farm whom: member m is administratively off: by frank",
                "farm whom: member m is administratively drain: by deploy until 2126-11-25T12:00:05Z: x",
                "farm whom: member m is administratively on: by 192.0.2.9",
            ])
    }

    // MARK: Farms

    @Test(arguments: [LockGranularity.row, .farm, .engine]) func aFarm(_ granularity: LockGranularity) throws {
        let world = World(granularity: granularity)
        let engine = try world.child([farm("f", "a", "b"), farm("g", "a")], pid: 7)
        let answer = Self.manage(engine, "farm=f&admin=off&reason=move&until=1d")
        #expect(answer.status == 200 && answer.text == "ok f admin=off condition=offline\n")
        let row = engine.pointee.farms[0].row
        #expect(engine.pointee.farms[0].admin == .off)
        #expect(Self.by(row.pointee.note) == "192.0.2.9" && Self.reason(row.pointee.note) == "move")
        #expect(row.pointee.note.until_us == Self.wall + 86_400_000_000)
        #expect(row.pointee.sequence == 2 && row.pointee.writer == 7)
        #expect(engine.chosen() == nil && engine.pointee.condition(0) == .offline)
        #expect(engine.row(0).state.admin == .on, "its members are as they were")
        #expect(!engine.pointee.farms[0].isAvailable(engine.row(0), now: 1))
        #expect(engine.chosen(farm: 1) != nil)
        #expect(Self.manage(engine, "farm=f&admin=on").text == "ok f admin=on condition=ok\n")
        #expect(engine.chosen() != nil)
    }

    /// A change of a member of a farm that is off is made, and its answer says that it is not available all the same.
    @Test func aMemberOfAFarmThatIsOff() throws {
        let world = World()
        let engine = try world.child([farm("f", "a")], pid: 1)
        Self.manage(engine, "farm=f&admin=drain")
        #expect(
            Self.manage(engine, "farm=f&member=a&admin=on").text
                == "ok f a admin=on health=up fresh=in available=no weight=1\n")
    }

    // MARK: Refusals

    /// A change is made as a whole or not at all: of a refused one nothing is left anywhere in the tables.
    @Test(
        arguments: [
            ("", 400), ("farm=f", 400), ("farm=f&member=a", 400), ("farm=f&member=a&admin=off&weight=0", 400),
            ("farm=f&member=a&weight=5&health=sick", 400), ("farm=f&member=a&weight=5&admin=on&until=1h", 400),
            ("farm=f&member=a&weight=5&by=me", 400), ("farm=f&member=a&admin=off&until=0", 400),
            ("farm=f&member=a&admin=off&reason=%0A", 400), ("farm=f&member=a&admin=off&admin=off", 400),
            ("farm=f&admin=off&weight=3", 400), ("farm=f&admin=off&x=y", 400), ("farm=f&member=a&admin=off&%", 400),
            ("farm=h&admin=off", 404), ("farm=f&member=c&admin=off", 404), ("farm=f&member=A&admin=off", 404),
            ("farm=g&member=a&admin=off", 404),
        ] as [(String, UInt32)])
    func nothingIsLeftOfARefusal(_ text: String, _ status: UInt32) throws {
        let world = World()
        let engine = try world.child([farm("f", "a", "b"), farm("g", "z")], pid: 1)
        let before = world.memory()
        let answer = Self.manage(engine, text)
        #expect(!answer.made && answer.status == status)
        #expect(answer.text.hasPrefix("error: ") && answer.text.hasSuffix("\n"))
        #expect(world.memory() == before)
    }

    @Test func aFormNeedsItsNonce() throws {
        let world = World()
        let engine = try world.child([farm("f", "a")], pid: 1)
        let before = world.memory()
        for text in ["", "&nonce=", "&nonce=abd", "&nonce=abc&nonce=abc", "&nonce=ab%63", "&nonce=abcd"] {
            let answer = Self.manage(engine, "farm=f&member=a&admin=off" + text, nonce: "abc")
            #expect(!answer.made && [400, 403].contains(answer.status), "\(text): \(answer)")
        }
        #expect(Self.manage(engine, "farm=f&admin=off&nonce=", nonce: "").status == 403)
        #expect(world.memory() == before)
        #expect(Self.manage(engine, "farm=f&member=a&admin=off&nonce=abc", nonce: "abc").status == 200)
        #expect(engine.row(0).state.admin == .off)
    }

    // MARK: Writers that died

    /// A child that died in the middle of a note: the next change repairs the row first, and the log says so.
    @Test(arguments: [LockGranularity.row, .farm, .engine])
    func aNoteWhoseWriterDied(_ granularity: LockGranularity) throws {
        let world = World(granularity: granularity)
        let name = "dead-note-\(granularity)"
        let engine = try world.child([farm(name, name)], pid: 1)
        Self.manage(engine, "farm=\(name)&member=\(name)&admin=off&by=old&reason=old&until=1h")
        let row = engine.row(0)
        row.pointee.sequence |= 1
        row.pointee.writer = 4711
        row.pointee.note.writing = 1
        row.pointee.note.by.0 = 0x58
        Self.manage(engine, "farm=\(name)&member=\(name)&weight=3")
        #expect(row.state.admin == .off, "what the administrator wanted holds")
        #expect(Self.by(row.pointee.note).isEmpty && Self.reason(row.pointee.note).isEmpty)
        #expect((row.pointee.note.until_us, row.pointee.note.writing) == (0, 0))
        #expect(row.pointee.weight == 3 && row.pointee.sequence % 2 == 0)
        #expect(
            HostLog.lines(naming: "process 4711 died while it wrote the row of member \(name)").map(\.number) == [104])
        let whole = engine.pointee.farms[0].row
        Self.manage(engine, "farm=\(name)&admin=drain&by=old")
        whole.pointee.sequence |= 1
        whole.pointee.writer = 4712
        whole.pointee.note.writing = 1
        Self.manage(engine, "farm=\(name)&admin=off&by=new")
        #expect(Self.by(whole.pointee.note) == "new" && engine.pointee.farms[0].admin == .off)
        #expect(whole.pointee.sequence % 2 == 0 && whole.pointee.note.writing == 0)
        #expect(
            HostLog.lines(naming: "process 4712 died while it wrote the row of farm \(name)").map(\.number) == [116])
    }

    /// Until then nobody shows what was left half written.
    @Test func halfANoteIsNotShown() throws {
        let world = World()
        let engine = try world.child([farm("half", "m")], pid: 1)
        Self.manage(engine, "farm=half&member=m&admin=off&by=before&reason=before")
        let row = engine.row(0)
        row.pointee.sequence |= 1
        row.pointee.note.writing = 1
        row.pointee.note.by.0 = 0x58
        RowWriting.withCopy(farm_member_row_note(row), &row.pointee.sequence) { copy in
            #expect(Self.by(copy.pointee).isEmpty && Self.reason(copy.pointee).isEmpty)
        }
    }

    /// A member whose writer died before the note began keeps it.
    @Test func aNoteThatWasNotTouchedIsKept() throws {
        let world = World()
        let engine = try world.child([farm("kept", "kept-note")], pid: 1)
        Self.manage(engine, "farm=kept&member=kept-note&admin=off&by=me&reason=why")
        engine.row(0).pointee.sequence |= 1
        Self.manage(engine, "farm=kept&member=kept-note&weight=3")
        #expect(Self.by(engine.row(0).pointee.note) == "me" && Self.reason(engine.row(0).pointee.note) == "why")
    }
}

extension World {
    /// All of the shared memory of the first block.
    func memory() -> [UInt8] {
        let block = tables.pointee.first
        return [UInt8](UnsafeRawBufferPointer(start: block.base, count: block.layout.size))
    }
}
