import CFarm
import FarmTestSupport
import Testing

@testable import FarmCore

/// Who may try a member that is down, and when.
@Suite struct TrialTests {
    private let rows = Rows(count: 1)
    private var row: MemberRow { rows[0] }
    private static let second: UInt64 = 1_000_000
    private var second: UInt64 { Self.second }
    private static let askers: [PassiveHealth.Asker] = [.repeatable, .other, .stranded]

    private func goDown(_ health: PassiveHealth, at now: UInt64) {
        for _ in 0..<health.fall { _ = health.failed(row, .init(isDoubtful: false), now: now, wallClock: 1) }
    }

    @Test(arguments: askers) func aMemberThatIsUpIsNotTried(_ asker: PassiveHealth.Asker) {
        let health = PassiveHealth(fall: 1, retry: 10 * second, recover: 250_000)
        #expect(!health.claimTrial(row, now: 1000 * second, for: asker))
        #expect(row.pointee.tried_at == 0)
    }

    @Test(arguments: [FARM_ADMIN_DRAIN, FARM_ADMIN_OFF, FARM_DOWN_BY_MONITOR])
    func whomOthersHaveTakenOutIsNotTried(_ word: UInt32) {
        let health = PassiveHealth(fall: 1, retry: 10 * second, recover: 250_000)
        goDown(health, at: 0)
        row.publish(MemberState(word: row.state.word | word))
        for asker in Self.askers { #expect(!health.claimTrial(row, now: 1000 * second, for: asker)) }
        #expect(health.claimTrial(row, now: 1000 * second, isTied: true) == (word == FARM_ADMIN_DRAIN))
    }

    /// It went down at 100 s, with `retry` of 10 s and `recover` of 250 ms, and so many trials have failed.
    struct Due: Sendable {
        var failedTrials: UInt32
        var asker: PassiveHealth.Asker
        var recover: UInt64 = 250_000
        /// After the last failed trial, or after it went down.
        var after: UInt64
    }

    static let dues: [Due] = [
        Due(failedTrials: 0, asker: .repeatable, after: 10_000_000),
        Due(failedTrials: 1, asker: .repeatable, after: 20_000_000),
        Due(failedTrials: 4, asker: .repeatable, after: 160_000_000),
        Due(failedTrials: 9, asker: .repeatable, after: 160_000_000),
        Due(failedTrials: 0, asker: .other, after: 20_000_000),
        Due(failedTrials: 1, asker: .other, after: 40_000_000),
        Due(failedTrials: 4, asker: .other, after: 320_000_000),
        Due(failedTrials: 9, asker: .other, after: 320_000_000),
        Due(failedTrials: 0, asker: .stranded, after: 250_000),
        Due(failedTrials: 9, asker: .stranded, after: 250_000),
        Due(failedTrials: 0, asker: .stranded, recover: 30_000_000, after: 30_000_000),
        Due(failedTrials: 0, asker: .stranded, recover: 0, after: 10_000_000),
        Due(failedTrials: 2, asker: .stranded, recover: 0, after: 40_000_000),
    ]

    @Test(arguments: dues) func whenItIsDue(_ due: Due) {
        let health = PassiveHealth(fall: 1, retry: 10 * second, recover: due.recover)
        var now = 100 * second
        goDown(health, at: now)
        for _ in 0..<due.failedTrials {
            now = row.pointee.retry_at
            #expect(health.claimTrial(row, now: now))
            PassiveHealth.connected(row, began: now)
            _ = health.failed(row, .init(isDoubtful: false, wasTrial: true), now: now, wallClock: 1)
        }
        #expect(!health.claimTrial(row, now: now + due.after - 1, for: due.asker))
        #expect(health.nextTrial(row, for: due.asker) == now + due.after)
        #expect(health.claimTrial(row, now: now + due.after, for: due.asker))
        #expect(!health.claimTrial(row, now: now + due.after, for: due.asker), "one at a time")
    }

    /// "never while another trial of it has not yet connected; a trial that is not connected after `recover` × 4 (at least
    /// 1 s) fails"
    @Test(arguments: [(10_000, 1_000_000), (250_000, 1_000_000), (400_000, 1_600_000)] as [(UInt64, UInt64)])
    func aTrialThatHasNotConnected(_ recover: UInt64, _ limit: UInt64) {
        let health = PassiveHealth(fall: 1, retry: 10 * second, recover: recover)
        #expect(health.connectLimit == limit)
        goDown(health, at: 0)
        #expect(health.claimTrial(row, now: second, for: .stranded))
        for now in [second + recover, second + limit - 1] { #expect(!health.claimTrial(row, now: now, for: .stranded)) }
        let again = row.pointee.tried_at
        PassiveHealth.connected(row, began: second)
        #expect(row.pointee.tried_at == again - 1)
        #expect(!health.claimTrial(row, now: second + recover - 1, for: .stranded))
        #expect(health.claimTrial(row, now: second + recover, for: .stranded))
        // Its process has died.
        #expect(health.claimTrial(row, now: second + recover + limit, for: .stranded))
    }

    /// "a trial whose process dies is over after `retry`"
    @Test(arguments: [0, 250_000] as [UInt64]) func aDeadTrialEndsByItself(_ recover: UInt64) {
        let health = PassiveHealth(fall: 1, retry: 10 * second, recover: recover)
        goDown(health, at: 0)
        #expect(health.claimTrial(row, now: 10 * second))
        #expect(!health.claimTrial(row, now: 20 * second - 1))
        #expect(health.claimTrial(row, now: 20 * second))
    }

    @Test func withoutRecoverConnectingHasNoLimit() {
        #expect(PassiveHealth(fall: 1, retry: 10 * second, recover: 0).connectLimit == 0)
    }

    /// "the member's next trial waits as long as this one took"
    @Test(arguments: [(100_000, 1_350_000), (250_000, 1_350_000 + 150_000), (1_000_000, 3_000_000)])
    func aTrialThatTookLongPostponesTheNext(_ took: UInt64, _ next: UInt64) {
        // It is measured from the claim: the next one is no sooner than `recover` after it.
        let began: UInt64 = 1_100_000
        let health = PassiveHealth(fall: 1, retry: 10 * second, recover: 250_000)
        goDown(health, at: 0)
        #expect(health.claimTrial(row, now: began, for: .stranded))
        health.didNotConnect(row, began: began, now: began + took)
        let due = max(began + 250_000, took > 250_000 ? began + 2 * took : 0)
        #expect(health.nextTrial(row, for: .stranded) == due)
        #expect(!health.claimTrial(row, now: due - 1, for: .stranded))
        #expect(health.claimTrial(row, now: due, for: .stranded))
    }

    /// With `recover=off` there is nothing to postpone: `retry` says when.
    @Test func withoutRecoverNothingIsPostponed() {
        let health = PassiveHealth(fall: 1, retry: 10 * second, recover: 0)
        goDown(health, at: 0)
        #expect(health.claimTrial(row, now: 10 * second))
        health.didNotConnect(row, began: 10 * second, now: 70 * second)
        #expect(
            health.failed(row, .init(isDoubtful: false, wasTrial: true), now: 70 * second, wallClock: 1) == .stillDown)
        #expect(health.nextTrial(row, for: .repeatable) == 90 * second)
    }

    /// A trial that lasted so long that another one was claimed meanwhile takes nothing back.
    @Test func whoComesLateTakesNothingBack() {
        let health = PassiveHealth(fall: 1, retry: 10 * second, recover: 250_000)
        goDown(health, at: 0)
        #expect(health.claimTrial(row, now: 10 * second))
        #expect(health.claimTrial(row, now: 20 * second))
        let claimed = row.pointee.tried_at
        PassiveHealth.connected(row, began: 10 * second)
        health.didNotConnect(row, began: 10 * second, now: 21 * second)
        #expect(row.pointee.tried_at == claimed)
        _ = health.failed(row, .init(isDoubtful: false, wasTrial: true), now: 10 * second + 1, wallClock: 1)
        #expect(row.pointee.tried_at == claimed)
        #expect(!health.claimTrial(row, now: 30 * second - 1), "`retry` after the last claim, whatever an old one says")
        #expect(health.claimTrial(row, now: 30 * second + 1))
    }

    /// Failures of trials while nobody is available do not double the time.
    @Test func strandedFailuresDoNotDouble() {
        let health = PassiveHealth(fall: 1, retry: 10 * second, recover: 250_000)
        goDown(health, at: 0)
        for step: UInt64 in 1...30 {
            #expect(health.claimTrial(row, now: step * 250_000, for: .stranded))
            health.didNotConnect(row, began: step * 250_000, now: step * 250_000 + 10)
            #expect(
                health.failed(row, .init(isDoubtful: false, wasTrial: false), now: step * 250_000 + 10, wallClock: 1)
                    == .none)
        }
        #expect(row.pointee.failed_trials == 0)
        #expect(row.pointee.retry_at == 10 * second)
    }

    /// When a farm is back, its members follow the first of them as soon as `retry` allows: trials while nobody was available
    /// postpone no other.
    @Test func strandedTrialsPostponeNoOther() {
        let health = PassiveHealth(fall: 1, retry: 10 * second, recover: 250_000)
        goDown(health, at: 0)
        #expect(health.claimTrial(row, now: 5 * second, for: .stranded))
        PassiveHealth.connected(row, began: 5 * second)
        #expect(health.nextTrial(row, for: .repeatable) == 10 * second)
        #expect(health.nextTrial(row, for: .other) == 20 * second)
        #expect(health.claimTrial(row, now: 60 * second, for: .stranded))
        #expect(!health.claimTrial(row, now: 61 * second - 1), "it has not connected")
        health.didNotConnect(row, began: 60 * second, now: 60 * second + 10)
        #expect(!health.claimTrial(row, now: 60 * second + 249_999))
        #expect(health.claimTrial(row, now: 60 * second + 250_000))
        #expect(!health.claimTrial(row, now: 70 * second + 249_999), "that was one while others served")
        #expect(health.claimTrial(row, now: 70 * second + 250_000))
    }

    // MARK: Threads

    @Test(arguments: askers) func oneOfManyThreadsGetsTheTrial(_ asker: PassiveHealth.Asker) {
        let health = PassiveHealth(fall: 1, retry: 10 * second, recover: second)
        goDown(health, at: 0)
        for round: UInt64 in 1...100 {
            row.pointee.requests = 0
            let shared = Shared((row: row, health: health))
            let now = round * 40 * second
            onThreads(4) { _ in
                let (row, health) = shared.value
                if health.claimTrial(row, now: now, for: asker) { _ = farm_add64(&row.pointee.requests, 1) }
            }
            #expect(row.pointee.requests == 1)
        }
    }

    /// Threads try, connect, fail and hold a member again and again, each with a clock of its own that goes on: no two trials
    /// that have not connected meet.
    @Test func noTwoTrialsMeet() {
        let health = PassiveHealth(fall: 1, retry: second, recover: 1_000)
        goDown(health, at: 0)
        // inflight: trials that have not connected; errors: how often two met; bytes_in: the clock.
        let shared = Shared((row: row, health: health))
        onThreads(4) { thread in
            let (row, health) = shared.value
            for _ in 0..<20_000 {
                let now = farm_add64(&row.pointee.bytes_in, 100) + Self.second
                guard health.claimTrial(row, now: now, for: .stranded) else { continue }
                _ = farm_add64(&row.pointee.requests, 1)
                if farm_add32(&row.pointee.inflight, 1) != 0 { _ = farm_add64(&row.pointee.errors, 1) }
                _ = farm_add32(&row.pointee.inflight, UInt32.max)
                if thread % 2 == 0 {
                    PassiveHealth.connected(row, began: now)
                } else {
                    health.didNotConnect(row, began: now, now: now + 10)
                }
            }
        }
        #expect(row.pointee.errors == 0)
        #expect(row.pointee.requests > 100)
    }
}
