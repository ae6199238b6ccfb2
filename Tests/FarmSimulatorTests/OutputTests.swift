import Foundation
import FoundationXML
import Testing

@testable import FarmSimulator

@Suite struct OutputTests {
    private static let outcomes = [
        Outcome(
            scenario: "a", algorithm: "one", seed: 3, requests: 4, succeeded: 3, span: 2,
            latencies: [1_000, 2_000, 3_000, 1_000_000], shares: [0.25, 0.75], oddShare: 0.25),
        Outcome(
            scenario: "a", algorithm: "two, or \"2\"", seed: 3, requests: 1, succeeded: 1, span: 2, latencies: [7],
            shares: [1, 0], oddShare: nil),
        Outcome(
            scenario: "b<&>", algorithm: "one", seed: 3, requests: 0, succeeded: 0, span: 0, latencies: [], shares: [],
            oddShare: nil),
    ]

    @Test func percentilesAreNearestRanks() {
        let outcome = Self.outcomes[0]
        #expect(outcome.percentile(0.5) == 2)
        #expect(outcome.percentile(0.75) == 3)
        #expect(outcome.percentile(0.76) == 1_000)
        #expect(outcome.percentile(0) == 1)
        #expect(outcome.success == 0.75 && outcome.goodput == 1.5)
        #expect(outcome.mean == 251.5)
    }

    @Test func csvHasTheSameFieldsInEachLine() {
        let lines = CSV.text(Self.outcomes).split(separator: "\n")
        #expect(lines.count == 4)
        #expect(lines[1] == "a,one,3,4,3,0.750000,1.50,251.500,2.000,1000.000,1000.000,0.250000,0.750000,0.250000")
        // The quoted field hides its comma, and doubles its quotes.
        #expect(lines[2].hasPrefix("a,\"two, or \"\"2\"\"\",3,1,"))
        #expect(lines.map { Self.fields(String($0)) } == [Int](repeating: CSV.columns.count, count: 4))
    }

    private static func fields(_ line: String) -> Int {
        var quoted = false
        return line.reduce(1) { count, character in
            if character == "\"" { quoted.toggle() }
            return character == "," && !quoted ? count + 1 : count
        }
    }

    /// An XML parser reads it, and finds a panel for each scenario and three shapes for each row and the legend.
    @Test func svgIsWellFormed() {
        final class Counter: NSObject, XMLParserDelegate {
            var elements: [String: Int] = [:]
            var text = ""
            func parser(
                _ parser: XMLParser, didStartElement name: String, namespaceURI: String?, qualifiedName: String?,
                attributes: [String: String]
            ) {
                elements[name, default: 0] += 1
                for (key, value) in attributes where ["x", "y", "cx", "cy", "x1", "x2"].contains(key) {
                    if Double(value)?.isFinite != true { elements["bad number", default: 0] += 1 }
                }
            }
            func parser(_ parser: XMLParser, foundCharacters string: String) { text += string }
        }
        let svg = SVGPlot.text(Self.outcomes) { "about \($0)" }
        let parser = XMLParser(data: Data(svg.utf8))
        let counter = Counter()
        parser.delegate = counter
        #expect(parser.parse(), "\(String(describing: parser.parserError))")
        #expect(counter.elements["svg"] == 1 && counter.elements["title"] == 1)
        #expect(counter.elements["circle"] == 4)
        #expect(counter.elements["polygon"] == 4)
        #expect(counter.elements["rect"] == 4 + 1)
        #expect(counter.elements["bad number"] == nil)
        #expect(counter.text.contains("about b<&>") && counter.text.contains("latency, ms (logarithmic)"))
    }

    @Test func theTableHasALineForEach() {
        let lines = ResultTable.text(Self.outcomes) { "about \($0)" }.split(separator: "\n")
        #expect(lines.count == 2 * 2 + 3)
        #expect(lines[2].hasPrefix("one ") && lines[2].contains("75.000"))
    }
}
