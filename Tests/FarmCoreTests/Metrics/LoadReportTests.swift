import FarmTestSupport
import Foundation
import Testing

@testable import FarmCore

@Suite struct LoadReportTests {
    @Test(
        arguments: [
            ("TEXT cpu_utilization=0.3, named_metrics.db=12", ["cpu_utilization": 0.3, "db": 12]),
            ("cpu_utilization=0.3,named_metrics.db=12", ["cpu_utilization": 0.3, "db": 12]),
            ("text a=1", ["a": 1]),
            ("Text\ta=1", ["a": 1]),
            ("  \t TEXT   a = 1 ,\tb=\t2  ", ["a": 1, "b": 2]),
            (" a=-1", ["a": -1]),
            ("a=.5,A=1e3", ["a": 0.5, "A": 1_000]),
            ("text=5", ["text": 5]),
            ("json=5", ["json": 5]),
            ("utilization.queue=0.5", ["utilization.queue": 0.5]),
            ("named_metrics=1", ["named_metrics": 1]),
            ("named_metrics.named_metrics.a=1", ["named_metrics.a": 1]),
            ("Named_metrics.a=1", ["Named_metrics.a": 1]),
            // The name that is stored is what has to be short.
            ("named_metrics.\(a32)=1", [a32: 1]),
            ("JSON {\"cpu_utilization\":0.3,\"named_metrics\":{\"db\":12}}", ["cpu_utilization": 0.3, "db": 12]),
            ("json\t{\"a\":1}", ["a": 1]),
            ("{\"a\":1}", ["a": 1]),
            (" \t{\"a\":1}", ["a": 1]),
            ("JSON  \r\n { \t\"a\" :\n1 ,\r\"b\": { } } \n", ["a": 1]),
            ("{\"a\":{\"b\":1,\"c\":2},\"d\":{\"e\":3},\"f\":4}", ["a.b": 1, "a.c": 2, "d.e": 3, "f": 4]),
            ("{\"named_metrics\":{\"db\":1},\"db2\":2}", ["db": 1, "db2": 2]),
            ("{\"named_metrics.db\":1}", ["db": 1]),
            ("{\"named_metrics\":{\"\(a32)\":1}}", [a32: 1]),
            (
                "{\"a\":-0,\"b\":0,\"c\":0.5,\"d\":-1.25e2,\"e\":1E-2,\"f\":0e1,\"g\":10}",
                [
                    "a": -0.0, "b": 0, "c": 0.5, "d": -125, "e": 0.01, "f": 0, "g": 10,
                ]
            ),
            // Null says that it is unknown.
            ("{\"a\":null,\"b\":1}", ["b": 1]),
            ("{\"a\":{\"x\":null},\"b\":1,\"c\":null}", ["b": 1]),
            ("{\"\\u0061\\u0062\":1}", ["ab": 1]),
            ("{\"\\u005F\\u005f\":1}", ["__": 1]),
        ] as [(String, [String: Double])])
    func isRead(_ text: String, _ metrics: [String: Double]) { #expect(Reading.report(text) == metrics) }

    private static let a32 = String(repeating: "a", count: 32)

    @Test(arguments: [
        "", " ", "TEXT", "TEXT ", "TEXT\t \t", "JSON", "JSON ", "BIN CAFE", "a", "a=", "=1", "=", ",", "a=1,", ",a=1",
        "a=1,,b=2",
        "a=1;b=2", "a=1 b=2", "a=1, b", "a=1, b=", "a=1, b=x", "a==1", "a=1=2", "a=+1", "a=5.", "a=0x10", "a=nan",
        "a=inf",
        "a=1e999", "a=1_0", "1a=1", ".a=1", "a-b=1", "a b=1", "ä=1", "a=1\n", "a=1\u{0}", "a=\"1\"",
        "named_metrics.=1", "a=1,a=2", "a=1,b=2,a=1", "named_metrics.a=1,a=1", "TEXT {\"a\":1}", "JSON a=1",
        "TEXT TEXT a=1",
        "x{\"a\":1}", "TEXT: a=1", "\(String(repeating: "a", count: 33))=1", "a=\(String(repeating: "1", count: 65))",
    ])
    func textThatIsNone(_ text: String) { #expect(Reading.report(text) == nil) }

    @Test(arguments: [
        "{", "}", "{}", "{}}", "{{}}", "[]", "[1]", "{\"a\"}", "{\"a\":}", "{\"a\":1", "{\"a\":1,}", "{,\"a\":1}",
        "{\"a\":1,,\"b\":2}",
        "{\"a\" 1}", "{\"a\"::1}", "{\"a\":1 \"b\":2}", "{\"a\":1}x", "{\"a\":1}{}", "{\"a\":1},", "{a:1}", "{'a':1}",
        "{\"a:1}",
        "{\"a\":\"1\"}", "{\"a\":true}", "{\"a\":false}", "{\"a\":[1]}", "{\"a\":[]}", "{\"a\":nul}", "{\"a\":nulll}",
        "{\"a\":NULL}",
        "{\"a\":1,\"b\":nil}",
        // Numbers of ours that are none of JSON's, and of nobody's.
        "{\"a\":01}", "{\"a\":-01}", "{\"a\":00}", "{\"a\":.5}", "{\"a\":-.5}", "{\"a\":5.}", "{\"a\":1e999}",
        "{\"a\":-}", "{\"a\":+1}",
        "{\"a\":1e}", "{\"a\":1e+}", "{\"a\":--1}", "{\"a\":0x1}", "{\"a\":NaN}", "{\"a\":Infinity}",
        "{\"a\":-Infinity}", "{\"a\":1_0}",
        "{\"a\":1.2.3}", "{\"a\":\(String(repeating: "1", count: 65))}",
        // One level and no more.
        "{\"a\":{\"b\":{\"c\":1}}}", "{\"a\":{\"b\":{}},\"c\":1}", "{\"a\":{\"b\":1}", "{\"a\":{\"b\":1}}}",
        // Names.
        "{\"\":1}", "{\"1\":1}", "{\"a b\":1}", "{\"a\\\"b\":1}", "{\"a\\nb\":1}", "{\"a\nb\":1}", "{\"a\u{0}\":1}",
        "{\"ä\":1}",
        "{\"\\u00e4\":1}", "{\"\\u0100\":1}", "{\"\\u61\":1}", "{\"\\u006\":1}", "{\"\\u006g\":1}", "{\"\\x61\":1}",
        "{\"\\u0061",
        "{\"a\\\":1}", "{\"\\u000a\":1}", "{\"named_metrics.\":1}", "{\"named_metrics\":{\"\":1}}", "{\"\":{\"a\":1}}",
        "{\"a\":{\"\\u0020\":1}}",
        // A name twice, however it is written.
        "{\"a\":1,\"a\":1}", "{\"a\":1,\"b\":2,\"a\":3}", "{\"a\":1,\"\\u0061\":1}", "{\"a.b\":1,\"a\":{\"b\":1}}",
        "{\"a\":1,\"named_metrics\":{\"a\":2}}", "{\"a\":{\"x\":1},\"a\":{\"x\":2}}",
        "{\"\(String(repeating: "a", count: 33))\":1}", "{\"\(String(repeating: "a", count: 100_000))\":null,\"b\":1}",
    ])
    func jsonThatIsNone(_ text: String) {
        #expect(Reading.report(text) == nil)
        #expect(Reading.report("JSON " + text) == nil)
    }

    /// A report that opens a million objects ends at the second.
    @Test(arguments: ["{\"a\":", "{", "[", "{\"a\":{\"b\":", "{\"a\":-"]) func depthIsBounded(_ opening: String) {
        #expect(Reading.report(String(repeating: opening, count: 200_000)) == nil)
    }

    @Test func noMoreNamesThanThereIsRoomFor() {
        #expect(Reading.report("a=1,b=2,c=3", most: 3)?.count == 3)
        #expect(Reading.report("a=1,b=2,c=3,d=4", most: 3) == nil)
        #expect(Reading.report("{\"a\":1,\"b\":{\"c\":2},\"d\":null}", most: 2)?.count == 2)
        #expect(Reading.report("{\"a\":1,\"b\":{\"c\":2},\"d\":0}", most: 2) == nil)
        #expect(Reading.report("a=1", most: 0) == nil)
    }

    @Test func aTextWithoutAnAddressIsNone() {
        var metrics: [PushedMetric] = []
        let none = UnsafeBufferPointer<UInt8>(start: nil, count: 0)
        #expect(!LoadReport.read(none, mostMetrics: 5, number: Reading.number, into: &metrics))
    }

    // MARK: Hostile texts

    static let good = [
        "TEXT cpu_utilization=0.3, named_metrics.db=12,x=-1e3",
        "JSON {\"cpu\":0.25,\"named_metrics\":{\"db\":12,\"\\u0061\":null},\"x\":-1e3}",
    ]

    @Test(arguments: good) func anyDamage(_ good: String) {
        var (read, refused) = (0, 0)
        var unsound: [[UInt8]] = []
        Reading.damaged(bytes(good)) { text in
            guard let metrics = Reading.report(text) else { return refused += 1 }
            read += 1
            if !Self.isSound(metrics) { unsound.append(text) }
        }
        #expect(unsound.isEmpty)
        #expect(read > 500 && refused > 1_000, "\(read) \(refused)")
    }

    static func isSound(_ metrics: [String: Double]) -> Bool {
        !metrics.isEmpty && metrics.allSatisfy { MetricNameTests.named($0.key) != nil && $0.value.isFinite }
    }

    @Test func anyText() {
        let pieces = ["TEXT ", " ", ",", ",", "=", "a=1", ",b=2", "c", "named_metrics.", "5", ".5", "1e999", "\t", "-"]
            .map(bytes)
        var numbers = Numbers(29)
        var unsound: [[UInt8]] = []
        var read = 0
        for _ in 0..<200_000 {
            let text = Reading.random(pieces, &numbers, most: 7)
            guard let metrics = Reading.report(text) else { continue }
            read += 1
            if !Self.isSound(metrics) { unsound.append(text) }
        }
        #expect(unsound.isEmpty)
        #expect((2_000..<100_000).contains(read), "\(read)")
    }

    /// What is read is JSON to Foundation too, and says the same.
    @Test func anyJSON() throws {
        let pieces = [
            "{", "}", "}", ",", ":", "\"a\":", "\"b\":", ",\"c\":", "\"", "1", "0", "-2.5", "05", ".5", "1e3", "null",
            "\"a\":{\"x\":1}",
            "\\u0061", " ", "[",
        ].map(bytes)
        var numbers = Numbers(31)
        var wrong: [String] = []
        var read = 0
        for _ in 0..<200_000 {
            let text = bytes("{\"z\":1,") + Reading.random(pieces, &numbers, most: 6) + bytes("}")
            guard let metrics = Reading.report(text) else { continue }
            read += 1
            let known = try? JSONSerialization.jsonObject(with: Data(text)) as? [String: Any]
            if known.map(Self.flattened) != metrics { wrong.append(String(decoding: text, as: UTF8.self)) }
        }
        #expect(wrong.isEmpty)
        #expect((500..<100_000).contains(read), "\(read)")
    }

    private static func flattened(_ object: [String: Any]) -> [String: Double] {
        var flat: [String: Double] = [:]
        for (name, value) in object {
            if let inner = value as? [String: Any] {
                for (key, value) in inner { flat["\(name).\(key)"] = (value as? NSNumber)?.doubleValue }
            } else {
                flat[name] = (value as? NSNumber)?.doubleValue
            }
        }
        return flat
    }
}
