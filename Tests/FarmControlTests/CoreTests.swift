import Testing

@testable import FarmControl

@Suite struct CoreTests {
    @Test(
        arguments: [
            "null", "true", "false", "0", "-1.5e+3", "\"a\\\"b\\\\c\"", "[]", "[1,[2,{}]]",
            "{\"a\":1,\"b\":{\"c\":[]}}",
            "123456789012345678901234567890", "\"\u{FC}\u{1F600}\"",
        ])
    func jsonIsWrittenAsItWasRead(_ text: String) throws {
        #expect(try #require(JSONReader.read(Array(text.utf8))).text == text)
    }

    @Test(
        arguments: [
            "", "nul", "01", "1.", ".5", "+1", "[1,]", "{\"a\"}", "{a:1}", "\"", "\"\n\"", "\"\\x\"", "\"\\ud800\"",
            "1 2",
            String(repeating: "[", count: 1000), "\"\\u12\"", "{\"a\":1,}",
        ])
    func whatIsNoJSONIsRefused(_ text: String) { #expect(JSONReader.read(Array(text.utf8)) == nil) }

    @Test func escapesAndBadBytes() {
        #expect(JSONReader.read(Array("\"\\u00e9\\ud83d\\ude00\\n\"".utf8)) == .string("\u{E9}\u{1F600}\n"))
        #expect(JSONReader.read([0x22, 0xFF, 0x22]) == nil)
        #expect(JSON.string("\u{1}\n\u{7F}").text == "\"\\u0001\\n\\u007f\"")
    }

    @Test func formsAreEncoded() {
        #expect(FormText([("a b", "1&2=%+\u{FC}"), ("c", "*-._~")]).text == "a+b=1%262%3D%25%2B%C3%BC&c=*-._%7E")
    }

    @Test func textCannotMoveACursor() {
        #expect(PrintableText.line("a\u{1B}[31m\n\u{9B}\u{202E}\u{200B}b \u{FC}") == "a?[31m????b \u{FC}")
        #expect(PrintableText.cut("abcdef", to: 4) == "abc…" && PrintableText.cut("abc", to: 3) == "abc")
    }

    @Test(
        arguments: [
            ("500ms", 0.5), ("10", 10), ("2.5", 2.5), ("2.5s", 2.5), ("5min", 300), ("2h", 7200), ("1d", 86_400),
            ("0", 0),
        ]
            as [(String, Double)])
    func intervals(_ text: String, _ seconds: Double) { #expect(Moment.seconds(text) == seconds) }

    @Test(arguments: ["", "-1", "x", "5 min", "1y", "1e99", "inf", "nan", "2026-01-01T00:00:00Z"])
    func noIntervals(_ text: String) { #expect(Moment.seconds(text) == nil) }

    @Test(
        arguments: [
            (0, "0s"), (0.44, "0.4s"), (9.99, "9.9s"), (10, "10s"), (59.9, "59s"), (60, "1min"), (3600, "1h"),
            (7500, "2h 5min"),
            (86_400, "1d"), (97_200, "1d 3h"), (-5, "0s"),
        ] as [(Double, String)])
    func lengths(_ seconds: Double, _ text: String) { #expect(Moment.length(seconds) == text) }

    @Test func timesAreReadAndWritten() {
        #expect(Moment.read("2026-12-31T18:00:00+01:00", now: 0).map(Moment.text) == "2026-12-31T17:00:00Z")
        #expect(Moment.read("2min", now: 1_000_000) == 121_000_000 && Moment.read("soon", now: 0) == nil)
        #expect(Moment.time("5") == nil)
    }

    @Test func wantedIntervalsAreLongerThanNothing() async {
        for text in ["0", "x", "-1"] {
            let failure = await failure { _ = try Moment.wanted(text, of: "--interval") }
            #expect(failure?.status == .usage && failure?.message.contains("--interval takes a time such as") == true)
        }
    }

    @Test(
        arguments: [
            ("app", "app", 0), ("app", "ap", 1), ("app", "apq", 1), ("app1", "ap1p", 1), ("", "abc", 3),
            ("abc", "xyz", 3),
            ("kitten", "sitting", 3),
        ] as [(String, String, Int)])
    func distances(_ one: String, _ other: String, _ distance: Int) {
        #expect(NearNames.distance(one, other) == distance && NearNames.distance(other, one) == distance)
    }

    @Test func nearNamesAreOffered() {
        #expect(NearNames.hint("ap1", "there are ", ["web", "app1"]) == "did you mean 'app1'?")
        #expect(NearNames.hint("gold", "there are ", ["web", "app1"]) == "there are web, app1")
        #expect(NearNames.hint("x", "", (1...14).map { "member\($0)" }).hasSuffix("member12, and 2 more"))
    }

    @Test func exitStatusesAreDifferent() {
        #expect(Set(Exit.allCases.map(\.rawValue)).count == Exit.allCases.count)
        #expect(Failure(.data, "a\nb").message == "a?b")
    }

    @Test func base64() {
        let pairs = [
            ("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg=="), ("\u{FC}:x", "w7w6eA=="),
        ]
        for (text, encoded) in pairs { #expect(Base64.text(text) == encoded) }
    }
}
