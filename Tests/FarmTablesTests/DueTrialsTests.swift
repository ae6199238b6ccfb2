import CFarm
import CFarmABI
import FarmCore
import FarmTestSupport
import Testing

@testable import FarmTables

/// Who may try a member that is down: only a request whose body, if it has one, has been read.
@Suite struct DueTrialsTests {
    private let second: UInt64 = 1_000_000

    /// Puts a member of farm 0 down at a time, by a request that could not reach it.
    private func putDown(_ engine: UnsafeMutablePointer<Engine>, now: UInt64) throws {
        var request = try #require(engine.chosen(now: now))
        _ = engine.end(&request, saw: [.unreachable], mayResend: true, bytesIn: 0, bytesOut: 0, now: now)
    }

    private func request(_ flags: UInt32) -> farm_request {
        var request = farm_request()
        request.flags = flags
        return request
    }

    @Test(arguments: [0, FARM_REQUEST_IDEMPOTENT])
    func aBodyThatWasNotReadTriesNobody(flags: UInt32) throws {
        let world = World()
        let engine = try world.child([farm("f", "a", "b")], pid: 1)
        try putDown(engine, now: second)
        let down = engine.row(0).state.isUp ? 1 : 0
        // So long after that a trial is due for every request.
        let later = 1_000 * second
        for _ in 0..<20 {
            var unread = request(flags)
            #expect(engine.choose(&unread, now: later))
            #expect(unread.member == UInt32(1 - down))
            #expect(unread.flags & FARM_REQUEST_TRIAL == 0)
            engine.drop(&unread)
        }
        var read = request(FARM_REQUEST_IDEMPOTENT | FARM_REQUEST_BODY_READY)
        #expect(engine.choose(&read, now: later))
        #expect(read.member == UInt32(down))
        #expect(read.flags & FARM_REQUEST_TRIAL != 0)
    }

    /// Nor where nobody else is there: it gets no member, until its body has been read.
    @Test(arguments: [0, FARM_REQUEST_IDEMPOTENT])
    func norWhenNobodyIsAvailable(flags: UInt32) throws {
        let world = World()
        let engine = try world.child([farm("f", "a")], pid: 1)
        try putDown(engine, now: second)
        let later = 1_000 * second
        var request = request(flags)
        #expect(!engine.choose(&request, now: later))
        #expect(engine.pointee.condition(of: request) == .down)
        request.flags |= FARM_REQUEST_BODY_READY
        #expect(engine.choose(&request, now: later))
        #expect(request.flags & FARM_REQUEST_TRIAL != 0)
        #expect(engine.pointee.farms[0].row.pointee.requests == 2, "one request, though it was chosen twice")
    }

    @Test func whenATrialIsDue() throws {
        let world = World()
        let engine = try world.child([farm("f", "a", "b")], pid: 1)
        var unread = request(0)
        #expect(!engine.trialIsDue(&unread, now: second))
        try putDown(engine, now: second)
        #expect(!engine.trialIsDue(&unread, now: second))
        let later = 1_000 * second
        #expect(engine.trialIsDue(&unread, now: later))
        var trial = request(FARM_REQUEST_IDEMPOTENT | FARM_REQUEST_BODY_READY)
        #expect(engine.choose(&trial, now: later))
        #expect(!engine.trialIsDue(&unread, now: later), "somebody has it")
        unread.farm = 7
        #expect(!engine.trialIsDue(&unread, now: later), "no such farm")
    }
}
