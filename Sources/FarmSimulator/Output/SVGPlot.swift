import Foundation

/// Results as a picture: a panel for each scenario, a row for each algorithm, latencies on a logarithmic axis. A percentile
/// has a colour (Okabe and Ito's, which the colour-blind can tell apart), a shape, and a name in the legend.
public enum SVGPlot {
    private static let width = 940.0
    private static let left = 170.0
    private static let right = 790.0
    private static let rowHeight = 22.0
    private static let top = 92.0
    private static let marks: [(quantile: Double, name: String, colour: String)] = [
        (0.5, "p50 (circle)", "#0072B2"), (0.99, "p99 (square)", "#E69F00"), (0.999, "p99.9 (triangle)", "#D55E00"),
    ]

    /// A whole SVG document. `outcomes` are in order: those of a scenario one after the other.
    public static func text(_ outcomes: [Outcome], summaries: (String) -> String) -> String {
        var panels: [[Outcome]] = []
        for outcome in outcomes {
            if panels.last?.first?.scenario == outcome.scenario {
                panels[panels.count - 1].append(outcome)
            } else {
                panels.append([outcome])
            }
        }
        var body = ""
        var y = top
        for panel in panels {
            body += self.panel(panel, summary: summaries(panel[0].scenario), y: y)
            y += Double(panel.count) * rowHeight + 100
        }
        return """
            <?xml version="1.0" encoding="UTF-8"?>
            <svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 \(number(width)) \(number(y))" width="\(number(width))" \
            height="\(number(y))" font-family="sans-serif" font-size="13">
            <title>farmsim: latency by algorithm</title>
            <rect width="100%" height="100%" fill="white"/>
            <text x="20" y="30" font-size="18" font-weight="bold">farmsim: latency by algorithm</text>
            \(legend())\(body)</svg>

            """
    }

    private static func legend() -> String {
        var text = ""
        for (at, mark) in marks.enumerated() {
            let x = 20 + Double(at) * 160
            text += shape(at, x: x + 6, y: 50) + label(mark.name, x: x + 18, y: 54)
        }
        return text + label("failed requests count as the client's timeout", x: 510, y: 54, colour: "#555")
    }

    private static func panel(_ panel: [Outcome], summary: String, y: Double) -> String {
        let values = panel.flatMap { outcome in marks.map { max(0.001, outcome.percentile($0.quantile)) } }
        let low = floor(log10(values.min() ?? 1))
        let high = max(low + 1, ceil(log10(values.max() ?? 1)))
        func x(_ milliseconds: Double) -> Double {
            left + (right - left) * (log10(max(0.001, milliseconds)) - low) / (high - low)
        }
        let bottom = y + 30 + Double(panel.count) * rowHeight
        var text = label("\(panel[0].scenario): \(summary)", x: 20, y: y + 8, weight: "bold")
        text += label("success", x: right + 30, y: y + 24, colour: "#555")
        for decade in Int(low)...Int(high) {
            for step in [1.0, 2, 5] {
                let at = step * pow(10, Double(decade))
                guard log10(at) <= high + 1e-9 else { continue }
                text += """
                    <line x1="\(number(x(at)))" y1="\(number(y + 30))" x2="\(number(x(at)))" y2="\(number(bottom))" \
                    stroke="\(step == 1 ? "#bbb" : "#e6e6e6")"/>

                    """
                text += label(String(format: "%g", at), x: x(at), y: bottom + 16, anchor: "middle")
            }
        }
        text += label("latency, ms (logarithmic)", x: (left + right) / 2, y: bottom + 34, anchor: "middle")
        for (row, outcome) in panel.enumerated() {
            let middle = y + 30 + (Double(row) + 0.5) * rowHeight
            let places = marks.map { x(outcome.percentile($0.quantile)) }
            text += label(outcome.algorithm, x: left - 10, y: middle + 4, anchor: "end")
            text += """
                <line x1="\(number(places[0]))" y1="\(number(middle))" x2="\(number(places[2]))" \
                y2="\(number(middle))" stroke="#888" stroke-width="1.5"/>

                """
            // The first on top, where they meet.
            for at in marks.indices.reversed() { text += shape(at, x: places[at], y: middle) }
            text += label(String(format: "%.3f %%", outcome.success * 100), x: right + 30, y: middle + 4)
        }
        return text
    }

    private static func shape(_ mark: Int, x: Double, y: Double) -> String {
        let fill = "fill=\"\(marks[mark].colour)\"/>\n"
        switch mark {
        case 0: return "<circle cx=\"\(number(x))\" cy=\"\(number(y))\" r=\"4.5\" \(fill)"
        case 1: return "<rect x=\"\(number(x - 4.5))\" y=\"\(number(y - 4.5))\" width=\"9\" height=\"9\" \(fill)"
        default:
            let corners = [(x, y - 6), (x - 6, y + 5), (x + 6, y + 5)]
            let points = corners.map { "\(number($0.0)),\(number($0.1))" }.joined(separator: " ")
            return "<polygon points=\"\(points)\" \(fill)"
        }
    }

    private static func label(
        _ text: String, x: Double, y: Double, anchor: String = "start", weight: String = "normal",
        colour: String = "#222"
    ) -> String {
        "<text x=\"\(number(x))\" y=\"\(number(y))\" text-anchor=\"\(anchor)\" font-weight=\"\(weight)\" "
            + "fill=\"\(colour)\">\(escaped(text))</text>\n"
    }

    private static func number(_ value: Double) -> String { String(format: "%.1f", value) }

    private static func escaped(_ text: String) -> String {
        text.replacingOccurrences(of: "&", with: "&amp;").replacingOccurrences(of: "<", with: "&lt;")
            .replacingOccurrences(of: ">", with: "&gt;")
    }
}
