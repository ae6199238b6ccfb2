import FarmTestSupport
import Foundation
import Testing

@testable import FarmCore

/// What says the status does not know which form it is: each form must then say the same.
@Suite struct StatusWriterTests {
    /// A tree of everything that a status can hold; what people wrote is `text`.
    private static func write<Writer: StatusWriter & ~Copyable>(_ out: inout Writer, _ text: [UInt8]) {
        out.section("module") { out in
            out.field("version", word: "1.2")
            bytes("event").withUnsafeBufferPointer { out.field("mpm", bytes: $0) }
            text.withUnsafeBufferPointer { out.field("url", bytes: $0) }
            out.field("started", time: 1_790_000_000_000_000)
            out.field("never", time: 0)
        }
        out.list("farms", of: "farm") { out in
            for name in ["app", "empty"] {
                bytes(name).withUnsafeBufferPointer { name in
                    out.item(name) { out in
                        text.withUnsafeBufferPointer { out.field("reason", text: $0) }
                        out.field("requests", count: .max)
                        out.field("rate", number: -0.25)
                        out.field("load", number: .nan)
                        out.field("ok", flag: true)
                        out.unknown("drain")
                        out.section("latency_ms") { $0.field("p50", number: .infinity) }
                        out.list("members", of: "member") { _ in }
                        out.map("metrics", of: "metric") { out in
                            bytes("cpu").withUnsafeBufferPointer { out.entry($0, 0.5) }
                            bytes("io").withUnsafeBufferPointer { out.entry($0, .nan) }
                        }
                    }
                }
            }
        }
        out.section("cookies") { _ in }
    }

    private static func json(_ text: [UInt8]) -> [UInt8] {
        let pieces = Pieces()
        var json = JSONWriter(
            sink: { pieces.take($0, $1) }, formatNumber: { farm_host_number($0, $1) },
            formatTime: { farm_host_time($0, $1) })
        json.object { write(&$0, text) }
        _ = consume json
        return pieces.all
    }

    private static func lines(_ text: [UInt8]) -> String {
        let pieces = Pieces()
        var lines = LinesWriter(
            sink: { pieces.take($0, $1) }, formatNumber: { farm_host_number($0, $1) },
            formatTime: { farm_host_time($0, $1) })
        write(&lines, text)
        _ = consume lines
        return pieces.text
    }

    private static func parsed(_ json: [UInt8]) throws -> [String: Any] {
        try #require(try JSONSerialization.jsonObject(with: Data(json)) as? [String: Any])
    }

    @Test func asJSON() throws {
        #expect(
            String(decoding: Self.json(bytes("why")), as: UTF8.self)
                == #"{"module":{"version":"1.2","mpm":"event","url":"why","started":"2026-09-21T14:13:20Z","never":null},"#
                + #""farms":["#
                + ["app", "empty"].map {
                    #"{"name":"\#($0)","reason":"why","requests":18446744073709551615,"rate":-0.25,"load":null,"ok":true,"#
                        + #""drain":null,"latency_ms":{"p50":null},"members":[],"metrics":{"cpu":0.5,"io":null}}"#
                }.joined(separator: ",") + #"],"cookies":{}}"#)
    }

    /// Each value of the JSON is a line, at the same place; empty lists and sections have none.
    @Test func asLines() throws {
        let farm = { (name: String) in
            ["reason: why", "requests: 18446744073709551615", "rate: -0.25", "load: -", "ok: true", "drain: -"]
                .map { "farm[\(name)].\($0)" }
                + ["latency_ms.p50: -", "metric[cpu]: 0.5", "metric[io]: -"].map { "farm[\(name)].\($0)" }
        }
        let module = ["version: 1.2", "mpm: event", "url: why", "started: 2026-09-21T14:13:20Z", "never: -"]
        #expect(
            Self.lines(bytes("why")).split(separator: "\n").map(String.init)
                == module.map { "module.\($0)" } + farm("app") + farm("empty"))
    }

    /// Whatever people write, both forms have the same shape, and the JSON is UTF-8 that reads back.
    @Test func noTextChangesTheShape() throws {
        let plain = Self.lines(bytes("why")).split(separator: "\n").map { $0.prefix { $0 != " " } }
        for text in HostileText.all {
            let json = Self.json(text)
            #expect(String(validating: json, as: UTF8.self) != nil, "\(text)")
            #expect(!json.contains { $0 < 0x20 || $0 == 0x7F }, "\(text)")
            let status = try Self.parsed(json)
            let farms = try #require(status["farms"] as? [[String: Any]])
            #expect(farms.map { $0["name"] as? String } == ["app", "empty"])
            #expect(farms.allSatisfy { $0.count == 10 } && status.count == 3)
            let latin = String(String.UnicodeScalarView(text.map { UnicodeScalar($0) }))
            let isPlain = text.withUnsafeBufferPointer { PlainText.isPlain($0) }
            let expected = isPlain ? String(decoding: text, as: UTF8.self) : latin
            #expect(farms[0]["reason"] as? String ?? "" == expected, "\(text)")
            #expect((farms[0]["reason"] is NSNull) == text.isEmpty)
            #expect((status["module"] as? [String: Any])?["url"] as? String == latin, "\(text)")
            let keys = Self.lines(text).split(separator: "\n").map { $0.prefix { $0 != " " } }
            #expect(keys == plain, "\(text)")
        }
    }
}
