import FarmTestSupport
import Testing

@testable import FarmCore

/// Collects the pieces that a writer hands on.
final class Pieces {
    var pieces: [[UInt8]] = []
    var all: [UInt8] { pieces.flatMap { $0 } }
    var text: String { String(decoding: all, as: UTF8.self) }

    func write(_ body: (inout ByteWriter) -> Void) {
        var out = ByteWriter { self.take($0, $1) }
        body(&out)
    }

    func take(_ start: UnsafePointer<UInt8>, _ count: Int) {
        pieces.append(Array(UnsafeBufferPointer(start: start, count: count)))
    }
}

@Suite struct ByteWriterTests {
    private let pieces = Pieces()

    @Test func nothingIsNoPiece() {
        pieces.write { _ in }
        #expect(pieces.pieces.isEmpty)
    }

    @Test(arguments: [0, 1, 9, 10, 99, 100, 18_446_744_073_709_551_615] as [UInt64])
    func number(_ number: UInt64) {
        pieces.write { $0.number(number) }
        #expect(pieces.text == "\(number)")
    }

    /// Around the size of the buffer, byte by byte and as one piece larger than it: all of it, in order, nothing empty.
    @Test(arguments: [1, 4_095, 4_096, 4_097, 8_192, 8_193, 50_000])
    func anyLength(_ length: Int) {
        let long = (0..<length).map { UInt8(truncatingIfNeeded: $0 &* 7 &+ $0 / 256) }
        pieces.write { out in long.withUnsafeBufferPointer { out.bytes($0) } }
        #expect(pieces.all == long)
        #expect(pieces.pieces.allSatisfy { !$0.isEmpty })
        let single = Pieces()
        single.write { out in for byte in long { out.byte(byte) } }
        #expect(single.all == long)
    }

    @Test func textOfAnyKind() {
        pieces.write { out in
            out.text("a\u{0}ä")
            out.bytes(UnsafeBufferPointer(start: nil, count: 0))
            out.text("")
            out.byte(0x21)
        }
        #expect(pieces.all == [0x61, 0, 0xC3, 0xA4, 0x21])
    }

    @Test(arguments: [("", 10, ""), ("abc", 10, "abc"), ("abc", 3, "abc"), ("abc", 2, "ab"), ("abc", 0, "")])
    func cString(_ text: String, limit: Int, _ written: String) {
        text.withCString { text in pieces.write { $0.cString(text, limit: limit) } }
        #expect(pieces.text == written)
    }

    /// A name in a row that lost its NUL ends at the limit.
    @Test func aTextWithoutAnEnd() {
        let endless = [CChar](repeating: 0x61, count: 64)
        endless.withUnsafeBufferPointer { text in pieces.write { $0.cString(text.baseAddress!, limit: 63) } }
        #expect(pieces.all.count == 63)
    }
}
