import FarmTestSupport
import Testing

@testable import FarmCore

@Suite struct NonceTests {
    private static let nonce = "0123456789abcdef"

    private func isIn(_ text: String, _ nonce: String = Self.nonce) -> Bool {
        bytes(text).withUnsafeBufferPointer { text in
            bytes(nonce).withUnsafeBufferPointer { Nonce.isIn(text, $0) }
        }
    }

    @Test(arguments: [
        "nonce=0123456789abcdef", "farm=app&nonce=0123456789abcdef", "nonce=0123456789abcdef&farm=app",
        "&&nonce=0123456789abcdef&&", "nonce=&nonce=0123456789abcdef",
    ])
    func itIsThere(_ text: String) { #expect(isIn(text)) }

    @Test(arguments: [
        "", "nonce", "nonce=", "nonce=0123456789abcde", "nonce=0123456789abcdef0", "nonce=0123456789abcdeF",
        "nonce=1123456789abcdef", "xnonce=0123456789abcdef", "Nonce=0123456789abcdef", "0123456789abcdef",
        "farm=nonce=0123456789abcdef", "nonce=%30123456789abcdef", "nonce=0123456789abcdef;farm=app",
        "nonce 0123456789abcdef", "nonce=0123456789abcde&f",
    ])
    func itIsNot(_ text: String) { #expect(!isIn(text)) }

    /// Without a nonce of its own the server believes no form.
    @Test func noneIsNone() {
        #expect(!isIn("nonce=", "") && !isIn("", "") && !isIn("nonce=0", ""))
    }

    /// Each of its characters counts.
    @Test func everyCharacterCounts() {
        for at in 0..<16 {
            var text = bytes("nonce=" + Self.nonce)
            text[6 + at] ^= 1
            #expect(!isIn(String(decoding: text, as: UTF8.self)))
        }
    }
}
