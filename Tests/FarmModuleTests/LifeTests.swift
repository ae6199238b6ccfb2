import CFarmABI
import FarmTestSupport
import Testing

@Suite struct LifeTests {
    private let config = [FarmSpec("app", [MemberSpec("a"), MemberSpec("b")]), FarmSpec("gold", [MemberSpec("a")])]

    @Test(arguments: [FARM_LOCKS_ROW, FARM_LOCKS_FARM, FARM_LOCKS_ENGINE]) func aNormalLife(_ locks: UInt32) throws {
        let abi = try Abi(config, granularity: locks)
        #expect(farm_on_tables_granularity(abi.tables) == locks)
        #expect(abi.find("app") == 0 && abi.find("GOLD") == 1 && abi.find("silver") == FARM_NONE)
        var request = farm_request()
        request.farm = abi.find("gold")
        request.flags = FARM_REQUEST_IDEMPOTENT
        #expect(farm_on_choose(abi.engine, &request, 1_000_000) == 1)
        #expect(request.member == 2, "numbered over all farms")
        #expect(farm_on_answer(abi.engine, &request, 200, 1, 1_005_000) == 1)
        let saw = FARM_SAW_SENT | FARM_SAW_ANSWER
        #expect(farm_on_end(abi.engine, &request, saw, 1, 10, 20) == 0)
        #expect(abi.condition(1) == 0)
        farm_on_child_gone(abi.tables, 1)
    }

    /// A failure, another member, an answer; then both down, and the farm with them.
    @Test func failover() throws {
        let abi = try Abi(config)
        var request = try #require(abi.chosen())
        let first = request.member
        #expect(farm_on_end(abi.engine, &request, FARM_SAW_UNREACHABLE, 1, 0, 0) == 1)
        #expect(farm_on_choose(abi.engine, &request, 2) == 1)
        #expect(request.member != first && request.attempts == 2)
        #expect(abi.condition(0) == 0)
        #expect(farm_on_end(abi.engine, &request, FARM_SAW_UNREACHABLE, 1, 0, 0) == 1)
        #expect(farm_on_choose(abi.engine, &request, 3) == 0)
        #expect(request.member == FARM_NONE)
        #expect(abi.condition(0) == 3)
    }

    /// The parent's work at a restart: asks for room, adds a block, binds, and children of both generations go on.
    @Test func aRestartThatNeedsRoom() throws {
        let abi = try Abi(config)
        var open = try #require(abi.chosen(farm: 1))
        let wide = Config([FarmSpec("gold", (0..<40).map { MemberSpec("m\($0)") } + [MemberSpec("a")])])
        let room = farm_on_tables_room(abi.tables, wide.pointer)
        #expect(room.farms_missing == 0 && room.members_missing > 0)
        #expect(farm_on_engine_create(abi.tables, wide.pointer) == nil)
        let count = farm_on_lock_count(FARM_LOCKS_ROW, 4, room.members_missing)
        let locks = Abi.pointers(abi.pool.locks(Int(count)))
        var error: Int32 = -1
        #expect(
            farm_on_tables_grow(
                abi.tables, 4, room.members_missing, UnsafeMutableRawPointer(abi.pool.handle), locks,
                count, &error) == 1)
        #expect(error == 0)
        let engine = try #require(farm_on_engine_create(abi.tables, wide.pointer))
        #expect(farm_on_child_start(engine, 2) == FARM_CHILD_SERVES)
        var request = farm_request()
        for _ in 0..<100 {
            #expect(farm_on_choose(engine, &request, 1) == 1)
            _ = farm_on_end(engine, &request, FARM_SAW_SENT | FARM_SAW_ANSWER, 1, 0, 0)
            request = farm_request()
        }
        // The old child ends its request after the restart.
        #expect(farm_on_end(abi.engine, &open, FARM_SAW_SENT | FARM_SAW_ANSWER, 1, 0, 0) == 0)
        farm_on_engine_destroy(engine)
    }

    /// What C is told of a child's beginning.
    @Test func whatAChildIsToDo() throws {
        let abi = try Abi(config, pid: nil)
        let late = abi.engine
        let engines = try (0..<2).map { _ in try #require(farm_on_engine_create(abi.tables, abi.config.pointer)) }
        #expect(farm_on_child_start(late, 1) == FARM_CHILD_LATE)
        #expect(farm_on_child_start(engines[0], 2) == FARM_CHILD_SERVES)
        #expect(farm_on_child_start(engines[1], 0) == FARM_CHILD_OUTSIDE)
        var request = farm_request()
        #expect([late, engines[1]].allSatisfy { farm_on_choose($0, &request, 1) == 0 })
        #expect(farm_on_choose(engines[0], &request, 1) == 1)
        farm_on_drop(engines[0], &request)
        for engine in engines { farm_on_engine_destroy(engine) }
    }

    @Test func algorithmsByNumberAndName() {
        var number: UInt32 = 0
        while let name = farm_on_algorithm_name(number) {
            let text = String(cString: name)
            #expect(farm_on_algorithm(name, UInt32(text.utf8.count)) == number)
            #expect(farm_on_algorithm_name(number) == name, "immortal")
            number += 1
        }
        #expect(number > 0)
        #expect(farm_on_algorithm_name(number) == nil && farm_on_algorithm_name(.max) == nil)
    }

    @Test(arguments: [("app", 1, 1), ("10.0.0.1:80", 0, 1), ("", 0, 0), ("a b", 0, 0)] as [(String, Int32, Int32)])
    func names(_ name: String, farm: Int32, member: Int32) {
        #expect(farm_on_farm_name(name, UInt32(name.utf8.count)) == farm)
        #expect(farm_on_member_name(name, UInt32(name.utf8.count)) == member)
    }
}
