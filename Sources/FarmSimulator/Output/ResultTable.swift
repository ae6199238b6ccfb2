import Foundation

/// Results as text for people: a block for each scenario, a line for each algorithm.
public enum ResultTable {
    private static let header =
        "algorithm            p50 ms    p99 ms  p99.9 ms  success %  goodput/s  share min  share max  share odd"

    /// The lines, each ended. `outcomes` are in order: those of a scenario one after the other.
    public static func text(_ outcomes: [Outcome], summaries: (String) -> String) -> String {
        var text = ""
        var last: String?
        for outcome in outcomes {
            if outcome.scenario != last {
                if last != nil { text += "\n" }
                text += "\(outcome.scenario): \(summaries(outcome.scenario)) "
                text += "(\(outcome.requests) requests, seed \(outcome.seed))\n\(header)\n"
                last = outcome.scenario
            }
            text += line(outcome)
        }
        return text
    }

    private static func line(_ outcome: Outcome) -> String {
        let columns = [
            number(outcome.percentile(0.5), 2, 8), number(outcome.percentile(0.99), 2, 10),
            number(outcome.percentile(0.999), 2, 10), number(outcome.success * 100, 3, 11),
            number(outcome.goodput, 1, 11), number(outcome.shares.min() ?? 0, 5, 11),
            number(outcome.shares.max() ?? 0, 5, 11),
            outcome.oddShare.map { number($0, 5, 11) } ?? "          -",
        ]
        return outcome.algorithm.padding(toLength: 19, withPad: " ", startingAt: 0) + columns.joined() + "\n"
    }

    private static func number(_ value: Double, _ digits: Int, _ width: Int) -> String {
        let text = String(format: "%.\(digits)f", value)
        return String(repeating: " ", count: max(0, width - text.count)) + text
    }
}
