import CFarmABI
import FarmTestSupport
import Testing

/// A trap in Swift would kill a child with every request in it. Whatever comes through the C functions is answered.
@Suite struct HostileTests {
    // MARK: NULL

    @Test func nullEverywhere() {
        var request = farm_request()
        var error: Int32 = 0
        let config = Config([])
        #expect(farm_on_farm_name(nil, 0) == 0 && farm_on_farm_name(nil, .max) == 0)
        #expect(farm_on_member_name(nil, 0) == 0 && farm_on_member_name(nil, .max) == 0)
        #expect(farm_on_algorithm(nil, 0) == FARM_NONE && farm_on_algorithm(nil, .max) == FARM_NONE)
        #expect(farm_on_tables_create(nil, nil, 0, nil, 0, &error) == nil)
        #expect(farm_on_tables_create(config.pointer, nil, 0, nil, 0, &error) == nil && error != 0)
        #expect(farm_on_tables_create(config.pointer, nil, 0, nil, 0, nil) == nil)
        let room = farm_on_tables_room(nil, config.pointer)
        #expect(room.farms_missing == 0 && room.members_missing == 0)
        #expect(farm_on_tables_grow(nil, 1, 1, nil, nil, 0, &error) == 0)
        #expect(farm_on_tables_granularity(nil) == FARM_NONE)
        #expect(farm_on_engine_create(nil, config.pointer) == nil)
        farm_on_engine_destroy(nil)
        #expect(farm_on_child_start(nil, 1) == FARM_CHILD_OUTSIDE)
        farm_on_child_gone(nil, 1)
        farm_on_sweep(nil)
        #expect(farm_on_find_farm(nil, "app", 3) == FARM_NONE)
        #expect(farm_on_choose(nil, &request, 1) == 0)
        #expect(farm_on_condition(nil, nil) == 3)
        #expect(farm_on_trial_due(nil, nil, 0) == 0)
        #expect(farm_on_answer(nil, &request, 200, 1, 1) == 1, "what is not ours is passed on")
        #expect(farm_on_end(nil, &request, FARM_SAW_SENT, 1, 1, 1) == 0)
        farm_on_drop(nil, &request)
        farm_on_status(nil, FARM_STATUS_JSON, nil, nil)
        #expect(farm_on_algorithm_wants_key(.max) == 0)
        var column: UInt32 = 0
        #expect(farm_on_formula(nil, 5, &column) != nil && column == 1)
        #expect(farm_on_formula(nil, 0, nil) != nil)
        #expect(farm_on_metric_count(nil) == 0)
        #expect(farm_on_tables_metrics(nil) == 0)
        farm_on_key(nil, "k", 1)
        farm_on_key(&request, nil, 1)
        farm_on_key(&request, "", 0)
        #expect(request.flags & FARM_REQUEST_KEYED == 0)
        farm_on_update(nil, nil, 0, nil, nil)
        farm_on_report(nil, &request, "cpu=1", 5)
        farm_on_balance(nil, nil, 0, nil, nil)
    }

    @Test func nullBesideWhatIsThere() throws {
        let abi = try Abi([FarmSpec("app", [MemberSpec("a")])])
        var error: Int32 = 0
        #expect(farm_on_tables_grow(abi.tables, 1, 1, UnsafeMutableRawPointer(abi.pool.handle), nil, 1, &error) == 0)
        #expect(error != 0)
        #expect(farm_on_tables_grow(abi.tables, 1, 1, nil, [nil], 1, &error) == 0)
        #expect(farm_on_tables_grow(abi.tables, 1, 1, UnsafeMutableRawPointer(abi.pool.handle), [nil], 1, &error) == 0)
        #expect(farm_on_tables_grow(abi.tables, 1, 1, UnsafeMutableRawPointer(abi.pool.handle), [nil], 1, nil) == 0)
        let room = farm_on_tables_room(abi.tables, nil)
        #expect(room.farms_missing == 0 && room.members_missing == 0)
        #expect(farm_on_engine_create(abi.tables, nil) == nil)
        #expect(farm_on_find_farm(abi.engine, nil, 0) == FARM_NONE)
        #expect(farm_on_find_farm(abi.engine, nil, .max) == FARM_NONE)
        #expect(farm_on_choose(abi.engine, nil, 1) == 0)
        #expect(farm_on_answer(abi.engine, nil, 200, 1, 1) == 1)
        #expect(farm_on_end(abi.engine, nil, 0, 0, 0, 0) == 0)
        farm_on_drop(abi.engine, nil)
        farm_on_status(abi.engine, FARM_STATUS_JSON, nil, nil)
        let output = Output()
        farm_on_update(abi.engine, nil, .max, nil, output.handle)
        #expect(output.status == 400)
        farm_on_report(abi.engine, nil, "cpu=1", 5)
        farm_on_balance(abi.engine, nil, .max, nil, output.handle)
        #expect(output.status == 400)
    }

    // MARK: Numbers out of range

    static let numbers: [UInt32] = [0, 1, 2, 3, 15, 16, 17, 0x7FFF_FFFF, 0x8000_0000, .max - 1, .max]

    /// Requests whose every field is whatever a broken caller may leave there. They hold no place, so they may take none
    /// away; what they take they give back.
    @Test func requestsThatNobodyMade() throws {
        let abi = try Abi([FarmSpec("app", [MemberSpec("a"), MemberSpec("b")]), FarmSpec("empty", [])])
        var numbers = Numbers(4)
        for _ in 0..<20_000 {
            var request = farm_request()
            request.farm = Self.numbers.randomElement(using: &numbers)!
            request.member = Self.numbers.randomElement(using: &numbers)!
            request.attempts = Self.numbers.randomElement(using: &numbers)!
            request.status = Self.numbers.randomElement(using: &numbers)!
            request.chosen_at = numbers.next()
            request.flags = UInt32(truncatingIfNeeded: numbers.next()) & ~FARM_REQUEST_OPEN
            withUnsafeMutableBytes(of: &request.tried) { tried in
                for at in tried.indices { tried[at] = UInt8(truncatingIfNeeded: numbers.next()) }
            }
            let now = numbers.next() % 3 == 0 ? numbers.next() : 5
            let chosen = farm_on_choose(abi.engine, &request, now)
            #expect(chosen == 0 || request.member < 2)
            #expect(
                (0...1).contains(
                    farm_on_answer(abi.engine, &request, UInt32(truncatingIfNeeded: numbers.next()), 1, now)))
            #expect(
                (0...1).contains(farm_on_end(abi.engine, &request, UInt32(truncatingIfNeeded: numbers.next()), 1, 1, 1))
            )
            farm_on_drop(abi.engine, &request)
        }
        #expect(try inflight(abi) == [0, 0])
    }

    /// An open request whose farm or member is no longer what it was: nothing is found, nothing is charged.
    @Test func openRequestsThatPointElsewhere() throws {
        let abi = try Abi([FarmSpec("app", [MemberSpec("a"), MemberSpec("b")]), FarmSpec("empty", [])])
        for farm in Self.numbers {
            for member in Self.numbers where farm > 0 || member > 1 {
                var request = farm_request()
                request.farm = farm
                request.member = member
                request.flags = FARM_REQUEST_OPEN
                #expect(farm_on_answer(abi.engine, &request, 503, 1, 1) == 1)
                #expect(farm_on_end(abi.engine, &request, FARM_SAW_BREAK, 1, 1, 1) == 0)
                farm_on_drop(abi.engine, &request)
                #expect(farm_on_choose(abi.engine, &request, 1) == 0)
            }
        }
        #expect(try inflight(abi) == [0, 0])
    }

    @Test func farmsThatAreNot() throws {
        let abi = try Abi([FarmSpec("app", [MemberSpec("a")]), FarmSpec("empty", [])])
        for farm in Self.numbers {
            #expect(abi.condition(farm) == (farm == 0 ? 0 : 3))
            if farm > 0 { #expect(abi.chosen(farm: farm) == nil) }
        }
        for length in Self.numbers where length <= 3 {
            _ = "abc".withCString { farm_on_find_farm(abi.engine, $0, length) }
        }
        let host = [CChar](repeating: -1, count: 70_000)
        #expect(farm_on_find_farm(abi.engine, host, 70_000) == FARM_NONE)
        #expect(farm_on_farm_name(host, 70_000) == 0 && farm_on_member_name(host, 70_000) == 0)
        #expect(farm_on_algorithm(host, 70_000) == FARM_NONE)
    }

    @Test func locksThatDoNotMatch() {
        let pool = Pool()
        let config = Config([FarmSpec("f", [MemberSpec("a")])])
        let locks = Abi.pointers(pool.locks(16))
        var error: Int32 = 0
        for count: UInt32 in [0, 1, 15, 16] {
            error = 0
            let handle = UnsafeMutableRawPointer(pool.handle)
            #expect(farm_on_tables_create(config.pointer, handle, FARM_LOCKS_ROW, locks, count, &error) == nil)
            #expect(error != 0)
        }
    }

    @Test func granularitiesThatAreNot() {
        for granularity in Self.numbers {
            #expect(farm_on_lock_count(granularity, 4, 16) == [17, 5, 1, 17][Int(min(3, granularity))])
            #expect(farm_on_lock_count(granularity, 0, 0) == 1)
        }
        #expect(farm_on_lock_count(FARM_LOCKS_ROW, .max, .max) == .max)
    }

    @Test func processesThatAreNot() throws {
        let abi = try Abi([FarmSpec("app", [MemberSpec("a")])])
        for pid in Self.numbers where pid != 1 { farm_on_child_gone(abi.tables, pid) }
        #expect(abi.chosen() != nil, "the child that is there serves on")
        #expect(try inflight(abi) == [1])
    }

    // MARK: Configurations that no shim would hand over. In a process of their own, for a trap takes it along.

    /// An attempt that is open, and a count of attempts that no array holds.
    @Test func attemptsThatNobodyMade() async {
        await #expect(processExitsWith: .success) {
            var spec = FarmSpec("f", [MemberSpec("a"), MemberSpec("b")])
            spec.fall = .max
            guard let abi = try? Abi([spec]) else { return }
            for attempts: UInt32 in [0, 17, 1 << 20, .max] {
                for saw: UInt32 in 0..<512 {
                    guard var request = abi.chosen() else { preconditionFailure("it never goes down") }
                    request.attempts = attempts
                    _ = farm_on_answer(abi.engine, &request, 503, 1, 1)
                    _ = farm_on_end(abi.engine, &request, saw, 1, 0, 0)
                }
            }
        }
    }

    @Test func aFarmWhoseMembersAreNotThere() async {
        await #expect(processExitsWith: .success) {
            let config = Config([FarmSpec("f", [MemberSpec("a")])])
            let pool = Pool()
            guard let tables = Abi.makeTables(config, pool, FARM_LOCKS_ROW) else { return }
            for (first, count) in [(1, 1), (0, 2), (.max, 1), (1, .max), (.max, .max)] as [(UInt32, UInt32)] {
                config.changeFarm(0) {
                    $0.first_member = first
                    $0.member_count = count
                }
                _ = farm_on_tables_room(tables, config.pointer)
                precondition(farm_on_engine_create(tables, config.pointer) == nil)
            }
        }
    }

    @Test func capacitiesThatOverflow() async {
        await #expect(processExitsWith: .success) {
            let config = Config([FarmSpec("f", [MemberSpec("a")])])
            let pool = Pool()
            let locks = Abi.pointers(pool.locks(1))
            var error: Int32 = 0
            for (farms, members, slots) in [(4, .max, .max), (.max, .max, .max), (4, 4, .max)]
                as [(UInt32, UInt32, UInt32)]
            {
                config.pointer.pointee.farm_capacity = farms
                config.pointer.pointee.member_capacity = members
                config.pointer.pointee.slot_capacity = slots
                let handle = UnsafeMutableRawPointer(pool.handle)
                _ = farm_on_tables_create(config.pointer, handle, FARM_LOCKS_ENGINE, locks, 1, &error)
            }
        }
    }

    @Test func valuesOutOfTheirRange() async {
        await #expect(processExitsWith: .success) {
            for value: UInt32 in [0, 0x7FFF_FFFF, .max] {
                var spec = FarmSpec(
                    "f",
                    [
                        MemberSpec("a", weight: value, tier: value, admin: value, maxInflight: value),
                        MemberSpec("b", weight: value),
                    ])
                spec.algorithm = value
                spec.maxAttempts = value
                spec.fall = value
                spec.retry = UInt64(value) << 32
                guard let abi = try? Abi([spec]) else { continue }
                for _ in 0..<100 {
                    var request = farm_request()
                    while farm_on_choose(abi.engine, &request, 1) == 1,
                        farm_on_end(abi.engine, &request, FARM_SAW_UNREACHABLE, 1, 0, 0) == 1
                    {}
                }
                _ = abi.status()
            }
        }
    }

    private func inflight(_ abi: Abi) throws -> [Int] {
        let status = try StatusTests.parse(abi.status())
        let farms = try #require(status["farms"] as? [[String: Any]])
        let members = try #require(farms[0]["members"] as? [[String: Any]])
        return members.map { $0["inflight"] as? Int ?? -1 }
    }
}
