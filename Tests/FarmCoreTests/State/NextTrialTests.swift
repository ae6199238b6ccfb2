import CFarm
import FarmTestSupport
import Testing

@testable import FarmCore

@Suite struct NextTrialTests {
    @Test func times() {
        let down = FARM_DOWN_BY_FAILURES
        // status, tried at, retry at, nobody is available, recover, expected
        let cases: [(UInt32, UInt64, UInt64, Bool, UInt64, UInt64?)] = [
            (0, 0, 0, false, 250, nil), (FARM_DOWN_BY_MONITOR, 5, 9, true, 250, nil),
            (down | FARM_DOWN_BY_MONITOR, 5, 9, true, 250, nil), (down | FARM_ADMIN_OFF, 5, 9, false, 250, nil),
            (down, 0, 7000, false, 250, 7000), (down, 6000, 7000, false, 250, 16_000),
            (down, 6000, 90_000, false, 250, 90_000), (down, 6000, 7000, true, 250, 6250),
            (down, 6000, 7000, true, 0, 16_000), (down | FARM_ADMIN_DRAIN, 0, 7000, false, 0, 7000),
            (down | FARM_DOWN_AS_OUTLIER, 0, 7000, false, 250, 7000),
        ]
        let rows = Rows(count: 1)
        let row = rows.members[0].row
        for (at, (status, tried, retryAt, alone, recover, expected)) in cases.enumerated() {
            for connecting: UInt64 in [0, 1] {
                row.pointee.status = status
                row.pointee.tried_at = tried * 2 + connecting
                row.pointee.retry_at = retryAt
                let trial = NextTrial.of(row, nobodyIsAvailable: alone, retry: 10_000, recover: recover)
                #expect(trial == expected, "\(at)")
            }
        }
    }

    @Test func wallClock() {
        #expect(NextTrial.onWallClock(150, now: 100, wallClock: 1000) == 1050)
        #expect(NextTrial.onWallClock(90, now: 100, wallClock: 1000) == 990)
        #expect(NextTrial.onWallClock(0, now: 5000, wallClock: 1000) == 0)
    }
}
