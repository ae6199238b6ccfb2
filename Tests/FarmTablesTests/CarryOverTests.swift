import CFarm
import CFarmABI
import FarmCore
import FarmTestSupport
import Testing

@testable import FarmTables

/// What a graceful restart keeps: "every counter, metric and state of the members that still exist, by farm and member
/// name"; and when a row is used again.
@Suite struct CarryOverTests {
    private func mark(_ row: MemberRow, _ number: UInt64) {
        row.pointee.requests = number
        row.pointee.bytes_in = number * 10
        row.pointee.latency_buckets.7 = number
        row.pointee.latency = number << 32
        row.publish(row.state.with(downByFailures: number % 2 == 1))
    }

    @Test func aNewConfigurationFillsRows() throws {
        let world = World()
        var spec = FarmSpec("app", [MemberSpec("a", weight: 7, tier: 3, admin: 1, maxInflight: 9), MemberSpec("b")])
        spec.algorithm = Algorithm.random.rawValue
        let engine = try #require(world.configure([spec]))
        let row = engine.row(0).pointee
        #expect((row.weight, row.tier, row.max_inflight, row.use) == (7, 3, 9, FARM_ROW_USED))
        #expect(engine.row(0).state.admin == .drain && engine.row(0).state.isUp)
        #expect(String(cString: farm_member_row_name(engine.row(0))) == "a")
        #expect(String(cString: farm_row_name(engine.pointee.farms[0].row)) == "app")
        #expect(world.generation == 1)
        #expect(world.tables.pointee.first.header.pointee.started_us > 0)
    }

    @Test func namesFindTheirRowsAgain() throws {
        let world = World()
        let first = try #require(world.configure([farm("one", "a", "b", "c"), farm("two", "a", "b")]))
        for at in 0..<5 { mark(first.row(at), UInt64(at + 1)) }
        first.pointee.farms[0].row.pointee.requests = 100
        first.pointee.farms[1].row.pointee.requests = 200
        // Another order of farms and members, one added, one gone.
        let second = try #require(world.configure([farm("two", "b", "n", "a"), farm("one", "c", "a")]))
        #expect((0..<5).map { second.row($0).pointee.requests } == [5, 0, 4, 3, 1])
        #expect(second.row(0) == first.row(4) && second.row(2) == first.row(3), "rows never move")
        #expect(second.row(3) == first.row(2) && second.row(4) == first.row(0))
        #expect(second.pointee.farms.map { $0.row.pointee.requests } == [200, 100])
        #expect(second.row(0).state.isDownByFailures && second.row(3).pointee.latency_buckets.7 == 3)
        #expect(first.row(1).pointee.use == FARM_ROW_RETIRED)
        #expect(world.generation == 2)
    }

    /// The same member name in two farms is two members.
    @Test func namesBelongToTheirFarm() throws {
        let world = World()
        let first = try #require(world.configure([farm("one", "a"), farm("two", "a")]))
        #expect(first.row(0) != first.row(1))
        mark(first.row(0), 1)
        mark(first.row(1), 2)
        let second = try #require(world.configure([farm("two", "a")]))
        #expect(second.row(0).pointee.requests == 2)
        let third = try #require(world.configure([farm("three", "a"), farm("two", "a")]))
        #expect(third.row(0).pointee.requests == 0)
    }

    /// A name is compared whole: neither a beginning nor a continuation of another is that other.
    @Test func aPrefixIsAnotherName() throws {
        let world = World()
        let longest = String(repeating: "m", count: 63)
        let first = try #require(world.configure([farm("f", "m1", longest)]))
        mark(first.row(0), 11)
        mark(first.row(1), 22)
        let second = try #require(world.configure([farm("f", "m10", "m", String(longest.dropLast()), longest)]))
        #expect((0..<4).map { second.row($0).pointee.requests } == [0, 0, 0, 22])
    }

    @Test func aMemberThatComesBackKeepsItsCounters() throws {
        let world = World()
        let first = try world.child([farm("f", "a", "b")], pid: 100)
        mark(first.row(1), 42)
        _ = try #require(world.configure([farm("f", "a")]))
        let third = try #require(world.configure([farm("f", "b", "a")]))
        #expect(third.row(0) == first.row(1))
        #expect(third.row(0).pointee.requests == 42)
        #expect(third.row(0).pointee.use == FARM_ROW_USED && third.row(0).pointee.retired_in == 0)
    }

    @Test func whatWasSetAtRunTimeHolds() throws {
        let world = World()
        func config(weight: UInt32, admin: UInt32) -> [FarmSpec] {
            [FarmSpec("f", [MemberSpec("a", weight: weight, admin: admin)])]
        }
        let row = try #require(world.configure(config(weight: 5, admin: 0))).row(0)
        row.pointee.weight = 50
        row.publish(row.state.with(admin: .drain))
        _ = world.configure(config(weight: 5, admin: 0))
        #expect(row.pointee.weight == 50 && row.state.admin == .drain, "the configuration says what it said")
        _ = world.configure(config(weight: 6, admin: 0))
        #expect(row.pointee.weight == 6 && row.state.admin == .drain, "each value for itself")
        _ = world.configure(config(weight: 6, admin: 2))
        #expect(row.pointee.weight == 6 && row.state.admin == .off)
        _ = world.configure(config(weight: 6, admin: 0))
        #expect(row.state.admin == .on)
    }

    /// What only the configuration sets follows it; what failures set does not.
    @Test func limitAndTierFollowTheConfiguration() throws {
        let world = World()
        let row = try #require(world.configure([FarmSpec("f", [MemberSpec("a", tier: 1, maxInflight: 5)])])).row(0)
        row.publish(row.state.with(downByFailures: true))
        _ = world.configure([FarmSpec("f", [MemberSpec("a", tier: 2, maxInflight: 6)])])
        #expect((row.pointee.tier, row.pointee.max_inflight) == (2, 6))
        #expect(row.state.isDownByFailures)
    }

    @Test func everyFarmIsToldOfTheChange() throws {
        let world = World()
        let farm = farm("f", "a")
        let row = try #require(world.configure([farm])).pointee.farms[0].row
        let before = row.pointee.generation
        _ = world.configure([farm])
        #expect(row.pointee.generation > before, "a child of the old generation looks again")
    }

    private func balancedByTraffic(_ members: [MemberSpec]) -> [FarmSpec] {
        var spec = FarmSpec("f", members)
        spec.algorithm = Algorithm.traffic.rawValue
        return [spec]
    }

    private func moved(_ row: MemberRow, _ bytes: UInt64) {
        row.pointee.bytes_in = bytes
        row.pointee.requests = bytes / 1_000
    }

    /// A late joiner would draw every request of a farm that balances by bytes until it had caught up; two that join
    /// together are no measure for each other.
    @Test(arguments: [["c"], ["c", "d"], ["c", "d", "e"]]) func membersThatJoinAreCredited(_ joiners: [String]) throws {
        let world = World()
        let old = [MemberSpec("a"), MemberSpec("b")]
        let first = try #require(world.configure(balancedByTraffic(old)))
        moved(first.row(0), 1_000_000)
        moved(first.row(1), 2_000_000)
        let second = try #require(world.configure(balancedByTraffic(old + joiners.map { MemberSpec($0) })))
        for at in joiners.indices { #expect(second.row(2 + at).pointee.traffic_base == 1_000_000) }
        #expect(second.row(0).pointee.traffic_base == 0 && second.row(1).pointee.traffic_base == 0)
    }

    @Test func aMemberThatIsSwitchedOnIsCredited() throws {
        let world = World()
        let first = try #require(world.configure(balancedByTraffic([MemberSpec("a"), MemberSpec("b", admin: 2)])))
        moved(first.row(0), 1_000_000)
        let second = try #require(world.configure(balancedByTraffic([MemberSpec("a"), MemberSpec("b")])))
        #expect(second.row(1).pointee.traffic_base == 1_000_000)
    }

    // MARK: Room

    @Test func whatDoesNotFitIsSaid() throws {
        let world = World(farms: 1, members: 2, slots: 2)
        let fits = Config([farm("f", "a", "b")])
        #expect(world.tables.pointee.missing(fits.pointer.pointee) == (0, 0))
        let wide = Config([farm("f", "a", "b", "c", "d")])
        #expect(world.tables.pointee.missing(wide.pointer.pointee) == (0, 2))
        let two = Config([farm("f", "a"), farm("g", "b")])
        #expect(world.tables.pointee.missing(two.pointer.pointee).farms == 1)
        #expect(world.configure([farm("f", "a", "b", "c")]) == nil)
        #expect(world.generation == 0, "what did not fit changed nothing")
    }

    @Test func growingAddsRowsAndMovesNone() throws {
        let world = World(farms: 1, members: 2, slots: 2)
        let first = try #require(world.configure([farm("f", "a", "b")]))
        for at in 0..<2 { mark(first.row(at), UInt64(at + 1)) }
        #expect(world.grow(farms: 2, members: 20) == 0)
        let second = try #require(world.configure([farm("f", "x", "b", "a", "y"), farm("g", "a", "b")]))
        #expect((0..<6).map { second.row($0).pointee.requests } == [0, 2, 1, 0, 0, 0])
        #expect(second.row(1) == first.row(1) && second.row(2) == first.row(0))
        #expect(world.tables.pointee.blockCount == 2)
        // In flight at a member of the new block is in that block's part of the ledger.
        #expect(second.start(pid: 7))
        var request = farm_request()
        request.farm = 1
        #expect(second.choose(&request, now: 1))
        #expect(world.ledgerTotal() == 1)
        world.tables.pointee.processGone(pid: 7)
        #expect(world.ledgerTotal() == 0)
        #expect((0..<6).allSatisfy { second.inflight($0) == 0 })
        // And a member of a farm that lives in the second block is found again.
        mark(second.row(5), 8)
        let third = try #require(world.configure([farm("g", "b")]))
        #expect(third.row(0).pointee.requests == 8)
    }

    /// A retired row may still be in use by a child of the generation that knew it; it becomes another member's only when
    /// no such child is left.
    @Test func aRowIsUsedAgainWhenNobodyKnowsIt() throws {
        let world = World(farms: 1, members: 2, slots: 4)
        let first = try world.child([farm("f", "a", "b")], pid: 100)
        mark(first.row(1), 9)
        let second = try world.child([farm("f", "a")], pid: 200)
        #expect(world.configure([farm("f", "a", "c")]) == nil, "the first generation still lives")
        _ = try #require(world.configure([farm("f", "a")]))
        #expect(world.configure([farm("f", "a", "c")]) == nil, "however many restarts there are")
        #expect(first.row(1).pointee.requests == 9)
        world.tables.pointee.processGone(pid: 100)
        _ = try #require(world.configure([farm("f", "a")]))
        let last = try #require(world.configure([farm("f", "a", "c")]))
        #expect(last.row(1) == first.row(1))
        #expect(last.row(1).pointee.requests == 0 && last.row(1).pointee.latency_buckets.7 == 0)
        #expect(String(cString: farm_member_row_name(last.row(1))) == "c")
        _ = second
    }

    @Test func aFarmsRowIsUsedAgainToo() throws {
        let world = World(farms: 1, members: 4, slots: 2)
        let first = try #require(world.configure([farm("f", "a")]))
        first.pointee.farms[0].row.pointee.requests = 5
        #expect(world.configure([farm("g", "a")]) == nil)
        for _ in 0..<2 { _ = try #require(world.configure([])) }
        let second = try #require(world.configure([farm("g", "a")]))
        #expect(second.pointee.farms[0].row.pointee.requests == 0)
        #expect(String(cString: farm_row_name(second.pointee.farms[0].row)) == "g")
    }

    /// The generation that a child belongs to is that of the configuration it was made with, also when it gets round to
    /// saying so after the parent has read the next one.
    @Test func aSlowChildIsOfItsOwnGeneration() throws {
        let world = World(farms: 1, members: 2, slots: 4)
        let first = try #require(world.configure([farm("f", "a", "b")]))
        _ = try #require(world.configure([farm("f", "a")]))
        #expect(first.start(pid: 100))
        #expect(world.tables.pointee.generationsInUse() == [1])
    }

    /// A row is held back by the processes that know it, and by no others: an old one that lives long knows what there was at
    /// its time, one from the middle what there was then, and all that came and went between and after them is used again.
    @Test func oldProcessesHoldBackWhatTheyKnow() throws {
        let world = World(farms: 4, members: 24, slots: 8)
        func next(_ round: Int) -> [FarmSpec] { [FarmSpec("f", (0..<4).map { MemberSpec("m\(round)-\($0)") })] }
        func restart(_ round: Int) throws -> UnsafeMutablePointer<Engine> {
            try #require(world.configureWithRoom(next(round)))
        }
        let oldest = try restart(0)
        #expect(oldest.start(pid: 100))
        for at in 0..<4 { mark(oldest.row(at), 77) }
        var middle: UnsafeMutablePointer<Engine>?
        var before: UnsafeMutablePointer<Engine>?
        for round in 1..<200 {
            let engine = try restart(round)
            for at in 0..<4 {
                #expect(engine.row(at).pointee.requests == 0, "a row that nobody else has: round \(round)")
                engine.row(at).pointee.requests = 5
            }
            if round == 100 {
                middle = engine
                #expect(engine.start(pid: 200))
                for at in 0..<4 { mark(engine.row(at), 88) }
            } else {
                #expect(engine.start(pid: UInt32(1000 + round)))
                if round > 1 && round != 101 { world.tables.pointee.processGone(pid: UInt32(1000 + round - 1)) }
                before = engine
            }
        }
        #expect(world.tables.pointee.blockCount == 1)
        for at in 0..<4 {
            #expect(oldest.row(at).pointee.requests == 77)
            #expect(try #require(middle).row(at).pointee.requests == 88)
        }
        _ = before
        // When they end, theirs are used too.
        world.tables.pointee.processGone(pid: 100)
        world.tables.pointee.processGone(pid: 200)
        for round in 200..<203 { _ = try restart(round) }
        #expect(oldest.row(0).pointee.use == FARM_ROW_FREE || oldest.row(0).pointee.requests != 77)
    }

    /// Where every process of each restart lives on, rows cannot be used again: blocks grow with what there is, so that they
    /// stay few.
    @Test func blocksGrowWithTheTables() throws {
        let world = World(farms: 1, members: 16, slots: 256)
        for round in 0..<200 {
            let next = [FarmSpec("f", (0..<16).map { MemberSpec("m\(round)-\($0)") })]
            #expect(try #require(world.configureWithRoom(next)).start(pid: UInt32(round + 1)))
        }
        #expect(world.tables.pointee.blockCount < 24)
    }

    /// A process that has claimed its slot and not set its number may be of any configuration.
    @Test func aProcessThatHasNotSaidHoldsBackAll() throws {
        let world = World(farms: 1, members: 2, slots: 4)
        _ = try #require(world.configure([farm("f", "a", "b")]))
        world.tables.pointee.first.slot(0).pointee.pid = 7
        for _ in 0..<3 { _ = try #require(world.configure([farm("f", "a")])) }
        #expect(world.configure([farm("f", "a", "c")]) == nil)
        world.tables.pointee.first.slot(0).pointee.config_generation = world.generation
        _ = try #require(world.configure([farm("f", "a")]))
        #expect(world.configure([farm("f", "a", "c")]) != nil)
    }

    /// Many restarts in which everything is new each time: rows are found without end.
    @Test func restartsWithoutEnd() throws {
        let world = World(farms: 6, members: 24, slots: 4)
        var names: Set<MemberRow> = []
        for round in 0..<60 {
            let engine = try #require(
                world.configure([farm("f\(round)", "a\(round)", "b\(round)"), farm("stays", "s")]))
            engine.row(2).pointee.requests += 1
            #expect(engine.row(2).pointee.requests == UInt64(round + 1))
            #expect(engine.row(0).pointee.requests == 0)
            engine.row(0).pointee.requests = 5
            names.insert(engine.row(0))
            if round > 0 { world.tables.pointee.processGone(pid: UInt32(round)) }
            #expect(engine.start(pid: UInt32(round + 1)))
        }
        #expect(names.count < 12)
        #expect(world.tables.pointee.blockCount == 1)
    }
}
