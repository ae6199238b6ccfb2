import FarmTestSupport
import Foundation
import Testing

@testable import FarmCore

@Suite struct PageTextTests {
    private let pieces = Pieces()

    private func written(_ body: (inout ByteWriter) -> Void) -> String {
        pieces.pieces = []
        pieces.write(body)
        return pieces.text
    }

    /// As a browser reads text of a page again.
    private static func unescaped(_ bytes: [UInt8]) -> [UInt8] {
        var text = bytes[...]
        var read: [UInt8] = []
        let entities: [(String, UInt8)] = [
            ("&amp;", 0x26), ("&lt;", 0x3C), ("&gt;", 0x3E), ("&quot;", 0x22), ("&#39;", 0x27),
        ]
        while let byte = text.first {
            let entity = entities.first { text.starts(with: $0.0.utf8) }
            read.append(entity?.1 ?? byte)
            text = text.dropFirst(entity?.0.utf8.count ?? 1)
        }
        return read
    }

    // MARK: Escaping

    /// Nothing of it begins a tag or ends an attribute, in quotes of either kind; and it reads back.
    @Test func noTextBreaksOut() {
        for text in HostileText.all {
            _ = written { out in text.withUnsafeBufferPointer { out.html($0) } }
            let bytes = pieces.all
            #expect(!bytes.contains { [0x3C, 0x3E, 0x22, 0x27].contains($0) }, "\(text)")
            #expect(Self.unescaped(bytes) == text)
        }
    }

    @Test func everyByteAlone() {
        for byte in UInt8.min...UInt8.max {
            _ = written { out in [byte].withUnsafeBufferPointer { out.html($0) } }
            #expect(Self.unescaped(pieces.all) == [byte])
            #expect(pieces.all.count == 1 || [0x26, 0x3C, 0x3E, 0x22, 0x27].contains(byte))
        }
    }

    /// What a person wrote is UTF-8 in the page in any case, and without control characters.
    @Test func whatPeopleWroteIsText() {
        for text in HostileText.all {
            _ = written { out in text.withUnsafeBufferPointer { out.htmlText($0) } }
            let bytes = pieces.all
            #expect(!bytes.contains { $0 < 0x20 || $0 == 0x7F || $0 == 0x3C }, "\(text)")
            #expect(String(validating: bytes, as: UTF8.self) != nil, "\(text)")
            if text.withUnsafeBufferPointer({ PlainText.isPlain($0) }) {
                #expect(Self.unescaped(bytes) == text)
            } else {
                #expect(bytes.count == text.count && !bytes.contains(0x26), "\(text)")
            }
        }
    }

    // MARK: Numbers

    @Test(
        arguments: [
            (0, "0"), (9, "9"), (999, "999"), (1_000, "1,000"), (12_003, "12,003"), (999_999, "999,999"),
            (1_000_000, "1,000,000"), (1_002_003, "1,002,003"), (.max, "18,446,744,073,709,551,615"),
        ] as [(UInt64, String)])
    func grouped(_ number: UInt64, _ text: String) { #expect(written { $0.grouped(number) } == text) }

    @Test(
        arguments: [
            (0, "0"), (-0.0, "0"), (0.0004, "0"), (0.0005, "0.001"), (0.001, "0.001"), (0.25, "0.25"),
            (0.9994, "0.999"),
            (0.9996, "1"), (1, "1"), (1.005, "1"), (1.5, "1.5"), (1.25, "1.25"), (9.994, "9.99"), (9.996, "10"),
            (12.34, "12.3"), (99.94, "99.9"), (99.96, "100"), (100.4, "100"), (999.6, "1,000"), (12_345.6, "12,346"),
            (-2.5, "&minus;2.5"), (-12_345, "&minus;12,345"), (999_999_999_999_999, "999,999,999,999,999"),
            (1e15, "over 1e15"), (1e300, "over 1e15"), (.greatestFiniteMagnitude, "over 1e15"),
            (-1e300, "&minus;over 1e15"), (.leastNonzeroMagnitude, "0"), (.nan, "&ndash;"), (.infinity, "&ndash;"),
            (-.infinity, "&ndash;"),
        ] as [(Double, String)])
    func short(_ number: Double, _ text: String) { #expect(written { $0.short(number) } == text) }

    /// No number that there is lets it trap, and what it writes is near.
    @Test func shortOfAnyNumber() {
        var numbers = Numbers(3)
        for _ in 0..<20_000 {
            let number = Double(bitPattern: numbers.next())
            let text = written { $0.short(number) }
            #expect(!text.isEmpty)
            let scaled = Double(numbers.next() % 1_000_000_000) / 1e5
            let read = Double(written { $0.short(scaled) }.replacing(",", with: "")) ?? .nan
            #expect((read - scaled).magnitude <= max(0.000_501, scaled * 0.005_1), "\(scaled) is \(read)")
        }
    }

    @Test(
        arguments: [
            (0, "0 %"), (1, "100 %"), (0.5, "50 %"), (0.125, "13 %"), (0.0999, "10 %"), (0.0123, "1.2 %"),
            (0.0004, "0 %"),
            (1e300, "over 1e15 %"), (.nan, "&ndash;"), (.infinity, "&ndash;"),
        ] as [(Double, String)])
    func percent(_ part: Double, _ text: String) { #expect(written { $0.percent(part) } == text) }

    @Test(
        arguments: [
            (0, "0 s"), (0.04, "0 s"), (0.05, "0.1 s"), (9.94, "9.9 s"), (9.97, "10 s"), (10.9, "10 s"),
            (119.9, "119 s"),
            (120, "2 min"), (7_199, "119 min"), (7_200, "2 h"), (172_799, "47 h"), (172_800, "2 d"),
            (864_000_000, "10,000 d"), (1e300, "11,574,074 d"), (-5, "0 s"), (-1e300, "0 s"), (.nan, "&ndash;"),
            (.infinity, "&ndash;"), (-.infinity, "&ndash;"),
        ] as [(Double, String)])
    func duration(_ seconds: Double, _ text: String) { #expect(written { $0.duration(seconds) } == text) }

    @Test(
        arguments: [
            (nil, "&ndash;"), (0, "0 ms"), (80, "0.08 ms"), (1_234, "1.23 ms"), (9_999_999, "10,000 ms"),
            (10_000_000, "10 s"), (234_000_000, "234 s"),
        ] as [(Double?, String)])
    func latency(_ microseconds: Double?, _ text: String) { #expect(written { $0.latency(microseconds) } == text) }

    /// For scripts: a number as JavaScript reads it, or nothing.
    @Test(
        arguments: [
            (0, "0.000"), (0.5, "0.500"), (-0.5, "-0.500"), (12.3456, "12.346"), (0.0004, "0.000"),
            (1e14, "100000000000000.000"), (1e15, ""), (-1e300, ""), (.nan, ""), (.infinity, ""), (-.infinity, ""),
        ] as [(Double, String)])
    func sortKey(_ number: Double, _ text: String) { #expect(written { $0.sortKey(number) } == " data-v=\"\(text)\"") }

    @Test func nothingTrapsOnAnyNumber() {
        var numbers = Numbers(11)
        for _ in 0..<20_000 {
            let number = Double(bitPattern: numbers.next())
            let texts = [
                written { $0.percent(number) }, written { $0.duration(number) }, written { $0.latency(number) },
                written { $0.sortKey(number) },
            ]
            #expect(texts.allSatisfy { !$0.isEmpty && !$0.contains("<") }, "\(number)")
        }
    }
}
