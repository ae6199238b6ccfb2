import CFarm
import FarmTestSupport
import Testing

@testable import FarmCore

@Suite struct PassiveHealthTests {
    private let rows = Rows(count: 1)
    private var row: MemberRow { rows[0] }
    private let second: UInt64 = 1_000_000

    private func goDown(_ health: PassiveHealth, at now: UInt64) {
        for _ in 0..<health.fall { _ = health.failed(row, wasTrial: false, now: now, wallClock: 1) }
    }

    @Test(arguments: [1, 2, 3, 10] as [UInt32])
    func fallFailuresInARowMeanDown(_ fall: UInt32) {
        let health = PassiveHealth(fall: fall, retry: 10 * second)
        for _ in 1..<max(2, fall) where fall > 1 {
            #expect(health.failed(row, wasTrial: false, now: second, wallClock: 7) == .none)
            #expect(row.state.isUp)
        }
        #expect(health.failed(row, wasTrial: false, now: second, wallClock: 7) == .wentDown)
        #expect(row.state.isDownByFailures)
        #expect(row.state.admin == .on, "health never sets admin")
        #expect(row.pointee.status_since_us == 7)
        #expect(row.pointee.retry_at == 11 * second)
    }

    @Test func aSuccessBetweenStartsTheCountAnew() {
        let health = PassiveHealth(fall: 3, retry: second)
        for _ in 0..<5 {
            for _ in 0..<2 { #expect(health.failed(row, wasTrial: false, now: 1, wallClock: 1) == .none) }
            #expect(PassiveHealth.successMatters(row, wasTrial: false))
            #expect(health.succeeded(row, wasTrial: false, wallClock: 1) == .none)
            #expect(!PassiveHealth.successMatters(row, wasTrial: false))
        }
        #expect(row.state.isUp)
    }

    /// Requests that had chosen it before it went down say nothing new.
    @Test func failuresWhileDownChangeNothing() {
        let health = PassiveHealth(fall: 1, retry: 10 * second)
        goDown(health, at: second)
        for moment in 2...20 {
            #expect(health.failed(row, wasTrial: false, now: UInt64(moment) * second, wallClock: 9) == .none)
        }
        #expect(row.pointee.retry_at == 11 * second)
        #expect(row.pointee.failed_trials == 0)
    }

    @Test func noTrialBeforeItIsDue() {
        let health = PassiveHealth(fall: 1, retry: 10 * second)
        #expect(!health.claimTrial(row, now: 100 * second), "a member that is up is not tried")
        goDown(health, at: second)
        #expect(!health.claimTrial(row, now: 11 * second - 1))
        #expect(health.claimTrial(row, now: 11 * second))
        #expect(!health.claimTrial(row, now: 11 * second), "one at a time")
    }

    /// A trial whose process dies is over after `retry`.
    @Test func aDeadTrialIsOverByItself() {
        let health = PassiveHealth(fall: 1, retry: 10 * second)
        goDown(health, at: 0)
        #expect(health.claimTrial(row, now: 10 * second))
        #expect(!health.claimTrial(row, now: 20 * second - 1))
        #expect(health.claimTrial(row, now: 20 * second))
    }

    @Test func oneOfManyThreadsGetsTheTrial() {
        let health = PassiveHealth(fall: 1, retry: 10 * second)
        goDown(health, at: 0)
        for round: UInt64 in 1...200 {
            row.pointee.requests = 0
            let shared = Shared((row: row, health: health))
            let now = round * 10 * second
            onThreads(4) { _ in
                let (row, health) = shared.value
                if health.claimTrial(row, now: now) { _ = farm_add64(&row.pointee.requests, 1) }
            }
            #expect(row.pointee.requests == 1)
        }
    }

    /// The time to the next trial doubles with each failed one, up to sixteen times `retry`.
    @Test func theWaitDoubles() {
        let health = PassiveHealth(fall: 1, retry: 10 * second)
        goDown(health, at: 0)
        var now: UInt64 = 10 * second
        for times: UInt64 in [2, 4, 8, 16, 16, 16] {
            #expect(health.claimTrial(row, now: now))
            #expect(health.failed(row, wasTrial: true, now: now + second, wallClock: 1) == .stillDown)
            #expect(row.pointee.retry_at == now + second + times * 10 * second)
            now = row.pointee.retry_at
        }
    }

    /// A trial lasted so long that another was claimed meanwhile: what it then says does not bring the next one forward.
    @Test func aLateFailureTakesNothingBack() {
        let health = PassiveHealth(fall: 1, retry: 10 * second)
        goDown(health, at: 0)
        #expect(health.claimTrial(row, now: 10 * second))
        #expect(health.claimTrial(row, now: 100 * second))
        #expect(health.failed(row, wasTrial: true, now: 20 * second, wallClock: 1) == .stillDown)
        #expect(row.pointee.retry_at == 110 * second)
        #expect(!health.claimTrial(row, now: 110 * second - 1))
        #expect(health.failed(row, wasTrial: true, now: 101 * second, wallClock: 1) == .stillDown)
        #expect(row.pointee.retry_at == 141 * second)
    }

    @Test func aTrialThatSucceedsBringsItUp() {
        let health = PassiveHealth(fall: 2, retry: 10 * second)
        goDown(health, at: 0)
        for _ in 0..<3 { _ = health.failed(row, wasTrial: true, now: 0, wallClock: 1) }
        #expect(PassiveHealth.successMatters(row, wasTrial: true))
        #expect(health.succeeded(row, wasTrial: true, wallClock: 99) == .cameUp)
        #expect(row.state.isAvailable)
        #expect(row.pointee.status_since_us == 99)
        #expect(row.pointee.failed_trials == 0)
        // As before it fell: two failures again, and the first wait again.
        #expect(health.failed(row, wasTrial: false, now: second, wallClock: 1) == .none)
        #expect(health.failed(row, wasTrial: false, now: second, wallClock: 1) == .wentDown)
        #expect(row.pointee.retry_at == 11 * second)
    }

    @Test func anOldRequestsSuccessDoesNotBringItUp() {
        let health = PassiveHealth(fall: 1, retry: 10 * second)
        goDown(health, at: 0)
        #expect(health.succeeded(row, wasTrial: false, wallClock: 1) == .none)
        #expect(row.state.isDownByFailures)
        #expect(row.pointee.retry_at == 10 * second)
    }

    @Test(arguments: [Admin.drain, .off]) func adminStaysWhatItIs(_ admin: Admin) {
        let health = PassiveHealth(fall: 1, retry: second)
        rows.setState(0, admin: admin)
        #expect(health.failed(row, wasTrial: false, now: 1, wallClock: 1) == .wentDown)
        #expect(row.state.admin == admin)
        #expect(health.succeeded(row, wasTrial: true, wallClock: 1) == .cameUp)
        #expect(row.state.admin == admin)
    }
}
