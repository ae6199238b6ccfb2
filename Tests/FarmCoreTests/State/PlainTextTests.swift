import FarmTestSupport
import Testing

@testable import FarmCore

@Suite struct PlainTextTests {
    private func isPlain(_ text: [UInt8]) -> Bool { text.withUnsafeBufferPointer { PlainText.isPlain($0) } }

    private func beginning(_ text: [UInt8], _ longest: Int) -> [UInt8] {
        text.withUnsafeBufferPointer { Array(PlainText.beginning(of: $0, longest: longest)) }
    }

    @Test(
        arguments: [
            "", " ", "~", "söphie", "new kernel", "„neu“", "日本語", "😀", "\u{7FF}", "\u{800}", "\u{FFFF}", "\u{10000}",
            "\u{10FFFF}", "\u{A0}", "\u{D7FF}", "\u{E000}", "e\u{301}", "<b>&\"'\\", "\u{202E}",
        ])
    func text(_ text: String) { #expect(isPlain(bytes(text))) }

    @Test(
        arguments: [
            [0x80], [0xBF], [0xC0, 0x80], [0xC1, 0xBF], [0xC2], [0xC2, 0x41], [0xC2, 0xC2], [0xDF],
            [0xE0, 0x80, 0x80], [0xE0, 0x9F, 0xBF], [0xE0, 0xA0], [0xE0, 0xA0, 0x41], [0xE2, 0x82],
            // Surrogates.
            [0xED, 0xA0, 0x80], [0xED, 0xBF, 0xBF],
            [0xF0, 0x80, 0x80, 0x80], [0xF0, 0x8F, 0xBF, 0xBF], [0xF0, 0x9F, 0x98], [0xF0, 0x9F, 0x98, 0x41],
            // Beyond Unicode.
            [0xF4, 0x90, 0x80, 0x80], [0xF5, 0x80, 0x80, 0x80], [0xF8, 0x88, 0x80, 0x80, 0x80], [0xFE], [0xFF],
            [0x61, 0x62, 0xC3],
        ] as [[UInt8]])
    func notUTF8(_ text: [UInt8]) {
        #expect(!isPlain(text))
        #expect(!isPlain([0x61] + text + [0x61]))
    }

    /// Both sets of control characters, and the one between them.
    @Test func controlCharacters() {
        for code in (0..<0x20).map({ $0 }) + Array(0x7F..<0xA0) {
            let text = bytes("a\(Unicode.Scalar(UInt8(code)))b")
            #expect(!isPlain(text), "U+\(String(code, radix: 16))")
        }
    }

    /// What can be kept of a text ends between characters, and before what is none.
    @Test func aBeginningIsPlain() {
        for longest in 0...12 {
            #expect(
                beginning(bytes("söphie"), longest)
                    == bytes(
                        ["", "s", "s", "sö", "söp"][min(longest, 4)]
                            + (longest > 4 ? String("hie".prefix(longest - 4)) : "")))
        }
        #expect(beginning(bytes("日本"), 5) == bytes("日"))
        #expect(beginning([0x61, 0xE9, 0x62], 9) == [0x61])
        #expect(beginning([0xE9], 9) == [])
        #expect(beginning(bytes("a\u{7}b"), 9) == [0x61])
        #expect(beginning([0x61, 0xC3], 9) == [0x61])
    }

    /// Random bytes, of which many are nearly text, beside what Swift says of them.
    @Test func asSwiftReadsThem() {
        var numbers = Numbers(8)
        let likely: [UInt8] = [
            0x41, 0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC2, 0xDF, 0xE0, 0xED, 0xEF, 0xF0, 0xF4,
        ]
        var valid = 0
        for _ in 0..<100_000 {
            let text = (0..<Int.random(in: 1...6, using: &numbers)).map { _ in
                Bool.random(using: &numbers)
                    ? likely.randomElement(using: &numbers)! : UInt8.random(in: 0...255, using: &numbers)
            }
            let read = String(validating: text, as: UTF8.self)
            if read != nil { valid += 1 }
            let isControl = read?.unicodeScalars.contains { $0.properties.generalCategory == .control } ?? true
            if isPlain(text) == isControl { Issue.record("\(text), plain") }
        }
        #expect(valid > 5_000)
    }
}
