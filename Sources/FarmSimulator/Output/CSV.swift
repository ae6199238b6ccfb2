import Foundation

/// Results as comma-separated values (RFC 4180, lines ended by a line feed): a line for each scenario and algorithm.
public enum CSV {
    static let columns = [
        "scenario", "algorithm", "seed", "requests", "succeeded", "success", "goodput_per_s", "mean_ms", "p50_ms",
        "p99_ms", "p999_ms", "share_min", "share_max", "share_odd",
    ]

    public static func text(_ outcomes: [Outcome]) -> String {
        ([columns.joined(separator: ",")] + outcomes.map(line)).map { $0 + "\n" }.joined()
    }

    private static func line(_ outcome: Outcome) -> String {
        let fields = [
            quoted(outcome.scenario), quoted(outcome.algorithm), "\(outcome.seed)", "\(outcome.requests)",
            "\(outcome.succeeded)", String(format: "%.6f", outcome.success), String(format: "%.2f", outcome.goodput),
            String(format: "%.3f", outcome.mean), String(format: "%.3f", outcome.percentile(0.5)),
            String(format: "%.3f", outcome.percentile(0.99)), String(format: "%.3f", outcome.percentile(0.999)),
            String(format: "%.6f", outcome.shares.min() ?? 0), String(format: "%.6f", outcome.shares.max() ?? 0),
            outcome.oddShare.map { String(format: "%.6f", $0) } ?? "",
        ]
        return fields.joined(separator: ",")
    }

    private static func quoted(_ text: String) -> String {
        guard text.contains(where: { $0 == "," || $0 == "\"" || $0.isNewline }) else { return text }
        return "\"" + text.replacingOccurrences(of: "\"", with: "\"\"") + "\""
    }
}
