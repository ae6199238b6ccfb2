import CFarm
import FarmTestSupport
import Testing

@testable import FarmCore

/// What of a farm's conditions the log tells, by a table: at each moment a condition is seen, and perhaps a line comes of it.
@Suite struct ConditionWatchTests {
    struct Step: Sendable {
        /// Milliseconds.
        var at: UInt64
        var condition: Condition
        /// Refused since the step before.
        var refused = 0
        var line: ConditionWatch.Line?
        var pending = false
    }

    struct Story: Sendable, CustomStringConvertible {
        var description: String
        var steps: [Step]
    }

    private static func told(_ condition: Condition, _ length: UInt64, _ refused: UInt64 = 0) -> ConditionWatch.Line {
        ConditionWatch.Line(condition: condition, length: length, refused: refused)
    }

    static let stories: [Story] = [
        Story(
            description: "ok from the start says nothing",
            steps: [
                Step(at: 5_000, condition: .ok), Step(at: 50_000, condition: .ok),
            ]),
        Story(
            description: "down is told once it has held, and its end with its whole length",
            steps: [
                Step(at: 5_000, condition: .down, pending: true), Step(at: 5_999, condition: .down, pending: true),
                Step(at: 6_000, condition: .down, line: told(.down, 1_000)), Step(at: 60_000, condition: .down),
                Step(at: 61_000, condition: .ok, refused: 7, pending: true),
                Step(at: 61_999, condition: .ok, pending: true),
                Step(at: 62_500, condition: .ok, line: told(.ok, 56_000, 7)), Step(at: 90_000, condition: .ok),
            ]),
        Story(
            description: "less than a second is not told",
            steps: [
                Step(at: 5_000, condition: .down, pending: true), Step(at: 5_900, condition: .ok, pending: true),
                Step(at: 8_000, condition: .ok),
            ]),
        Story(
            description: "one condition after another: the end tells the time since it was ok",
            steps: [
                Step(at: 5_000, condition: .down, pending: true),
                Step(at: 6_000, condition: .down, refused: 2, line: told(.down, 1_000, 2)),
                Step(at: 20_000, condition: .offline, pending: true),
                Step(at: 21_000, condition: .offline, refused: 3, line: told(.offline, 1_000, 5)),
                Step(at: 30_000, condition: .ok, pending: true),
                Step(at: 31_000, condition: .ok, line: told(.ok, 25_000, 5)),
            ]),
        Story(
            description: "a short recovery in between is not told",
            steps: [
                Step(at: 5_000, condition: .down, pending: true),
                Step(at: 6_000, condition: .down, line: told(.down, 1_000)),
                Step(at: 7_000, condition: .ok, pending: true), Step(at: 7_500, condition: .down, pending: true),
                Step(at: 9_000, condition: .down), Step(at: 10_000, condition: .ok, pending: true),
                Step(at: 11_000, condition: .ok, line: told(.ok, 5_000)),
            ]),
        Story(
            description: "full at most once in ten seconds",
            steps: [
                Step(at: 5_000, condition: .full, pending: true),
                Step(at: 6_200, condition: .full, refused: 9, line: told(.full, 1_200, 9), pending: true),
                Step(at: 7_000, condition: .full, pending: true), Step(at: 8_000, condition: .ok, pending: true),
                Step(at: 9_000, condition: .ok, line: told(.ok, 3_000, 9)),
                Step(at: 10_000, condition: .full, pending: true), Step(at: 12_000, condition: .full, pending: true),
                Step(at: 18_000, condition: .full, line: told(.full, 8_000), pending: true),
            ]),
    ]

    @Test(arguments: stories) func story(_ story: Story) {
        let rows = Rows(count: 1)
        for (number, step) in story.steps.enumerated() {
            for _ in 0..<step.refused { rows.farm.count(.refused, .serverError) }
            let look = ConditionWatch.look(rows.farm, step.condition, now: step.at * 1000 + 7)
            #expect(look == ConditionWatch.Look(line: step.line, isPending: step.pending), "step \(number)")
            // Nobody else writes that line.
            if step.line != nil {
                #expect(ConditionWatch.look(rows.farm, step.condition, now: step.at * 1000 + 8).line == nil)
            }
        }
    }

    /// Of many who look at the same time one gets the line.
    @Test func oneOfMany() async {
        let rows = Rows(count: 1)
        let farm = UInt(bitPattern: rows.farm)
        for round: UInt64 in 1...200 {
            let condition: Condition = round % 2 == 0 ? .ok : .down
            let at = round * 10_000_000
            _ = ConditionWatch.look(rows.farm, condition, now: at)
            let lines = await withTaskGroup(of: Int.self) { group in
                for _ in 0..<4 {
                    group.addTask {
                        let row = FarmRow(bitPattern: farm)!
                        return (0..<50).count { _ in
                            ConditionWatch.look(row, condition, now: at + 1_500_000).line != nil
                        }
                    }
                }
                return await group.reduce(0, +)
            }
            #expect(lines == 1, "round \(round)")
        }
        withExtendedLifetime(rows) {}
    }

    @Test func refusalsOnceASecond() {
        let rows = Rows(count: 1)
        let second: UInt64 = 1_000_000
        #expect(ConditionWatch.untold(rows.farm, now: second) == 0)
        #expect(ConditionWatch.refused(rows.farm, now: 5 * second) == 1)
        for step: UInt64 in 1...99 { #expect(ConditionWatch.refused(rows.farm, now: 5 * second + step * 10_000) == 0) }
        #expect(ConditionWatch.refused(rows.farm, now: 6 * second) == 100)
        #expect(ConditionWatch.refused(rows.farm, now: 6 * second + 1) == 0)
        #expect(ConditionWatch.untold(rows.farm, now: 6 * second + 2) == 0)
        // What nobody has told after the last of them.
        #expect(ConditionWatch.untold(rows.farm, now: 9 * second) == 1)
        #expect(ConditionWatch.untold(rows.farm, now: 20 * second) == 0)
        #expect(ConditionWatch.refused(rows.farm, now: 30 * second) == 1)
    }

    @Test func spans() {
        let expected: [(UInt64, String)] = [
            (0, "0 ms"), (250_000, "250 ms"), (999_999, "999 ms"), (1_000_000, "1 s"), (1_500_000, "1.5 s"),
            (9_999_999, "9.9 s"), (43_000_000, "43 s"), (119_000_000, "119 s"), (120_000_000, "2 min"),
            (320_000_000, "5 min 20 s"), (7_200_000_000, "2 h"), (11_100_000_000, "3 h 5 min"),
            (187_200_000_000, "2 d 4 h"), (172_800_000_000, "2 d"),
        ]
        for (length, text) in expected {
            var written = ""
            do {
                var out = ByteWriter { bytes, length in
                    written += String(decoding: UnsafeBufferPointer(start: bytes, count: length), as: UTF8.self)
                }
                out.span(microseconds: length)
            }
            #expect(written == text)
        }
    }
}
