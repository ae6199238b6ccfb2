import CFarm
import FarmTestSupport
import Testing

@testable import FarmCore

/// "they put down no member when half of the farm's members that are on are down already, and never the last available one,
/// unless no member of the farm has completed an answer for `retry`"
@Suite struct DoubtGuardTests {
    @Test func theRule() {
        for wanted: UInt32 in 0...8 {
            for down in 0...wanted {
                for available in 0...(wanted - down) {
                    let loud = DoubtGuard(wanted: wanted, down: down, available: available, isSilent: false)
                    let half = Double(down) >= Double(wanted) / 2
                    #expect(loud.mayPutDown == (!half && available >= 2), "\(wanted) \(down) \(available)")
                    let silent = DoubtGuard(wanted: wanted, down: down, available: available, isSilent: true)
                    #expect(silent.mayPutDown)
                }
            }
        }
    }

    // MARK: What it sees of the rows

    private static let now: UInt64 = 1_000_000_000
    private static let retry: UInt64 = 10_000_000

    /// A member as the guard sees it.
    enum State: Sendable {
        /// Answered just now, or longer ago than `retry`; once; never.
        case answered, quiet, young, fresh
        /// Fails since so many microseconds, and answered with a status that did not come to its end just now.
        case failing(for: UInt64)
        /// Switched to another protocol so many microseconds ago, after its last answer.
        case switched(ago: UInt64)
        case down, drain, off, monitor, out
    }

    private func look(_ states: [State]) -> DoubtGuard {
        let rows = Rows(count: states.count)
        defer { withExtendedLifetime(rows) {} }
        func answered(_ row: MemberRow, at time: UInt64) {
            for _ in 0..<FirstAnswers.wanted { Experience.answered(row, latency: 1_000, isError: false, now: time) }
        }
        for (at, state) in states.enumerated() {
            let row = rows[at]
            row.pointee.updated_us = Self.now
            switch state {
            case .answered: answered(row, at: Self.now - 1_000)
            case .quiet: answered(row, at: Self.now - Self.retry)
            case .young: Experience.answered(row, latency: 1_000, isError: false, now: Self.now - 1_000)
            case .fresh: break
            case .failing(let time):
                answered(row, at: Self.now - 1_000)
                row.pointee.failing = 1
                row.pointee.failing_since = Self.now - time
            case .switched(let time):
                answered(row, at: Self.now - Self.retry)
                row.pointee.switched_at = Self.now - time
            case .down:
                row.publish(MemberState(word: FARM_DOWN_BY_FAILURES))
                row.pointee.failing = 1
            case .drain, .off:
                row.publish(MemberState(word: 0).with(admin: { if case .off = state { .off } else { .drain } }()))
                answered(row, at: Self.now - 1_000)
            case .monitor:
                row.publish(MemberState(word: FARM_DOWN_BY_MONITOR))
                answered(row, at: Self.now - 1_000)
            case .out:
                row.pointee.updated_us = 1
                answered(row, at: Self.now - 1_000)
            }
        }
        return DoubtGuard(
            UnsafeBufferPointer(rows.members), freshness: Freshness(expect: 100_000_000, ignores: false),
            retry: Self.retry, now: Self.now)
    }

    static let looks: [(states: [State], wanted: UInt32, down: UInt32, available: UInt32, isSilent: Bool)] = [
        ([], 0, 0, 0, true),
        ([.answered, .answered], 2, 0, 2, false),
        ([.quiet, .answered], 2, 0, 2, false),
        ([.quiet, .quiet], 2, 0, 2, true),
        ([.fresh, .fresh], 2, 0, 2, true),
        ([.fresh, .young], 2, 0, 2, false),
        ([.failing(for: 9_999_999), .down], 2, 1, 1, false),
        ([.failing(for: 10_000_000), .down], 2, 1, 1, true),
        ([.failing(for: 10_000_000), .answered, .down, .down], 4, 2, 2, false),
        ([.switched(ago: 9_999_999), .quiet], 2, 0, 2, false),
        ([.switched(ago: 10_000_000), .quiet], 2, 0, 2, true),
        ([.failing(for: 10_000_000), .drain], 1, 0, 1, true),
        ([.failing(for: 10_000_000), .off], 1, 0, 1, true),
        ([.failing(for: 10_000_000), .monitor], 2, 1, 1, true),
        ([.failing(for: 10_000_000), .out], 2, 0, 1, true),
    ]

    @Test(arguments: looks.indices) func whatItSees(_ number: Int) {
        let (states, wanted, down, available, isSilent) = Self.looks[number]
        let seen = look(states)
        #expect((seen.wanted, seen.down, seen.available, seen.isSilent) == (wanted, down, available, isSilent))
    }
}
