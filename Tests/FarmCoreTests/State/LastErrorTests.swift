import CFarm
import FarmTestSupport
import Testing

@testable import FarmCore

@Suite struct LastErrorTests {
    /// What httpd shows of a failed attempt, and the words for it.
    static let cases: [(Evidence, UInt32, UInt32, String)] = [
        ([.unreachable], 0, FARM_ERROR_REFUSED, "connection refused"),
        ([.unreachable, .connectTimeout], 0, FARM_ERROR_CONNECT_TIMEOUT, "connect timed out"),
        ([.unreachable, .noHost], 0, FARM_ERROR_UNKNOWN_HOST, "unknown host"),
        ([.unreachable, .noHost, .connectTimeout], 0, FARM_ERROR_UNKNOWN_HOST, "unknown host"),
        ([.broke, .tls], 0, FARM_ERROR_TLS, "TLS handshake failed"),
        ([.broke, .sent], 0, FARM_ERROR_CLOSED, "connection closed before an answer"),
        ([.broke, .sent, .noHTTP], 0, FARM_ERROR_NO_HTTP, "the answer is no HTTP"),
        ([.answer, .sent, .broke], 200, FARM_ERROR_CUT, "answer cut short"),
        ([.held, .sent], 503, FARM_ERROR_STATUS | 503 << 16, "status 503"),
        ([.answer, .sent], 502, FARM_ERROR_STATUS | 502 << 16, "status 502"),
        ([.timeout, .sent], 0, FARM_ERROR_TIMEOUT, "answer timed out"),
        (
            [.broke, .sent, .writingBody], 0, FARM_ERROR_BODY,
            "connection closed while the request's body was written"
        ),
        ([.broke, .sent, .stale], 0, FARM_ERROR_STALE, "kept connection closed"),
    ]

    @Test(arguments: cases.indices) func whatFailed(_ number: Int) {
        let (saw, status, word, text) = Self.cases[number]
        let error = LastError(saw, status: status)
        #expect(error.word == word)
        #expect(error.isSome)
        #expect(error.status == (word & 0xFFFF == FARM_ERROR_STATUS ? status : 0))
        #expect(Self.text(error) == text)
    }

    /// Every cause has its own words.
    @Test func noTwoAreAlike() {
        #expect(Set(Self.cases.map { $0.2 & 0xFFFF }).count == 11)
        #expect(Set(Self.cases.map { Self.text(LastError(word: $0.2 & 0xFFFF)) }).count == 11)
    }

    @Test func noneAndWhatNobodyWrites() {
        #expect(!LastError(word: FARM_ERROR_NONE).isSome)
        #expect(Self.text(LastError(word: 0xFFFF)) == "unknown")
        #expect(LastError(word: FARM_ERROR_CLOSED | 503 << 16).status == 0)
    }

    private static func text(_ error: LastError) -> String {
        let pieces = Pieces()
        pieces.write { error.write(to: &$0) }
        return pieces.text
    }
}
