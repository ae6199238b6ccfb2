import CFarm
import FarmTestSupport
import Testing

@testable import FarmCore

/// When failures put a member down, and when the rows of them end.
@Suite struct PassiveHealthTests {
    private let rows = Rows(count: 1)
    private var row: MemberRow { rows[0] }
    private let second: UInt64 = 1_000_000

    typealias Failure = PassiveHealth.Failure
    static let certain = Failure(isDoubtful: false)
    static let doubtful = Failure(isDoubtful: true)

    private func fail(_ health: PassiveHealth, _ failure: Failure, at now: UInt64) -> PassiveHealth.Change {
        health.failed(row, failure, now: now, wallClock: 7)
    }

    // MARK: Rows of failures

    /// "`fall` certain failures in a row put a member down; doubtful ones do when `3 × fall` of them come in a row"
    @Test(arguments: [1, 2, 3, 10] as [UInt32], [false, true])
    func failuresInARowMeanDown(_ fall: UInt32, isDoubtful: Bool) {
        let health = PassiveHealth(fall: fall, retry: 10 * second)
        let failure = Failure(isDoubtful: isDoubtful)
        let needed = isDoubtful ? 3 * fall : fall
        for before in 0..<needed - 1 {
            #expect(!isDoubtful || !health.isLastDoubt(row, now: second), "\(before)")
            #expect(fail(health, failure, at: second) == .none)
            #expect(row.state.isUp)
        }
        #expect(!isDoubtful || health.isLastDoubt(row, now: second))
        #expect(fail(health, failure, at: second) == .wentDown)
        #expect(row.state.isDownByFailures)
        #expect(row.state.admin == .on, "health never sets admin")
        #expect(row.pointee.status_since_us == 7)
        #expect(row.pointee.retry_at == 11 * second)
        #expect(row.pointee.tried_at == second << 1)
    }

    /// A certain failure is no step of the other row.
    @Test func theRowsAreTwo() {
        let health = PassiveHealth(fall: 2, retry: second)
        for _ in 0..<5 { #expect(fail(health, Self.doubtful, at: 1) == .none) }
        #expect(fail(health, Self.certain, at: 1) == .none)
        #expect((row.pointee.fails, row.pointee.doubts) == (1, 5))
        #expect(fail(health, Self.doubtful, at: 1) == .wentDown)
    }

    /// "A row ends with an answer that came to its end": both do.
    @Test(arguments: [false, true]) func aCompleteAnswerStartsTheCountAnew(isDoubtful: Bool) {
        let health = PassiveHealth(fall: 2, retry: second)
        for _ in 0..<5 {
            for _ in 0..<(isDoubtful ? 5 : 1) { #expect(fail(health, Failure(isDoubtful: isDoubtful), at: 1) == .none) }
            #expect(PassiveHealth.successMatters(row))
            #expect(row.pointee.failing_since == 1)
            PassiveHealth.completed(row)
            #expect(!PassiveHealth.successMatters(row))
            #expect((row.pointee.fails, row.pointee.doubts, row.pointee.failing_since) == (0, 0, 0))
        }
        #expect(row.state.isUp)
    }

    /// "a final status alone ends a trial, no row"
    @Test func aStatusEndsNoRow() {
        let health = PassiveHealth(fall: 2, retry: second)
        for _ in 0..<2 { _ = fail(health, Self.certain, at: 1) }
        #expect(health.trialHeld(row, wallClock: 99) == .cameUp)
        #expect(PassiveHealth.successMatters(row))
        #expect(row.pointee.fails == 2)
        #expect(fail(health, Self.certain, at: 1) == .wentDown, "it fails at once, as nothing has come to its end")
        #expect(health.trialHeld(row, wallClock: 99) == .cameUp)
        PassiveHealth.completed(row)
        #expect(fail(health, Self.certain, at: 1) == .none)
    }

    /// "Doubtful failures older than a minute are forgotten"
    @Test func doubtfulFailuresAreForgotten() {
        let health = PassiveHealth(fall: 1, retry: second)
        for _ in 0..<2 { #expect(fail(health, Self.doubtful, at: second) == .none) }
        #expect(health.isLastDoubt(row, now: 61 * second))
        #expect(!health.isLastDoubt(row, now: 61 * second + 1))
        #expect(fail(health, Self.doubtful, at: 61 * second + 1) == .none)
        #expect(row.pointee.doubts == 1)
        // The last one counts, not the first: a row whose failures follow each other is no older than its last.
        for step: UInt64 in 1...2 {
            #expect(fail(health, Self.doubtful, at: (61 + 60 * step) * second) == (step == 2 ? .wentDown : .none))
        }
    }

    @Test func certainFailuresAreNotForgotten() {
        let health = PassiveHealth(fall: 2, retry: second)
        #expect(fail(health, Self.certain, at: 1) == .none)
        #expect(fail(health, Self.certain, at: 86_400 * second) == .wentDown)
    }

    /// The guard holds it; its doubtful failures go on being counted, and the next may put it down.
    @Test func doubtfulFailuresMayBeHeld() {
        let health = PassiveHealth(fall: 1, retry: second)
        for count: UInt32 in 1...5 {
            #expect(fail(health, Failure(isDoubtful: true, mayPutDown: false), at: 1) == .none)
            #expect(row.pointee.doubts == count)
        }
        #expect(row.state.isUp)
        #expect(fail(health, Self.doubtful, at: 1) == .wentDown)
    }

    /// Certain ones it does not hold.
    @Test func certainFailuresAreNotHeld() {
        let health = PassiveHealth(fall: 1, retry: second)
        #expect(fail(health, Failure(isDoubtful: false, mayPutDown: false), at: 1) == .wentDown)
    }

    @Test func failingSinceIsTheFirst() {
        let health = PassiveHealth(fall: 9, retry: second)
        for now: UInt64 in 5...9 { _ = fail(health, now % 2 == 0 ? Self.doubtful : Self.certain, at: now) }
        #expect(row.pointee.failing_since == 5)
        #expect(row.pointee.doubted_at == 8)
    }

    // MARK: While it is down

    /// Requests that had chosen it before it went down say nothing new.
    @Test(arguments: [false, true]) func failuresWhileDownChangeNothing(isDoubtful: Bool) {
        let health = PassiveHealth(fall: 1, retry: 10 * second)
        #expect(fail(health, Self.certain, at: second) == .wentDown)
        for moment in 2...20 {
            #expect(fail(health, Failure(isDoubtful: isDoubtful), at: UInt64(moment) * second) == .none)
        }
        #expect(row.pointee.retry_at == 11 * second)
        #expect(row.pointee.failed_trials == 0)
    }

    @Test func anOldRequestsSuccessDoesNotBringItUp() {
        let health = PassiveHealth(fall: 1, retry: 10 * second)
        _ = fail(health, Self.certain, at: 0)
        PassiveHealth.completed(row)
        #expect(row.state.isDownByFailures)
        #expect(row.pointee.retry_at == 10 * second)
    }

    @Test func aTrialThatHoldsBringsItUp() {
        let health = PassiveHealth(fall: 2, retry: 10 * second)
        for _ in 0..<2 { _ = fail(health, Self.certain, at: 0) }
        for _ in 0..<3 { _ = fail(health, Failure(isDoubtful: false, wasTrial: true), at: 0) }
        #expect(health.trialHeld(row, wallClock: 99) == .cameUp)
        #expect(row.state.isAvailable)
        #expect((row.pointee.status_since_us, row.pointee.failed_trials, row.pointee.retry_at) == (99, 0, 0))
        PassiveHealth.completed(row)
        // As before it fell: two failures again, and the first wait again.
        #expect(fail(health, Self.certain, at: second) == .none)
        #expect(fail(health, Self.certain, at: second) == .wentDown)
        #expect(row.pointee.retry_at == 11 * second)
    }

    @Test func aTrialOfOneThatIsUpIsNoNews() {
        let health = PassiveHealth(fall: 2, retry: second)
        #expect(health.trialHeld(row, wallClock: 99) == .none)
        #expect(row.pointee.status_since_us == 0)
    }

    @Test(arguments: [Admin.drain, .off]) func adminStaysWhatItIs(_ admin: Admin) {
        let health = PassiveHealth(fall: 1, retry: second)
        rows.setState(0, admin: admin)
        #expect(fail(health, Self.certain, at: 1) == .wentDown)
        #expect(row.state.admin == admin)
        #expect(health.trialHeld(row, wallClock: 1) == .cameUp)
        #expect(row.state.admin == admin)
    }

    /// The time to the next trial doubles with each failed one, up to sixteen times `retry`.
    @Test func theWaitDoubles() {
        let health = PassiveHealth(fall: 1, retry: 10 * second)
        _ = fail(health, Self.certain, at: 0)
        var now: UInt64 = 10 * second
        for times: UInt64 in [2, 4, 8, 16, 16, 16] {
            #expect(health.claimTrial(row, now: now))
            PassiveHealth.connected(row, began: now)
            #expect(fail(health, Failure(isDoubtful: times == 4, wasTrial: true), at: now + second) == .stillDown)
            #expect(row.pointee.retry_at == now + second + times * 10 * second)
            #expect(!health.claimTrial(row, now: row.pointee.retry_at - 1))
            now = row.pointee.retry_at
        }
    }
}
