import CFarm
import CFarmABI
import FarmCore
import FarmTestSupport
import Testing

@testable import FarmTables

/// A request from its first choice to its end, on one thread.
@Suite struct RequestLifeTests {
    private let second: UInt64 = 1_000_000

    @Test func aGoodRequest() throws {
        let world = World()
        let engine = try world.child([farm("other", "x"), farm("f", "a")], pid: 1)
        var request = farm_request()
        request.farm = 1
        request.addressed = 1
        #expect(engine.choose(&request, now: 5 * second))
        #expect((request.member, request.attempts, request.chosen_at) == (1, 1, 5 * second))
        #expect(request.flags == FARM_REQUEST_OPEN | FARM_REQUEST_COUNTED)
        #expect(engine.inflight(1) == 1)
        #expect(engine.answered(&request, status: 200, mayResend: true, now: 5 * second + 2_000))
        #expect(
            !engine.end(&request, saw: [.answer, .sent], mayResend: true, bytesIn: 700, bytesOut: 300, now: 6 * second))
        let row = engine.row(1).pointee
        #expect((row.inflight, row.requests, row.errors, row.bytes_in, row.bytes_out) == (0, 1, 0, 700, 300))
        #expect(Experience.latency(engine.row(1)) == 2_000)
        #expect(engine.pointee.farms[1].row.pointee.requests == 1)
        #expect(engine.pointee.farms[0].row.pointee.requests == 0)
        #expect(world.ledgerTotal() == 0)
    }

    /// Two members that cannot be reached and a third: three attempts, one request, two failovers.
    @Test func aRequestGoesOn() throws {
        let world = World()
        let engine = try world.child([farm("f", "a", "b", "c")], pid: 1)
        var request = farm_request()
        for attempt: UInt32 in 1...3 {
            #expect(engine.choose(&request, now: second))
            #expect(request.attempts == attempt)
            let last = attempt == 3
            if last { _ = engine.answered(&request, status: 200, mayResend: true, now: second) }
            let again = engine.end(
                &request, saw: last ? [.answer, .sent] : [.unreachable], mayResend: true, bytesIn: 0,
                bytesOut: 0, now: second)
            #expect(again == !last)
        }
        #expect(Set([request.tried.0, request.tried.1, request.tried.2]) == [0, 1, 2], "never the same one twice")
        let row = engine.pointee.farms[0].row.pointee
        #expect((row.requests, row.failovers) == (1, 2))
        #expect((0..<3).reduce(0) { $0 + engine.row($1).pointee.errors } == 2)
        #expect((0..<3).count { engine.row($0).state.isDownByFailures } == 2)
        #expect((0..<3).allSatisfy { engine.inflight($0) == 0 })
    }

    @Test func attemptsEnd() throws {
        let world = World()
        let engine = try world.child([farm("f", "a", "b", "c", "d") { $0.maxAttempts = 2 }], pid: 1)
        var request = farm_request()
        var ends: [Bool] = []
        for _ in 0..<2 {
            #expect(engine.choose(&request, now: 1))
            ends.append(engine.end(&request, saw: .unreachable, mayResend: true, bytesIn: 0, bytesOut: 0, now: 1))
        }
        #expect(ends == [true, false])
    }

    /// A failing status is held back while another member may answer, and passed on when none may.
    @Test(arguments: [
        (true, true, true), (true, false, false), (false, true, false), (false, false, false),
    ]) func aFailingStatusIsHeldBack(idempotent: Bool, mayResend: Bool, held: Bool) throws {
        let world = World()
        let engine = try world.child([farm("f", "a", "b") { $0.failOnStatus = [503] }], pid: 1)
        var request = try #require(engine.chosen(idempotent: idempotent))
        #expect(engine.answered(&request, status: 503, mayResend: mayResend, now: 100) == !held)
        let again = engine.end(
            &request, saw: held ? [.held, .sent] : [.answer, .sent], mayResend: mayResend, bytesIn: 0,
            bytesOut: 0, now: 100)
        #expect(again == held)
        let member = Int(request.member)
        #expect(engine.row(member).pointee.errors == 1)
        #expect(engine.row(member).state.isUp, "nobody has answered yet")
        #expect(engine.row(member).pointee.doubts == (held ? 0 : 1), "nobody will")
        guard held else { return }
        #expect(engine.choose(&request, now: 100))
        #expect(engine.answered(&request, status: 200, mayResend: true, now: 100))
        #expect(engine.row(member).state.isDownByFailures, "another member has answered")
        _ = engine.end(&request, saw: [.answer, .sent], mayResend: true, bytesIn: 0, bytesOut: 0, now: 100)
        #expect(engine.row(member).pointee.doubts == 0)
    }

    @Test func anotherErrorIsPassedOn() throws {
        let world = World()
        let engine = try world.child([farm("f", "a") { $0.failOnStatus = [503] }], pid: 1)
        var request = try #require(engine.chosen())
        #expect(engine.answered(&request, status: 500, mayResend: true, now: 100))
        _ = engine.end(&request, saw: [.answer, .sent], mayResend: true, bytesIn: 0, bytesOut: 0, now: 100)
        #expect(engine.row(0).state.isAvailable)
        #expect(engine.row(0).pointee.errors == 0)
        #expect(engine.row(0).pointee.failure_ratio != 0, "though adaptive remembers it")
    }

    /// Goes down, is tried by one request, comes up; and the log tells each.
    @Test func downTrialUp() throws {
        let world = World()
        let engine = try world.child([farm("life", "phoenix")], pid: 1)
        var request = try #require(engine.chosen(now: second))
        _ = engine.end(&request, saw: .unreachable, mayResend: true, bytesIn: 0, bytesOut: 0, now: second)
        #expect(engine.pointee.farms[0].condition(now: 1) == .down)
        #expect(engine.chosen(now: 10 * second) == nil)
        var trial = try #require(engine.chosen(now: 11 * second))
        #expect(trial.flags & FARM_REQUEST_TRIAL != 0)
        #expect(engine.chosen(now: 11 * second) == nil)
        _ = engine.end(&trial, saw: .unreachable, mayResend: true, bytesIn: 0, bytesOut: 0, now: 12 * second)
        #expect(trial.flags & (FARM_REQUEST_TRIAL | FARM_REQUEST_OPEN) == 0)
        #expect(engine.chosen(now: 31 * second) == nil, "the wait has doubled")
        var last = try #require(engine.chosen(now: 32 * second))
        _ = engine.answered(&last, status: 200, mayResend: true, now: 32 * second)
        _ = engine.end(&last, saw: [.answer, .sent], mayResend: true, bytesIn: 0, bytesOut: 0, now: 32 * second)
        #expect(engine.pointee.farms[0].condition(now: 1) == .ok)
        #expect(engine.chosen(now: 33 * second) != nil)
        let lines = HostLog.lines(naming: "farm life: member phoenix")
        #expect(lines.map(\.number) == [101, 102, 103])
        #expect(lines.map(\.level) == [FARM_LOG_WARNING, FARM_LOG_INFO, FARM_LOG_NOTICE])
    }

    /// Who may not repeat its requests still wants its members back: with every other member available, a farm that
    /// retries connections alone, or not at all, must find out that one works again.
    @Test(
        arguments: [
            (retrySafe: false, maxAttempts: 3), (retrySafe: true, maxAttempts: 1), (retrySafe: false, maxAttempts: 1),
        ] as [(retrySafe: Bool, maxAttempts: UInt32)])
    func everyPolicyBringsAMemberBack(retrySafe: Bool, maxAttempts: UInt32) throws {
        let world = World()
        let engine = try world.child(
            [
                farm("f", "a", "b") {
                    $0.retrySafe = retrySafe
                    $0.maxAttempts = maxAttempts
                }
            ], pid: 1)
        var request = try #require(engine.chosen(now: second))
        let failed = Int(request.member)
        _ = engine.end(&request, saw: .unreachable, mayResend: true, bytesIn: 0, bytesOut: 0, now: second)
        for at: UInt64 in 1...200 where !engine.row(failed).state.isUp {
            var next = try #require(engine.chosen(now: (1 + at) * second))
            _ = engine.answered(&next, status: 200, mayResend: true, now: (1 + at) * second)
            _ = engine.end(
                &next, saw: [.answer, .sent], mayResend: true, bytesIn: 0, bytesOut: 0, now: (1 + at) * second)
        }
        #expect(engine.row(failed).state.isUp)
    }

    /// "by a request that may be repeated when `retry` has passed, by any other when `2 × retry` has"; and "only to a request
    /// without a body or whose body has been read".
    @Test func whoTriesAMemberWhen() throws {
        let world = World()
        let engine = try world.child([farm("f", "a", "b")], pid: 1)
        var request = try #require(engine.chosen(now: second))
        let failed = request.member
        _ = engine.end(&request, saw: .unreachable, mayResend: true, bytesIn: 0, bytesOut: 0, now: second)
        func tries(idempotent: Bool, bodyReady: Bool, now: UInt64) throws -> Bool {
            var request = try #require(engine.chosen(idempotent: idempotent, bodyReady: bodyReady, now: now))
            let isTrial = request.flags & FARM_REQUEST_TRIAL != 0
            #expect(isTrial == (request.member == failed))
            engine.drop(&request)
            return isTrial
        }
        for now in [11 * second - 1, 11 * second, 21 * second - 1, 21 * second, 100 * second] {
            for _ in 0..<20 { #expect(try !tries(idempotent: true, bodyReady: false, now: now)) }
        }
        for _ in 0..<20 { #expect(try !tries(idempotent: true, bodyReady: true, now: 11 * second - 1)) }
        for _ in 0..<20 { #expect(try !tries(idempotent: false, bodyReady: true, now: 21 * second - 1)) }
        #expect(try tries(idempotent: false, bodyReady: true, now: 21 * second))
        #expect(try !tries(idempotent: true, bodyReady: true, now: 31 * second - 1), "that was one")
        #expect(try tries(idempotent: true, bodyReady: true, now: 31 * second))
    }

    @Test func fallCountsInARow() throws {
        let world = World()
        let engine = try world.child([farm("f", "a") { $0.fall = 3 }], pid: 1)
        func attempt(_ saw: Evidence) throws {
            var request = try #require(engine.chosen())
            if saw.contains(.answer) { _ = engine.answered(&request, status: 200, mayResend: true, now: 2) }
            _ = engine.end(&request, saw: saw, mayResend: true, bytesIn: 0, bytesOut: 0, now: 2)
        }
        for _ in 0..<2 { try attempt(.unreachable) }
        try attempt([.answer, .sent])
        for _ in 0..<2 { try attempt(.unreachable) }
        #expect(engine.row(0).state.isUp)
        // A timeout is an error, and no step.
        try attempt([.timeout, .sent])
        #expect(engine.row(0).state.isUp)
        #expect(engine.row(0).pointee.errors == 5)
        try attempt(.unreachable)
        #expect(!engine.row(0).state.isUp)
    }

    @Test(arguments: [[.client], [.shortage], [], [.answer, .sent, .broke, .client]] as [Evidence])
    func whatIsNotTheMembersIsNotCharged(_ saw: Evidence) throws {
        let world = World()
        let engine = try world.child([farm("f", "a")], pid: 1)
        var request = try #require(engine.chosen())
        _ = engine.end(&request, saw: saw, mayResend: true, bytesIn: 5, bytesOut: 6, now: 2)
        let row = engine.row(0).pointee
        #expect((row.errors, row.fails, row.status, row.failure_ratio) == (0, 0, 0, 0))
        #expect((row.requests, row.bytes_in, row.bytes_out) == (1, 5, 6))
    }

    /// A kept connection that was closed just then: the only member there is may be asked again, on a new one.
    @Test func aStaleConnectionIsNoReasonToGoElsewhere() throws {
        let world = World()
        let engine = try world.child([farm("f", "a")], pid: 1)
        var request = try #require(engine.chosen())
        let stale: Evidence = [.broke, .sent, .stale]
        #expect(engine.end(&request, saw: stale, mayResend: true, bytesIn: 0, bytesOut: 0, now: 2))
        #expect(engine.row(0).state.isAvailable)
        #expect(engine.choose(&request, now: 2))
        #expect(request.attempts == 1 && request.member == 0)
        _ = engine.answered(&request, status: 200, mayResend: true, now: 3)
        #expect(!engine.end(&request, saw: [.answer, .sent], mayResend: true, bytesIn: 0, bytesOut: 0, now: 3))
        #expect(engine.inflight(0) == 0)
        // It begins afresh once, and what may not be repeated does not.
        var unlucky = try #require(engine.chosen())
        var attempts = 1
        while engine.end(&unlucky, saw: stale, mayResend: true, bytesIn: 0, bytesOut: 0, now: 4),
            engine.choose(&unlucky, now: 4)
        { attempts += 1 }
        #expect(attempts == 2)
        var post = try #require(engine.chosen(idempotent: false))
        #expect(!engine.end(&post, saw: stale, mayResend: true, bytesIn: 0, bytesOut: 0, now: 5))
    }

    /// Attempts are used up only where another one would have been right.
    @Test(arguments: [(true, true), (false, false)]) func usedUpIsWhatWouldHaveGoneOn(
        idempotent: Bool, expected: Bool
    ) throws {
        let world = World()
        let engine = try world.child([farm("f", "a", "b", "c", "d")], pid: 1)
        var request = try #require(engine.chosen(idempotent: idempotent))
        while engine.end(&request, saw: [.broke, .sent, .tls], mayResend: true, bytesIn: 0, bytesOut: 0, now: 2) {
            #expect(request.flags & FARM_REQUEST_USED_UP == 0)
            #expect(engine.choose(&request, now: 2))
        }
        #expect((request.flags & FARM_REQUEST_USED_UP != 0) == expected)
        #expect(request.attempts == (idempotent ? 3 : 1))
    }

    // MARK: Wrong order

    @Test func dropGivesBackOnce() throws {
        let world = World()
        let engine = try world.child([farm("f", "a")], pid: 1)
        var request = try #require(engine.chosen())
        engine.drop(&request)
        engine.drop(&request)
        #expect(engine.inflight(0) == 0)
        #expect(engine.row(0).pointee.errors == 0)
        #expect(!engine.end(&request, saw: .unreachable, mayResend: true, bytesIn: 1, bytesOut: 1, now: 1))
        #expect(engine.row(0).pointee.bytes_in == 0)
        #expect(engine.answered(&request, status: 503, mayResend: true, now: 1), "nothing to hold back")
    }

    /// A second choice while an attempt is open takes no place and loses none.
    @Test func choosingTwiceLosesNoPlace() throws {
        let world = World()
        let engine = try world.child([farm("f", "a", "b")], pid: 1)
        var request = try #require(engine.chosen())
        #expect(!engine.choose(&request, now: 2))
        engine.drop(&request)
        #expect((0..<2).allSatisfy { engine.inflight($0) == 0 })
        #expect(world.ledgerTotal() == 0)
    }

    @Test func noMoreAttemptsThanThereIsRoomToRemember() throws {
        let world = World(members: 32)
        let members = (0..<20).map { MemberSpec("m\($0)") }
        var spec = FarmSpec("f", members)
        spec.maxAttempts = 1_000
        let engine = try world.child([spec], pid: 1)
        var request = farm_request()
        var attempts = 0
        while engine.choose(&request, now: 1) {
            attempts += 1
            if !engine.end(&request, saw: .unreachable, mayResend: true, bytesIn: 0, bytesOut: 0, now: 1) { break }
        }
        #expect(attempts == Int(FARM_MOST_ATTEMPTS))
        #expect((0..<20).allSatisfy { engine.inflight($0) == 0 })
    }
}
