import CFarm
import FarmTestSupport
import Testing

@testable import FarmCore

/// `FarmSet eject=on`: who stands out from the farm, and how it comes back.
@Suite struct OutliersTests {
    private static let now: UInt64 = 100_000_000

    /// Members that have answered that many requests since the last look, of which so many failed.
    private func make(_ counts: [(requests: UInt64, failures: UInt64)]) -> Rows {
        let rows = Rows(count: counts.count)
        for (at, count) in counts.enumerated() {
            rows[at].pointee.requests = count.requests
            rows[at].pointee.failed_outcomes = count.failures
        }
        return rows
    }

    /// Members with a hundred good answers each, at these latencies in milliseconds; nil: unknown.
    private func make(latencies: [Double?], age: UInt64 = 0) -> Rows {
        let rows = make(latencies.map { _ in (100, 0) })
        let milliseconds = UInt32((Self.now - age) / 1000)
        for (at, latency) in latencies.enumerated() {
            guard let latency else { continue }
            rows[at].pointee.latency = DecayingAverage(value: Float(latency * 1000), atMilliseconds: milliseconds).word
        }
        return rows
    }

    private func find(_ rows: Rows, freshness: Freshness = .off) -> Int? {
        Outliers.find(UnsafeBufferPointer(rows.members), freshness: freshness, now: Self.now)
    }

    // MARK: Errors

    @Test(
        arguments: [
            // A fifth more failures than the others, and not quite.
            ([(100, 20), (100, 0), (100, 0)], 0),
            ([(100, 19), (100, 0), (100, 0)], nil),
            ([(100, 0), (100, 30), (100, 10)], 1),
            // Four standard errors: of 10 requests 7 failures are 4.3 of them, and 6 are 3.9.
            ([(10, 7), (20, 0)], 0),
            ([(10, 6), (20, 0)], nil),
            // Too few requests, of its own or of the others.
            ([(9, 9), (100, 0)], nil),
            ([(10, 10), (100, 0)], 0),
            ([(100, 100), (9, 0)], nil),
            ([(100, 100), (10, 0)], 0),
            ([(100, 100), (5, 0), (5, 0)], 0),
            // Where everything fails nobody stands out; where nothing does, nobody either.
            ([(100, 100), (100, 100), (100, 100)], nil),
            ([(100, 0), (100, 0)], nil),
            ([(0, 0), (0, 0)], nil),
            // The worst one.
            ([(100, 40), (100, 80), (100, 0), (100, 0)], 1),
            // Nobody to be compared with.
            ([(100, 100)], nil),
            ([], nil),
            // Counts that do not fit together.
            ([(10, 1_000_000), (100, 0)], 0),
        ] as [([(UInt64, UInt64)], Int?)])
    func whoFailsMore(_ counts: [(UInt64, UInt64)], _ expected: Int?) {
        #expect(find(make(counts.map { (requests: $0.0, failures: $0.1) })) == expected)
    }

    // MARK: Latency

    @Test(
        arguments: [
            // Three times the median.
            ([10, 10, 30], 2), ([10, 10, 29.9], nil),
            // And ten milliseconds above it.
            ([1, 1, 11], 2), ([1, 1, 10.9], nil),
            // And 3.5 by the score of Iglewicz and Hoaglin: here the median is 30, and that of the distances from it 25.
            ([5, 20, 30, 70, 160], 4), ([5, 20, 30, 70, 159], nil),
            // Fast is no fault.
            ([0.1, 100, 100, 100], nil),
            // The slowest one.
            ([10, 10, 10, 10, 100, 200], 5), ([10, 10, 10, 10, 200, 100], 4),
            // Of two nobody is the odd one, and of those whose latency is not known none is.
            ([1, 1_000], nil), ([1, 1_000, nil], nil), ([1, 1, nil, 1_000], 3), ([nil, nil, nil], nil),
        ] as [([Double?], Int?)])
    func whoIsSlow(_ latencies: [Double?], _ expected: Int?) {
        #expect(find(make(latencies: latencies)) == expected)
    }

    @Test func anOldLatencySaysNothing() {
        #expect(find(make(latencies: [1, 1, 1, 100], age: 9_999_000)) == 3)
        #expect(find(make(latencies: [1, 1, 1, 100], age: 10_000_000)) == nil)
    }

    @Test func aLatencyOfFewRequestsSaysNothing() {
        for (requests, expected) in [(9, nil), (10, 3)] as [(UInt64, Int?)] {
            let rows = make(latencies: [1, 1, 1, 100])
            rows[3].pointee.requests = requests
            #expect(find(rows) == expected)
        }
    }

    @Test func errorsBeforeLatency() {
        let rows = make(latencies: [1, 1, 1, 100])
        rows[0].pointee.failed_outcomes = 50
        #expect(find(rows) == 0)
    }

    // MARK: Who may be put down

    /// At most half of the members that are wanted: farms of two to seven, of which more and more are down already.
    @Test func halfOfTheFarmIsLeft() {
        for wanted in 2...7 {
            for down in 0..<wanted {
                let rows = make((0..<wanted).map { _ in (100, 0) })
                rows[wanted - 1].pointee.failed_outcomes = 90
                for at in 0..<down where at < wanted - 1 { rows.setState(at, admin: .on, down: true) }
                let left = wanted - down - 1
                let mayGo = left >= 1 && Double(left) >= Double(wanted) / 2
                #expect(find(rows) == (mayGo ? wanted - 1 : nil), "\(down) of \(wanted) are down")
            }
        }
    }

    /// Who is taken out is not judged and not counted.
    @Test(arguments: [Admin.drain, .off]) func whoIsTakenOut(_ admin: Admin) {
        let rows = make([(100, 90), (100, 0), (100, 0), (100, 90)])
        rows.setState(0, admin: admin)
        #expect(find(rows) == 3)
        for at in 1...2 {
            let rows = make([(100, 90), (100, 0), (100, 0), (100, 0)])
            for other in 1...at { rows.setState(other, admin: admin) }
            #expect(find(rows) == 0, "\(at) of four are not wanted: the others are all there")
        }
    }

    @Test func whoIsDownOrOutIsNotJudged() {
        let rows = make([(100, 90), (100, 0), (100, 0), (100, 0)])
        rows[0].publish(MemberState(word: FARM_DOWN_BY_MONITOR))
        #expect(find(rows) == nil)
        let silent = make([(100, 90), (100, 0), (100, 0), (100, 0)])
        for at in 1..<4 { silent[at].pointee.updated_us = Self.now }
        #expect(find(silent, freshness: Freshness(expect: 1_000, ignores: false)) == nil)
    }

    // MARK: Recent requests

    /// Of what was counted before, an eighth is forgotten at each look; only what is new is added.
    @Test func whatIsOldFades() {
        let rows = make([(100, 16), (100, 0)])
        _ = find(rows)
        #expect((rows[0].pointee.recent_requests, rows[0].pointee.recent_failures) == (100, 16))
        rows[0].pointee.requests += 10
        _ = find(rows)
        #expect((rows[0].pointee.recent_requests, rows[0].pointee.recent_failures) == (98, 14))
        for _ in 0..<200 { _ = find(rows) }
        #expect(rows[0].pointee.recent_requests < 10, "then nobody is judged by it")
    }

    /// A count that went back, or that is beyond all measure, stops nothing.
    @Test func countsThatCannotBe() {
        let rows = make([(5, 5), (100, 0)])
        rows[0].pointee.judged_requests = 50
        rows[0].pointee.recent_requests = .max
        rows[1].pointee.requests = .max
        rows[1].pointee.recent_requests = .max
        _ = find(rows)
        #expect(rows[1].pointee.recent_requests == .max && rows[0].pointee.judged_requests == 5)
    }

    /// One look for all processes, and the next one two seconds later.
    @Test func oneLookAtATime() {
        let rows = Rows(count: 2)
        #expect(Outliers.claim(rows.farm, now: 5_000_000))
        #expect(!Outliers.claim(rows.farm, now: 5_000_000) && !Outliers.claim(rows.farm, now: 6_999_999))
        #expect(Outliers.claim(rows.farm, now: 7_000_000))
        let shared = Shared((rows: rows, won: Rows(count: 1)))
        onThreads(8) { _ in
            for round: UInt64 in 1...200 where Outliers.claim(shared.value.rows.farm, now: round * 10_000_000) {
                _ = farm_add64(&shared.value.won[0].pointee.requests, 1)
            }
        }
        #expect(shared.value.won[0].pointee.requests <= 200 && shared.value.won[0].pointee.requests >= 1)
    }

    // MARK: Coming back

    private let health = PassiveHealth(fall: 1, retry: 10_000_000)

    @Test func itComesBackByATrial() {
        let rows = make(latencies: [1, 1, 1, 100])
        let row = rows[3]
        #expect(find(rows) == 3)
        #expect(health.eject(row, now: Self.now, wallClock: 1_000) == 10_000_000)
        #expect(row.state.isOutlier && row.state.isDownByFailures && !row.state.isUp && row.state.mayBeTried)
        #expect(row.pointee.status_since_us == 1_000)
        #expect(find(rows) == nil, "it is down")
        #expect(!health.claimTrial(row, now: Self.now + 9_999_999))
        #expect(health.claimTrial(row, now: Self.now + 10_000_000))
        #expect(health.trialHeld(row, wallClock: 11_000_000) == .cameUp)
        #expect(row.state.isAvailable)
        // What put it down is not held against it again.
        #expect(row.pointee.latency == 0 && row.pointee.failure_ratio == 0)
        #expect((row.pointee.recent_requests, row.pointee.recent_failures) == (0, 0))
        #expect(find(rows) == nil)
    }

    /// A member that failures put down keeps what is known of it.
    @Test func whoWasNoOutlierForgetsNothing() {
        let rows = make(latencies: [100])
        defer { withExtendedLifetime(rows) {} }
        let row = rows[0]
        #expect(health.failed(row, .init(isDoubtful: false), now: 1, wallClock: 1) == .wentDown)
        #expect(health.trialHeld(row, wallClock: 2) == .cameUp)
        #expect(row.pointee.latency != 0)
    }

    /// Longer each time it stands out soon again, up to sixteen times; as in the beginning after a good while.
    @Test func soonAgainForLonger() {
        let rows = Rows(count: 1)
        defer { withExtendedLifetime(rows) {} }
        let row = rows[0]
        var wall: UInt64 = 1_000_000_000
        var waits: [UInt64] = []
        for _ in 0..<7 {
            waits.append(health.eject(row, now: 5, wallClock: wall) ?? 0)
            #expect(row.pointee.retry_at == 5 + (waits.last ?? 0))
            wall += 1_000_000
            _ = health.trialHeld(row, wallClock: wall)
            wall += 60_000_000
        }
        #expect(waits.map { $0 / 10_000_000 } == [1, 2, 4, 8, 16, 16, 16])
        wall += 160_000_000
        #expect(health.eject(row, now: 5, wallClock: wall) == 10_000_000)
    }

    /// A trial that fails is one that fails, whatever put the member down.
    @Test func aFailedTrialDoublesToo() {
        let rows = Rows(count: 1)
        defer { withExtendedLifetime(rows) {} }
        let row = rows[0]
        _ = health.eject(row, now: 0, wallClock: 1)
        #expect(
            health.failed(row, .init(isDoubtful: false, wasTrial: true), now: 10_000_000, wallClock: 2) == .stillDown)
        #expect(row.pointee.retry_at == 30_000_000)
        #expect(row.state.isOutlier)
    }

    @Test(arguments: [FARM_DOWN_BY_FAILURES, FARM_DOWN_BY_MONITOR, FARM_DOWN_BY_FAILURES | FARM_DOWN_AS_OUTLIER])
    func whoIsDownIsNotPutDownAgain(_ word: UInt32) {
        let rows = Rows(count: 1)
        defer { withExtendedLifetime(rows) {} }
        let row = rows[0]
        row.publish(MemberState(word: word))
        #expect(health.eject(row, now: 5, wallClock: 6) == nil)
        #expect(row.state.word == word && row.pointee.retry_at == 0)
    }

    /// The administrator's word and the outlier's state do not touch each other.
    @Test func aDrainingOutlier() {
        let rows = Rows(count: 1)
        defer { withExtendedLifetime(rows) {} }
        let row = rows[0]
        _ = health.eject(row, now: 5, wallClock: 6)
        row.publish(row.state.with(admin: .drain))
        #expect(row.state.isOutlier && !row.state.mayBeTried)
        row.publish(row.state.with(admin: .on))
        #expect(row.state.mayBeTried)
    }

    @Test func aMonitorsUpEndsItToo() {
        let rows = make(latencies: [100])
        defer { withExtendedLifetime(rows) {} }
        let row = rows[0]
        _ = health.eject(row, now: 5, wallClock: 6)
        #expect(MonitoredHealth.note(.up, row, wallClock: 7) == .cameUp)
        #expect(row.state.isAvailable && !row.state.isOutlier && row.pointee.latency == 0)
    }
}
