import CFarm
import FarmTestSupport
import Testing

@testable import FarmCore

/// What a request counts as, by the table of the contract.
@Suite struct OutcomeTests {
    struct Case: Sendable, CustomStringConvertible {
        var last: RequestOutcome?
        var forwarded = false
        var attempts: UInt32 = 1
        var left = false
        var expected: RequestOutcome
        var description: String { "\(last.map { "\($0)" } ?? "nothing") \(forwarded) \(attempts) \(left)" }
    }

    static let cases: [Case] = [
        Case(last: .served, expected: .served), Case(last: .served, attempts: 3, expected: .served),
        Case(last: .served, left: true, expected: .aborted),
        Case(last: .failed, expected: .failed), Case(last: .failed, left: true, expected: .failed),
        Case(last: .aborted, expected: .aborted), Case(last: .aborted, left: true, expected: .aborted),
        Case(last: .redirected, attempts: 0, expected: .redirected),
        Case(last: .redirected, attempts: 2, left: true, expected: .redirected),
        // To a server.
        Case(last: .forwarded, attempts: 0, expected: .forwarded),
        Case(last: .forwarded, left: true, expected: .forwarded),
        // Whatever became of it in the other farm.
        Case(last: .served, forwarded: true, expected: .forwarded),
        Case(last: .failed, forwarded: true, expected: .forwarded),
        Case(last: .aborted, forwarded: true, left: true, expected: .forwarded),
        Case(last: .redirected, forwarded: true, attempts: 0, expected: .forwarded),
        Case(last: nil, forwarded: true, attempts: 0, expected: .forwarded),
        // No member would do, also when nobody waits for the answer any more.
        Case(last: nil, attempts: 0, expected: .refused), Case(last: nil, attempts: 0, left: true, expected: .refused),
        // One was chosen, and the attempt never ended.
        Case(last: nil, expected: .failed), Case(last: nil, left: true, expected: .aborted),
    ]

    @Test(arguments: cases) func ofARequest(_ one: Case) {
        let outcome = RequestOutcome.of(
            last: one.last, wasForwarded: one.forwarded, attempts: one.attempts, clientLeft: one.left)
        #expect(outcome == one.expected)
    }

    @Test func ofAnAttempt() {
        let cases: [(Evidence, RequestOutcome)] = [
            ([.answer, .sent], .served), ([.answer], .served), ([.answer, .sent, .broke], .failed),
            ([.answer, .sent, .broke, .client], .aborted), ([.answer, .sent, .client], .aborted),
            ([.held, .sent], .failed), ([.client, .sent], .aborted), ([.client], .aborted), ([.broke, .sent], .failed),
            ([.broke, .sent, .stale], .failed), ([.timeout, .sent], .failed), ([.unreachable], .failed),
            ([.shortage], .failed), ([], .failed),
        ]
        for (saw, expected) in cases { #expect(RequestOutcome.of(saw) == expected, "\(saw.rawValue)") }
    }

    @Test func classes() {
        let expected: [(ClosedRange<UInt32>, AnswerClass)] = [
            (0...100, .serverError), (101...101, .informational), (102...199, .serverError), (200...299, .successful),
            (300...399, .redirection), (400...499, .clientError), (500...700, .serverError),
            (UInt32.max...UInt32.max, .serverError),
        ]
        for (range, answer) in expected {
            for status in range { #expect(AnswerClass(status: status) == answer, "\(status)") }
        }
    }

    @Test func numbersAreThoseOfTheTables() {
        #expect(RequestOutcome.allCases.map(\.rawValue) == Array(0..<FARM_OUTCOMES))
        #expect(AnswerClass.allCases.map(\.rawValue) == Array(0..<FARM_CLASSES))
        #expect(Arrival.allCases.map(\.rawValue) == Array(0..<FARM_CAME))
        #expect(
            RequestOutcome.refused.rawValue == FARM_OUTCOME_REFUSED
                && RequestOutcome.aborted.rawValue == FARM_OUTCOME_ABORTED)
        #expect(Arrival.forward.rawValue == FARM_CAME_FORWARD && Arrival.handOn.rawValue == FARM_CAME_HAND_ON)
    }

    /// Each pair has a counter of its own.
    @Test func cells() {
        let row = FarmRow.allocate(capacity: 1)
        defer { row.deallocate() }
        row.initialize(to: farm_farm_row())
        var count = 0
        for outcome in RequestOutcome.allCases {
            for answer in AnswerClass.allCases {
                count += 1
                for _ in 0..<count { row.count(outcome, answer) }
            }
        }
        #expect(Set((0..<30).map { farm_row_ended(row)[$0] }) == Set(1...30))
        #expect(RequestOutcome.allCases.map { row.count(of: $0) } == [15, 40, 65, 90, 115, 140])
        #expect(AnswerClass.allCases.reduce(0) { $0 + row.count(of: $1) } == 465)
    }
}
