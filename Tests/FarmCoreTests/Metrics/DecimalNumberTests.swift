import FarmTestSupport
import Testing

@testable import FarmCore

@Suite struct DecimalNumberTests {
    static func value(_ text: [UInt8]) -> Double? {
        text.withUnsafeBufferPointer { DecimalNumber.value($0, Reading.number) }
    }

    @Test(
        arguments: [
            ("0", 0), ("-0", -0.0), ("7", 7), ("-12", -12), ("0.5", 0.5), (".5", 0.5), ("-.5", -0.5), ("1e3", 1_000),
            ("1E3", 1_000), ("1e+3", 1_000), ("1e-3", 0.001), (".5e1", 5), ("007", 7), ("00.50", 0.5),
            ("1.7976931348623157e308", .greatestFiniteMagnitude), ("5e-324", .leastNonzeroMagnitude), ("1e-999", 0),
            ("0e999", 0),
            ("18446744073709551616", 0x1p64),
        ] as [(String, Double)])
    func isRead(_ text: String, as number: Double) {
        let value = Self.value(bytes(text))
        #expect(value == number)
        #expect(value?.sign == number.sign)
    }

    @Test(
        arguments: [
            "", " ", " 1", "1 ", "\t1", "1\n", "5.", "-5.", ".", "-", "-.", "--5", "+5", "+", "0x10", "0X1p3", "nan",
            "NaN",
            "inf", "-inf", "infinity", "1e", "1e+", "1e-", "e3", ".e3", "1.e3", "1e3.5", "1e3e3", "1_000", "1,5",
            "1,000",
            "1.5.2", "1-", "1 000", "１", "1\u{0}", "1e999", "-1e999", "1d3", "1f", "0b1", "½",
        ])
    func isNone(_ text: String) { #expect(Self.value(bytes(text)) == nil) }

    @Test func sixtyFourBytesAndNotOneMore() {
        #expect(Self.value([UInt8](repeating: 0x31, count: 64)) != nil)
        #expect(Self.value([UInt8](repeating: 0x31, count: 65)) == nil)
        #expect(Self.value([UInt8](repeating: 0x30, count: 65)) == nil)
        #expect(Self.value(bytes("0." + String(repeating: "1", count: 62))) != nil)
        #expect(Self.value(bytes("0." + String(repeating: "1", count: 63))) == nil)
    }

    /// Whatever a reader would say of it: the grammar decides first, and what is not finite is no number.
    @Test func theReaderIsAskedLast() {
        let never: NumberReader = { _ in
            Issue.record("asked for what is no number")
            return 1
        }
        bytes("0x10").withUnsafeBufferPointer { #expect(DecimalNumber.value($0, never) == nil) }
        for answer in [Double.infinity, -.infinity, .nan] {
            bytes("1").withUnsafeBufferPointer { #expect(DecimalNumber.value($0) { _ in answer } == nil) }
        }
        #expect(DecimalNumber.value(UnsafeBufferPointer(start: nil, count: 0), never) == nil)
    }

    /// The grammar again, as a table of states: `-? (digits ('.' digits)? | '.' digits) ([eE] [+-]? digits)?`.
    static func isGood(_ text: [UInt8]) -> Bool {
        // Before anything, after the sign, in the whole part, after the dot, in the fraction, after the e, after its sign,
        // in the exponent.
        var state = 0
        for byte in text {
            switch (state, Character(UnicodeScalar(byte))) {
            case (0, "-"): state = 1
            case (0, "0"..."9"), (1, "0"..."9"), (2, "0"..."9"): state = 2
            case (0, "."), (1, "."), (2, "."): state = 3
            case (3, "0"..."9"), (4, "0"..."9"): state = 4
            case (2, "e"), (2, "E"), (4, "e"), (4, "E"): state = 5
            case (5, "+"), (5, "-"): state = 6
            case (5, "0"..."9"), (6, "0"..."9"), (7, "0"..."9"): state = 7
            default: return false
            }
        }
        return text.count <= 64 && [2, 4, 7].contains(state)
    }

    /// Every text of up to five of the characters that matter.
    @Test func everyShortText() {
        let alphabet = bytes("-+.e09x ")
        var texts: [[UInt8]] = [[]]
        var wrong: [[UInt8]] = []
        var good = 0
        for _ in 0..<5 {
            texts = texts.flatMap { text in alphabet.map { text + [$0] } }
            for text in texts {
                let isGood = text.withUnsafeBufferPointer { DecimalNumber.isWellFormed($0) }
                if isGood { good += 1 }
                if isGood != Self.isGood(text) { wrong.append(text) }
            }
        }
        #expect(wrong.isEmpty)
        #expect(good > 300)
    }

    @Test func anything() {
        let pieces = ["-", "+", ".", "e", "E", "0", "12", "999", "5.5", "e-3", " ", "x", "000000000000000"].map(bytes)
        var numbers = Numbers(3)
        var wrong: [[UInt8]] = []
        var good = 0
        for _ in 0..<200_000 {
            let text = Reading.random(pieces, &numbers, most: 7)
            let isGood = text.withUnsafeBufferPointer { DecimalNumber.isWellFormed($0) }
            if isGood { good += 1 }
            if isGood != Self.isGood(text) { wrong.append(text) }
        }
        #expect(wrong.isEmpty)
        #expect((5_000..<195_000).contains(good), "\(good)")
    }
}
