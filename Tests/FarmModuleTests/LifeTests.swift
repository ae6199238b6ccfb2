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
        request.flags = FARM_REQUEST_IDEMPOTENT | FARM_REQUEST_BODY_READY
        #expect(farm_on_choose(abi.engine, &request, 1_000_000) == 1)
        #expect(farm_on_connect_limit(abi.engine, &request) == 0, "it is no trial")
        farm_on_connected(abi.engine, &request)
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

    /// A breaks the request and B answers it: A is down. Then B breaks what A cannot answer either: nobody is to blame.
    @Test func blame() throws {
        let abi = try Abi(config)
        var request = try #require(abi.chosen())
        let (saw, answer) = (FARM_SAW_SENT | FARM_SAW_BREAK, FARM_SAW_SENT | FARM_SAW_ANSWER)
        #expect(farm_on_end(abi.engine, &request, saw, 1, 0, 0) == 1)
        #expect(request.broken == 1)
        #expect(farm_on_choose(abi.engine, &request, 2) == 1)
        #expect(farm_on_answer(abi.engine, &request, 200, 1, 3) == 1)
        #expect(request.broken == 0)
        #expect(farm_on_end(abi.engine, &request, answer, 1, 0, 0) == 0)
        let other = try Abi(config)
        var suspect = try #require(other.chosen())
        #expect(farm_on_end(other.engine, &suspect, saw, 1, 0, 0) == 1)
        #expect(farm_on_choose(other.engine, &suspect, 2) == 1)
        #expect(farm_on_end(other.engine, &suspect, saw | FARM_SAW_NO_HTTP, 1, 0, 0) == 0)
        #expect(suspect.flags & FARM_REQUEST_SUSPECT != 0 && suspect.broken == 0)
        #expect(abi.available(2) == 1 && other.available(2) == 2)
    }

    /// A farm whose members were all away: each is tried after `recover`, by a request without a body or with one that has
    /// been read, and has the time that it may take to connect.
    @Test func recovery() throws {
        var spec = FarmSpec("app", [MemberSpec("a"), MemberSpec("b")])
        spec.recover = 400_000
        let abi = try Abi([spec])
        func request(_ flags: UInt32, now: UInt64) -> farm_request? {
            var request = farm_request()
            request.flags = flags
            return farm_on_choose(abi.engine, &request, now) == 1 ? request : nil
        }
        HostClock.$now.withValue(1_000_000) {
            for _ in 0..<2 {
                var first = request(FARM_REQUEST_BODY_READY, now: 1_000_000)!
                _ = farm_on_end(abi.engine, &first, FARM_SAW_UNREACHABLE, 0, 0, 0)
            }
        }
        #expect(abi.condition(0) == 3)
        #expect(request(FARM_REQUEST_BODY_READY, now: 1_399_999) == nil)
        #expect(request(FARM_REQUEST_IDEMPOTENT, now: 1_400_000) == nil, "its body has not been read")
        var trial = try #require(request(FARM_REQUEST_BODY_READY, now: 1_400_000))
        #expect(trial.flags & FARM_REQUEST_TRIAL != 0 && trial.flags & FARM_REQUEST_STRANDED != 0)
        #expect(farm_on_connect_limit(abi.engine, &trial) == 1_600_000)
        let other = try #require(request(FARM_REQUEST_BODY_READY, now: 1_400_000))
        #expect(other.member != trial.member)
        #expect(request(FARM_REQUEST_BODY_READY, now: 2_900_000) == nil, "neither has connected")
        farm_on_connected(abi.engine, &trial)
        #expect(request(FARM_REQUEST_BODY_READY, now: 2_900_000)?.member == trial.member)
        #expect(farm_on_answer(abi.engine, &trial, 200, 1, 3_000_000) == 1)
        #expect(abi.condition(0) == 0)
        #expect(farm_on_end(abi.engine, &trial, FARM_SAW_SENT | FARM_SAW_ANSWER, 1, 0, 0) == 0)
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
