import FarmTestSupport
import Testing

@testable import FarmCore

@Suite struct FormReaderTests {
    enum Step: Equatable {
        case pair([UInt8], [UInt8], hasEquals: Bool)
        case badEscape([UInt8])
    }

    /// All steps; a bad escape is followed by what comes after it.
    static func read(_ text: [UInt8]) -> [Step] {
        var text = text
        return text.withUnsafeMutableBufferPointer { text in
            var reader = FormReader(text)
            var steps: [Step] = []
            while true {
                switch reader.next() {
                case .pair(let name, let value, let hasEquals):
                    steps.append(.pair(Array(name), Array(value), hasEquals: hasEquals))
                case .badEscape(let part): steps.append(.badEscape(Array(part)))
                case .end: return steps
                }
            }
        }
    }

    static func pair(_ name: String, _ value: String?) -> Step {
        .pair(bytes(name), bytes(value ?? ""), hasEquals: value != nil)
    }

    @Test(
        arguments: [
            ("", []),
            ("&", []),
            ("&&&", []),
            ("a=1", [pair("a", "1")]),
            ("a=1&b=2", [pair("a", "1"), pair("b", "2")]),
            ("&&a=1&&&b=2&", [pair("a", "1"), pair("b", "2")]),
            ("a", [pair("a", nil)]),
            ("a=", [pair("a", "")]),
            ("=", [pair("", "")]),
            ("=1", [pair("", "1")]),
            ("a==1", [pair("a", "=1")]),
            ("a=1=2", [pair("a", "1=2")]),
            ("a=b+c", [pair("a", "b c")]),
            ("+a+=+", [pair(" a ", " ")]),
            ("a=%41%6a%6A", [pair("a", "Ajj")]),
            ("%61=1", [pair("a", "1")]),
            ("a%3D=%3d%26%25%2B", [pair("a=", "=&%+")]),
            ("a=%00b", [pair("a", "\u{0}b")]),
            ("a%26", [pair("a&", nil)]),
            ("a=1;b=2", [pair("a", "1;b=2")]),
            ("a=%zz&b=1", [.badEscape(bytes("a=%zz")), pair("b", "1")]),
            ("a=%4", [.badEscape(bytes("a=%4"))]),
            ("a=%", [.badEscape(bytes("a=%"))]),
            ("a=%&b=1", [.badEscape(bytes("a=%")), pair("b", "1")]),
            ("a=%4&1=b", [.badEscape(bytes("a=%4")), pair("1", "b")]),
            ("%4=1", [.badEscape(bytes("%4=1"))]),
            ("a=%41%4g", [.badEscape(bytes("a=%41%4g"))]),
            ("a=%%41", [.badEscape(bytes("a=%%41"))]),
            ("a=%+1", [.badEscape(bytes("a=%+1"))]),
            ("a=+%4", [.badEscape(bytes("a=+%4"))]),
        ] as [(String, [Step])])
    func steps(_ text: String, _ steps: [Step]) { #expect(Self.read(bytes(text)) == steps) }

    @Test func aTextWithoutAnAddressIsEmpty() {
        var reader = FormReader(UnsafeMutableBufferPointer(start: nil, count: 0))
        guard case .end = reader.next() else { return #expect(Bool(false)) }
        guard case .end = reader.next() else { return #expect(Bool(false), "the end stays the end") }
    }

    /// Every byte comes back from its escape, in capitals and in small letters.
    @Test func everyByteByItsEscape() {
        for byte in UInt8.min...UInt8.max {
            let digits = String(byte, radix: 16)
            let escape = "%" + (digits.count == 1 ? "0" : "") + digits
            for escape in [escape, escape.uppercased()] {
                #expect(
                    Self.read(bytes("x\(escape)y=\(escape)")) == [.pair([0x78, byte, 0x79], [byte], hasEquals: true)])
            }
        }
    }

    /// The rules again, over arrays: split at `&`, then at the first `=`, then decode.
    static func model(_ text: [UInt8]) -> [Step] {
        text.split(separator: 0x26).map { part in
            let halves = part.split(separator: 0x3D, maxSplits: 1, omittingEmptySubsequences: false)
            let decoded = halves.map { half -> [UInt8]? in
                var out: [UInt8] = []
                var rest = half
                while let byte = rest.popFirst() {
                    guard byte == 0x25 else {
                        out.append(byte == 0x2B ? 0x20 : byte)
                        continue
                    }
                    let digits = rest.prefix(2).map { Character(UnicodeScalar($0)) }
                    guard digits.count == 2, digits.allSatisfy({ $0.isASCII && $0.isHexDigit }) else { return nil }
                    out.append(UInt8(String(digits), radix: 16)!)
                    rest = rest.dropFirst(2)
                }
                return out
            }
            guard let name = decoded[0], let value = decoded.count > 1 ? decoded[1] : [] else {
                return .badEscape(Array(part))
            }
            return .pair(name, value, hasEquals: decoded.count > 1)
        }
    }

    @Test func anything() {
        let pieces = ["&", "=", "+", "%", "%4", "%41", "%6D", "%zz", "a", "4", "cpu"].map(bytes)
        var numbers = Numbers(17)
        var wrong: [[UInt8]] = []
        var (good, bad) = (0, 0)
        for _ in 0..<200_000 {
            let text = Reading.random(pieces, &numbers, most: 8)
            let steps = Self.read(text)
            for step in steps { if case .pair = step { good += 1 } else { bad += 1 } }
            if steps != Self.model(text) { wrong.append(text) }
        }
        #expect(wrong.isEmpty)
        #expect(good > 10_000 && bad > 10_000)
    }
}
