import FarmTestSupport
import Foundation
import Testing

@testable import FarmCore

@Suite struct JSONWriterTests {
    private let pieces = Pieces()

    private func write(_ body: (inout JSONWriter) -> Void) {
        let pieces = pieces
        var json = JSONWriter(
            sink: { pieces.take($0, $1) },
            formatNumber: { farm_host_number($0, $1) },
            formatTime: { farm_host_time($0, $1) })
        body(&json)
    }

    private func parsed() throws -> Any {
        try JSONSerialization.jsonObject(with: Data(pieces.all), options: [.fragmentsAllowed])
    }

    /// All bytes in one string: what is not ASCII reads back as Latin-1.
    @Test func everyByteReadsBack() throws {
        let every = (UInt8.min...UInt8.max).map { $0 }
        write { json in every.withUnsafeBufferPointer { json.string($0) } }
        let expected = String(String.UnicodeScalarView(every.map { UnicodeScalar($0) }))
        #expect(try parsed() as? String == expected)
        #expect(pieces.all.allSatisfy { $0 >= 0x20 && $0 < 0x7F }, "nothing that a log or a browser could stumble over")
    }

    @Test func everyByteAlone() throws {
        for byte in UInt8.min...UInt8.max {
            pieces.pieces = []
            write { json in [byte].withUnsafeBufferPointer { json.string($0) } }
            #expect(try parsed() as? String == String(UnicodeScalar(byte)), "byte \(byte)")
        }
    }

    @Test func commasStandWhereTheyBelong() {
        write { json in
            json.object { json in
                json.key("a")
                json.number(UInt64(1))
                json.key("b")
                json.array { json in
                    json.number(UInt64(2))
                    json.object { _ in }
                    json.array { _ in }
                    json.object { json in
                        json.key("c")
                        json.null()
                        json.key("d")
                        json.bool(true)
                    }
                    json.bool(false)
                    json.string("x")
                }
                json.key("e")
                json.array { json in
                    json.array { json in json.array { _ in } }
                    json.array { _ in }
                }
                json.key("f")
                json.time(0)
            }
        }
        #expect(
            pieces.text
                == #"{"a":1,"b":[2,{},[],{"c":null,"d":true},false,"x"],"e":[[[]],[]],"f":null}"#)
    }

    @Test(arguments: [Double.nan, .infinity, -.infinity, .signalingNaN])
    func whatIsNoNumberIsNull(_ value: Double) {
        write { json in
            json.array { json in
                json.number(value)
                json.number(value)
            }
        }
        #expect(pieces.text == "[null,null]")
    }

    @Test(
        arguments: [0, -0.0, 1, 0.1, -12.5, 1e300, .leastNonzeroMagnitude, .greatestFiniteMagnitude, 1.0 / 3]
            as [Double])
    func finiteNumbersReadBack(_ value: Double) throws {
        write { json in json.number(value) }
        #expect((try parsed() as? NSNumber)?.doubleValue == value)
    }

    /// Someone else writes the digits; more of them than agreed must not leave the buffer.
    @Test(arguments: [0, 1, 32, 33, .max] as [UInt32])
    func aFormatterThatMiscounts(_ length: UInt32) {
        let pieces = pieces
        let format: (UnsafeMutablePointer<CChar>) -> UInt32 = { into in
            for at in 0..<32 { into[at] = 0x37 }
            return length
        }
        var json = JSONWriter(sink: { pieces.take($0, $1) }, formatNumber: { format($1) }, formatTime: { format($1) })
        json.array { json in
            json.number(1.5)
            json.time(5)
        }
        _ = consume json
        let digits = String(repeating: "7", count: Int(min(32, length)))
        #expect(pieces.text == "[\(digits),\"\(digits)\"]")
    }

    @Test func times() {
        write { json in
            json.array { json in
                json.time(0)
                json.time(1_790_000_000_999_999)
            }
        }
        #expect(pieces.text == #"[null,"2026-09-21T14:13:20Z"]"#)
    }

    /// Far more than the buffer holds, in one string and in many values.
    @Test func longAnswers() throws {
        let long = [UInt8](repeating: 0x22, count: 10_000)
        write { json in
            json.object { json in
                json.key("long")
                long.withUnsafeBufferPointer { json.string($0) }
                json.key("many")
                json.array { json in for at in 0..<5_000 { json.number(UInt64(at)) } }
            }
        }
        let object = try #require(try parsed() as? [String: Any])
        #expect((object["long"] as? String)?.count == 10_000)
        #expect((object["many"] as? [Int])?.count == 5_000)
        #expect(pieces.pieces.count > 5)
    }
}
