import CFarm
import CFarmABI
import FarmCore
import FarmTestSupport
import Testing

@testable import FarmTables

/// Whose fault a request was that did not go well: whole requests, by what the members do to them.
@Suite struct BlameTests {
    private static let second: UInt64 = 1_000_000
    private var second: UInt64 { Self.second }
    private let world = World()

    /// What a member does with an attempt.
    enum Act: Sendable {
        case answers, answers500, answers503, switches, cuts, closes, sendsNoHTTP, failsTLS, breaksBody, timesOut,
            refuses, isStale

        var saw: Evidence {
            switch self {
            case .answers, .answers500, .answers503, .switches: [.answer, .sent]
            case .cuts: [.answer, .sent, .broke]
            case .closes: [.broke, .sent]
            case .sendsNoHTTP: [.broke, .sent, .noHTTP]
            case .failsTLS: [.broke, .tls]
            case .breaksBody: [.broke, .sent, .writingBody]
            case .timesOut: [.timeout, .sent]
            case .refuses: [.unreachable]
            case .isStale: [.broke, .sent, .stale]
            }
        }

        var status: UInt32? {
            switch self {
            case .answers, .cuts: 200
            case .answers500: 500
            case .answers503: 503
            case .switches: 101
            default: nil
            }
        }
    }

    /// A farm of which each member is asked in its turn: each has a tier of its own.
    private func engine(_ count: Int, change: (inout FarmSpec) -> Void = { _ in }) throws -> UnsafeMutablePointer<
        Engine
    > {
        var spec = FarmSpec("f", (0..<count).map { MemberSpec("m\($0)", tier: UInt32($0)) })
        spec.failOnStatus = [503]
        change(&spec)
        return try world.child([spec], pid: 1)
    }

    /// One attempt from its choice to its end; whether the request goes on, or nil when nobody is chosen.
    private func attempt(
        _ engine: UnsafeMutablePointer<Engine>, _ request: inout farm_request, now: UInt64, _ acts: (Int) -> Act
    ) -> Bool? {
        HostClock.$now.withValue(now) {
            guard engine.choose(&request, now: now) else { return nil }
            let act = acts(Int(request.member))
            var saw = act.saw
            if let status = act.status, !engine.answered(&request, status: status, mayResend: true, now: now) {
                saw = [.held, .sent]
            }
            return engine.end(&request, saw: saw, mayResend: true, bytesIn: 0, bytesOut: 0)
        }
    }

    /// A request from its first choice to its end: who was asked, in this order.
    @discardableResult
    private func serve(
        _ engine: UnsafeMutablePointer<Engine>, post: Bool = false, now: UInt64 = Self.second, _ acts: (Int) -> Act
    ) -> (asked: [Int], request: farm_request) {
        var request = farm_request()
        request.flags = FARM_REQUEST_BODY_READY | (post ? 0 : FARM_REQUEST_IDEMPOTENT)
        var asked: [Int] = []
        while let again = attempt(engine, &request, now: now, acts) {
            asked.append(Int(request.member))
            if !again { break }
        }
        #expect(request.broken == 0, "whoever broke it has been charged")
        #expect((0..<engine.pointee.farms[0].members.count).allSatisfy { engine.inflight($0) == 0 })
        return (asked, request)
    }

    private func fails(_ engine: UnsafeMutablePointer<Engine>, _ at: Int) -> UInt32 { engine.row(at).pointee.fails }
    private func doubts(_ engine: UnsafeMutablePointer<Engine>, _ at: Int) -> UInt32 { engine.row(at).pointee.doubts }
    private func suspects(_ engine: UnsafeMutablePointer<Engine>) -> UInt64 {
        engine.pointee.farms[0].row.pointee.suspects
    }

    // MARK: Another member answers

    /// "it breaks a request that another member then answers": certain, whichever way it broke it.
    @Test(arguments: [Act.closes, .sendsNoHTTP, .failsTLS, .answers503])
    func whoBreaksWhatAnotherAnswersIsToBlame(_ act: Act) throws {
        let engine = try engine(2)
        let (asked, request) = serve(engine) { $0 == 0 ? act : .answers }
        #expect(asked == [0, 1])
        #expect(engine.row(0).state.isDownByFailures && engine.row(1).state.isUp)
        #expect((fails(engine, 0), doubts(engine, 0)) == (1, 0))
        #expect(engine.row(1).pointee.failing == 0)
        #expect(suspects(engine) == 0 && request.flags & FARM_REQUEST_SUSPECT == 0)
        #expect(LastError(word: engine.row(0).pointee.last_error).isSome)
        #expect(engine.row(1).pointee.last_error == FARM_ERROR_NONE)
    }

    /// An error page is an answer; and so is a 101.
    @Test(arguments: [Act.answers, .answers500, .switches]) func whatAnAnswerIs(_ answer: Act) throws {
        let engine = try engine(2)
        serve(engine) { $0 == 0 ? .closes : answer }
        #expect(engine.row(0).state.isDownByFailures)
        #expect(engine.row(1).pointee.failing == 0)
    }

    /// Already with the first byte of the answer, which may take long to come to its end.
    @Test(arguments: [200, 101] as [UInt32]) func atTheStatus(_ status: UInt32) throws {
        let engine = try engine(2)
        var request = try #require(engine.chosen())
        #expect(engine.end(&request, saw: [.broke, .sent], mayResend: true, bytesIn: 0, bytesOut: 0, now: 1))
        #expect(engine.row(0).state.isUp)
        #expect(engine.choose(&request, now: 1))
        _ = engine.answered(&request, status: status, mayResend: true, now: 1)
        #expect(engine.row(0).state.isDownByFailures)
        engine.drop(&request)
        #expect(fails(engine, 0) == 1 && doubts(engine, 0) == 0)
    }

    /// `errors` that are no failure are none afterwards either.
    @Test(arguments: [Act.timesOut, .breaksBody, .isStale]) func errorsAreNoFailures(_ act: Act) throws {
        let engine = try engine(2)
        var isFirst = true
        serve(engine) { _ in
            defer { isFirst = false }
            return isFirst ? act : .answers
        }
        #expect(engine.row(0).state.isUp && engine.row(0).pointee.failing == 0)
        #expect(engine.row(0).pointee.errors == 1)
        #expect(LastError(word: engine.row(0).pointee.last_error) == LastError(act.saw, status: 0))
    }

    /// "or, with `failontimeout=on`, time out"
    @Test func aTimeoutThatIsAFailure() throws {
        let engine = try engine(2) { $0.failOnTimeout = true }
        #expect(serve(engine) { $0 == 0 ? .timesOut : .answers }.asked == [0, 1])
        #expect(engine.row(0).state.isDownByFailures)
    }

    /// Whom it could not reach is charged at once, whoever answers.
    @Test func whoCannotBeReachedIsDownAtOnce() throws {
        let engine = try engine(2)
        serve(engine) { _ in .refuses }
        #expect((0...1).allSatisfy { engine.row($0).state.isDownByFailures })
        #expect(LastError(word: engine.row(0).pointee.last_error).word == FARM_ERROR_REFUSED)
    }

    // MARK: Nobody answers

    /// "the request is *suspect*: no further attempt, 502, the farm counts it (`suspects`), both are charged a doubtful failure"
    @Test(arguments: [Act.closes, .sendsNoHTTP], [Act.closes, .sendsNoHTTP])
    func twoInARowAreTheRequest(_ first: Act, _ next: Act) throws {
        let engine = try engine(3)
        let (asked, request) = serve(engine) { $0 == 0 ? first : next }
        #expect(asked == [0, 1])
        #expect(request.flags & FARM_REQUEST_SUSPECT != 0 && request.flags & FARM_REQUEST_USED_UP == 0)
        #expect(suspects(engine) == 1)
        for at in 0...1 { #expect((fails(engine, at), doubts(engine, at)) == (0, 1)) }
        #expect(engine.row(2).pointee.requests == 0)
        #expect((0...2).allSatisfy { engine.row($0).state.isUp })
    }

    /// What does not count as one of the two: the third member is asked, and answers.
    @Test(
        arguments: [
            [.closes, .answers503], [.answers503, .closes], [.closes, .timesOut], [.timesOut, .closes],
            [.closes, .failsTLS],
            [.failsTLS, .closes], [.closes, .breaksBody],
        ] as [[Act]])
    func whatIsNoTwoInARow(_ acts: [Act]) throws {
        let engine = try engine(3)
        #expect(serve(engine) { $0 < 2 ? acts[$0] : .answers }.asked == [0, 1, 2])
        #expect(suspects(engine) == 0)
        for at in 0...1 {
            let isError = acts[at] == .timesOut || acts[at] == .breaksBody
            #expect(engine.row(at).state.isDownByFailures == !isError)
        }
    }

    /// "one that failed and has not answered since does not" count, on either side.
    @Test(arguments: [0, 1]) func onlySoundMembersCount(_ unsound: Int) throws {
        let engine = try engine(3) { $0.fall = 2 }
        engine.row(unsound).pointee.failing = 1
        #expect(serve(engine) { $0 < 2 ? .closes : .answers }.asked == [0, 1, 2])
        #expect(suspects(engine) == 0)
        #expect(fails(engine, 0) == 1 && fails(engine, 1) == 1)
        #expect(engine.row(2).pointee.failing == 0)
    }

    /// A member that cannot be reached in between is none of the row's.
    @Test func anUnreachableOneInBetweenBreaksNoRow() throws {
        let engine = try engine(4) { $0.maxAttempts = 4 }
        #expect(serve(engine) { $0 == 1 ? .refuses : .closes }.asked == [0, 1, 2])
        #expect(suspects(engine) == 1)
        #expect(engine.row(1).state.isDownByFailures)
        #expect(doubts(engine, 0) == 1 && doubts(engine, 2) == 1)
    }

    /// "of one request at most two members are waited for"
    @Test func twoAreWaitedFor() throws {
        let engine = try engine(4) { $0.maxAttempts = 4 }
        let (asked, request) = serve(engine) { _ in .timesOut }
        #expect(asked == [0, 1])
        #expect(request.flags & FARM_REQUEST_USED_UP == 0 && request.waited == 2)
        #expect((0...3).allSatisfy { engine.row($0).pointee.failing == 0 })
    }

    /// A request that may not be repeated: nobody else can show whose fault it is.
    @Test func aPOSTThatBreaksIsDoubtful() throws {
        let engine = try engine(2)
        for count: UInt32 in 1...2 {
            #expect(serve(engine, post: true) { _ in .closes }.asked == [0])
            #expect((fails(engine, 0), doubts(engine, 0)) == (0, count))
        }
        #expect(engine.row(0).state.isUp)
        #expect(serve(engine, post: true) { _ in .closes }.asked == [0])
        #expect(engine.row(0).state.isDownByFailures, "three in a row, and there is another one")
    }

    /// After a TLS handshake that failed nothing was sent, so it may go on.
    @Test func aPOSTWhoseHandshakeFailsGoesOn() throws {
        let engine = try engine(2)
        #expect(serve(engine, post: true) { $0 == 0 ? .failsTLS : .answers }.asked == [0, 1])
        #expect(engine.row(0).state.isDownByFailures)
    }

    /// "A member that cuts an answer short, after bytes have gone out, is charged a failure", and nobody can make it good.
    @Test func aCutIsDoubtful() throws {
        let engine = try engine(2)
        for count: UInt32 in 1...2 {
            #expect(serve(engine) { _ in .cuts }.asked == [0])
            #expect(doubts(engine, 0) == count)
        }
        serve(engine) { _ in .answers }
        #expect(doubts(engine, 0) == 0 && engine.row(0).pointee.failing == 0)
        for _ in 0..<3 { serve(engine) { $0 == 0 ? .cuts : .answers } }
        #expect(engine.row(0).state.isDownByFailures)
    }

    /// Those that broke a request before one that then cuts it: its status had come.
    @Test func aCutAfterABreak() throws {
        let engine = try engine(2)
        serve(engine) { $0 == 0 ? .closes : .cuts }
        #expect(engine.row(0).state.isDownByFailures)
        #expect(doubts(engine, 1) == 1)
    }

    /// A failonstatus that nobody could make good is passed on, and doubtful.
    @Test func everybodyFailsOnStatus() throws {
        let engine = try engine(3)
        let (asked, request) = serve(engine) { _ in .answers503 }
        #expect(asked == [0, 1, 2])
        #expect(request.flags & FARM_REQUEST_SUSPECT == 0)
        for at in 0...2 { #expect((fails(engine, at), doubts(engine, at)) == (0, 1)) }
    }

    /// Nobody is left to ask, though attempts are.
    @Test func nobodyIsLeft() throws {
        let engine = try engine(2) { $0.fall = 2 }
        engine.row(0).pointee.failing = 1
        let (asked, request) = serve(engine) { _ in .closes }
        #expect(asked == [0, 1])
        #expect(request.flags & FARM_REQUEST_USED_UP == 0)
        #expect(doubts(engine, 0) == 1 && doubts(engine, 1) == 1)
    }

    /// The request goes away in the middle: before its next choice, or while it is with another member.
    @Test(arguments: [false, true]) func dropInTheMiddle(isWithAnother: Bool) throws {
        let engine = try engine(2)
        var request = try #require(engine.chosen())
        #expect(engine.end(&request, saw: [.broke, .sent], mayResend: true, bytesIn: 0, bytesOut: 0, now: 1))
        if isWithAnother { #expect(engine.choose(&request, now: 1)) }
        engine.drop(&request)
        engine.drop(&request)
        #expect((fails(engine, 0), doubts(engine, 0)) == (0, 1))
        #expect(engine.row(1).pointee.failing == 0)
        #expect((0...1).allSatisfy { engine.inflight($0) == 0 })
    }

    /// FarmForward: the other farm's members can make nothing good of this one's, and the row of breaks goes on there.
    @Test func forwardAfterABreak() throws {
        let engine = try world.child([farm("f", "a"), farm("g", "b", "c")], pid: 1)
        var request = farm_request()
        request.flags = FARM_REQUEST_IDEMPOTENT | FARM_REQUEST_BODY_READY
        #expect(attempt(engine, &request, now: 1) { _ in .closes } == true)
        #expect(!engine.choose(&request, now: 1))
        #expect((fails(engine, 0), doubts(engine, 0)) == (0, 1))
        // As farm_destination.c hands it on.
        request.farm = 1
        request.attempts = 0
        request.flags &= FARM_REQUEST_IDEMPOTENT | FARM_REQUEST_BODY_READY | FARM_REQUEST_BROKE
        #expect(attempt(engine, &request, now: 1) { _ in .closes } == false)
        #expect(request.flags & FARM_REQUEST_SUSPECT != 0)
        #expect(engine.pointee.farms[1].row.pointee.suspects == 1 && suspects(engine) == 0)
        #expect(doubts(engine, Int(request.member)) == 1 && doubts(engine, 0) == 1)
    }

    // MARK: Many requests

    /// A page that breaks each member it meets, beside normal answers, leaves the farm to these, however often it comes; and
    /// where it is one of many it puts nobody down.
    @Test(arguments: [1, 5, 20]) func aPoisonPage(_ between: Int) throws {
        let engine = try world.child([farm("f", "a", "b", "c", "d")], pid: 1)
        for round in 0..<300 {
            let now = Self.second + UInt64(round) * 100_000
            serve(engine, now: now) { _ in .closes }
            for _ in 0..<between {
                let (asked, _) = serve(engine, now: now) { _ in .answers }
                #expect(asked.count == 1, "the others are served by the first member they meet")
            }
            #expect((0..<4).count { engine.row($0).state.isUp } >= (between == 20 ? 4 : 2))
        }
        #expect(suspects(engine) > (between == 20 ? 250 : 0))
    }

    /// And with more poison than normal requests half of the farm is left to these.
    @Test func morePoisonThanAnswers() throws {
        let engine = try world.child([farm("f", "a", "b", "c", "d")], pid: 1)
        for round in 0..<300 {
            let now = Self.second + UInt64(round) * 100_000
            for _ in 0..<9 { serve(engine, now: now) { _ in .closes } }
            let (asked, request) = serve(engine, now: now) { _ in .answers }
            #expect(asked.count == 1 && request.status == 200)
        }
    }

    /// "and a farm that is broken altogether is `down`": after `retry` of silence, and not before.
    @Test(arguments: [false, true]) func allAreBroken(post: Bool) throws {
        let engine = try world.child([farm("f", "a", "b", "c", "d") { $0.recover = 250_000 }], pid: 1)
        for _ in 0..<20 { serve(engine, now: second) { _ in .answers } }
        var downAt: UInt64?
        for step: UInt64 in 0..<300 where downAt == nil {
            let now = 2 * second + step * 100_000
            serve(engine, post: post, now: now) { _ in .closes }
            if engine.pointee.farms[0].condition(now: now) == .down { downAt = now }
        }
        let down = try #require(downAt)
        #expect(down >= 11 * second && down <= 14 * second, "\(down)")
        // It is back as soon as one is.
        let (asked, _) = serve(engine, now: down + 250_000) { _ in .answers }
        #expect(asked.count == 1)
        #expect(engine.pointee.farms[0].condition(now: down + 250_000) == .ok)
    }

    // MARK: Trials

    private func goDown(_ engine: UnsafeMutablePointer<Engine>, at now: UInt64) {
        while engine.pointee.farms[0].condition(now: now) != .down { serve(engine, now: now) { _ in .refuses } }
    }

    /// "A trial holds from its first byte of a final answer or its 101", and what comes after is another matter.
    @Test(arguments: [200, 500, 101] as [UInt32]) func aTrialHoldsAtTheStatus(_ status: UInt32) throws {
        let engine = try engine(1)
        goDown(engine, at: second)
        var trial = try #require(engine.chosen(now: 11 * second))
        #expect(trial.flags & FARM_REQUEST_TRIAL != 0 && trial.flags & FARM_REQUEST_STRANDED == 0)
        #expect(engine.answered(&trial, status: status, mayResend: true, now: 12 * second))
        #expect(engine.row(0).state.isAvailable)
        #expect(trial.flags & FARM_REQUEST_TRIAL == 0)
        #expect(fails(engine, 0) == (status == 101 ? 0 : 1), "a final status alone ends no row, a 101 does")
        #expect(
            !engine.end(
                &trial, saw: [.answer, .sent, .broke], mayResend: true, bytesIn: 0, bytesOut: 0, now: 13 * second))
        #expect(engine.row(0).state.isAvailable, "one cut answer is one doubtful failure")
        #expect(doubts(engine, 0) == 1)
    }

    /// A failonstatus is no final answer that a trial holds by.
    @Test func aTrialThatAnswersAFailingStatus() throws {
        let engine = try engine(1) { $0.maxAttempts = 1 }
        goDown(engine, at: second)
        var trial = try #require(engine.chosen(now: 11 * second))
        #expect(engine.answered(&trial, status: 503, mayResend: true, now: 12 * second))
        #expect(engine.row(0).state.isDownByFailures)
        _ = engine.end(&trial, saw: [.answer, .sent], mayResend: true, bytesIn: 0, bytesOut: 0, now: 12 * second)
        #expect(engine.row(0).state.isDownByFailures)
        #expect(engine.row(0).pointee.retry_at == 32 * second)
    }

    /// What several members cannot do is no sign against one that is tried.
    @Test func aTrialOfWhatBreaksOthersToo() throws {
        let engine = try engine(3)
        serve(engine, now: second) { $0 == 0 ? .refuses : .answers }
        let (asked, request) = serve(engine, now: 11 * second) { _ in .closes }
        #expect(asked == [0, 1, 2], "the one that is tried is not sound")
        #expect(request.flags & FARM_REQUEST_SUSPECT != 0)
        #expect(engine.row(0).pointee.failed_trials == 0 && engine.row(0).state.isDownByFailures)
        // And where another one answers, it is.
        serve(engine, now: 21 * second) { $0 == 0 ? .closes : .answers }
        #expect(engine.row(0).pointee.failed_trials == 1)
        #expect(engine.row(0).pointee.retry_at == 41 * second)
    }

    /// "while nobody is available, by any request, each such member at most once in `recover`", and that doubles nothing.
    @Test(arguments: [false, true]) func aFarmThatIsAwayIsTriedAfterRecover(post: Bool) throws {
        let engine = try engine(3) {
            $0.recover = 250_000
            $0.maxAttempts = 1
        }
        goDown(engine, at: second)
        var asked = [0, 0, 0]
        for step: UInt64 in 1...2_000 {
            for member in serve(engine, post: post, now: second + step * 10_000, { _ in .refuses }).asked {
                asked[member] += 1
            }
        }
        #expect(asked.allSatisfy { (75...80).contains($0) }, "\(asked): 20 s are 80 times recover")
        #expect((0..<3).allSatisfy { engine.row($0).pointee.failed_trials == 0 })
        // They are back: each request finds one within recover.
        let (found, _) = serve(engine, post: post, now: 22 * second) { _ in .answers }
        #expect(found.count == 1)
        #expect(engine.pointee.farms[0].condition(now: 22 * second) == .ok)
    }

    /// When one is back, the others follow at once, as `retry` has passed: one does not carry the farm for as long again.
    @Test func theOthersFollow() throws {
        let engine = try engine(3) {
            $0.recover = 250_000
            $0.maxAttempts = 1
        }
        goDown(engine, at: second)
        for step: UInt64 in 1...2_000 { serve(engine, now: second + step * 10_000) { _ in .refuses } }
        var asked: [Int] = []
        for step: UInt64 in 0..<30 { asked += serve(engine, now: 22 * second + step * 10_000) { _ in .answers }.asked }
        #expect((0..<3).allSatisfy { engine.row($0).state.isAvailable }, "\(asked)")
    }

    /// A trial that holds its client: the member's next one waits as long as that took.
    @Test func aTrialThatDoesNotConnect() throws {
        let engine = try engine(1) { $0.recover = 250_000 }
        goDown(engine, at: second)
        var trial = try #require(engine.chosen(now: 2 * second))
        #expect(trial.flags & FARM_REQUEST_STRANDED != 0)
        #expect(engine.connectLimit(&trial) == second)
        #expect(engine.chosen(now: 3 * second - 1) == nil)
        let saw: Evidence = [.unreachable, .connectTimeout]
        _ = engine.end(&trial, saw: saw, mayResend: true, bytesIn: 0, bytesOut: 0, now: 3 * second)
        #expect(engine.connectLimit(&trial) == 0)
        #expect(engine.chosen(now: 4 * second - 1) == nil)
        #expect(LastError(word: engine.row(0).pointee.last_error).word == FARM_ERROR_CONNECT_TIMEOUT)
        var next = try #require(engine.chosen(now: 4 * second))
        engine.connected(&next)
        // It answers slowly; the next client does not wait for that.
        #expect(engine.chosen(now: 4 * second + 249_999) == nil)
        #expect(engine.chosen(now: 4 * second + 250_000) != nil)
    }

    /// A request that gives up its trial leaves the member to the next one.
    @Test func aTrialThatIsDropped() throws {
        let engine = try engine(1) { $0.recover = 250_000 }
        goDown(engine, at: second)
        var trial = try #require(engine.chosen(now: 2 * second))
        engine.drop(&trial)
        #expect(engine.chosen(now: 2 * second + 250_000) != nil)
        #expect(engine.row(0).pointee.failed_trials == 0)
    }
}
