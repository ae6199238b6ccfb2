import FarmTestSupport
import Testing

@testable import FarmCore

/// What only the farms that there are can show, and what a message does with what a client sent.
@Suite struct UpdateRefusalTests {
    private func message(
        _ kind: UpdateRefusal.Kind, group: Int = 3, name: [UInt8] = [], value: [UInt8] = []
    ) -> (String, UInt32) {
        name.withUnsafeBufferPointer { name in
            value.withUnsafeBufferPointer { value in
                let refusal = UpdateRefusal(kind, group: group, name: name, value: value)
                return (Reading.message(refusal), refusal.status)
            }
        }
    }

    @Test(
        arguments: [
            (.unknownFarm, "there is no farm 'web'", 404),
            (.unknownMember, "farm app has no member 'web'", 404),
            (.noCaller, "no member of farm app has your address, web; write member=NAME", 404),
            (.severalCallers, "several members of farm app have your address, web; write member=NAME", 400),
            (.tooManyNames, "the table of metrics has no room for the name 'app'; raise FarmTable metrics=N", 413),
        ] as [(UpdateRefusal.Kind, String, UInt32)])
    func whatTheFarmsShow(_ kind: UpdateRefusal.Kind, _ what: String, _ status: UInt32) {
        #expect(message(kind, name: bytes("app"), value: bytes("web")) == ("error: \(what) (group 3)", status))
    }

    /// Of no group: it is the process that was asked.
    @Test func ofAProcess() {
        #expect(
            message(.outside, group: 0)
                == (
                    "error: this process of httpd takes no part in the farms, and nothing was stored; "
                        + "the error log says why (FARM00009, FARM00106); others may: ask again", 503
                ))
    }

    @Test func ofAMetric() throws {
        let refusal = UpdateRefusal(.tooManyNames, group: 2, metric: try #require(MetricNameTests.named("db.conns")))
        #expect(refusal.status == 413)
        #expect(
            Reading.message(refusal)
                == "error: the table of metrics has no room for the name 'db.conns'; raise FarmTable metrics=N (group 2)"
        )
    }

    /// A line of a log or of an answer is not the client's to write.
    @Test(arguments: [
        UpdateRefusal.Kind.badEscape, .noEquals, .empty, .badFarm, .badMember, .badHealth, .badName, .badNumber, .twice,
        .unknownFarm, .unknownMember, .noCaller, .severalCallers, .tooManyNames,
    ])
    func whatWasSentIsMadeHarmless(_ kind: UpdateRefusal.Kind) {
        let all = [UInt8](0...255)
        for start in stride(from: 0, to: 256, by: 32) {
            let part = Array(all[start..<(start + 32)])
            let (text, _) = message(kind, name: part, value: part)
            #expect(text.utf8.allSatisfy { (0x20..<0x7F).contains($0) })
            #expect(!text.contains("<") && !text.contains(">"), "nor is a page's markup")
            let shown = part.map { (0x20..<0x7F).contains($0) && !bytes("<>&").contains($0) ? $0 : 0x3F }
            #expect(text.contains(String(decoding: shown, as: UTF8.self)))
        }
    }

    @Test func whatWasSentIsCut() {
        let forty = String(repeating: "x", count: 40)
        #expect(message(.unknownFarm, value: bytes(forty)).0 == "error: there is no farm '\(forty)' (group 3)")
        #expect(message(.unknownFarm, value: bytes(forty + "y")).0 == "error: there is no farm '\(forty)...' (group 3)")
        let long = [UInt8](repeating: 0x0A, count: 1 << 20)
        #expect(message(.badNumber, name: long, value: long).0.utf8.count < 200)
    }

    @Test func nothingWasSent() {
        #expect(Reading.message(UpdateRefusal(.unknownFarm, group: 1)) == "error: there is no farm '' (group 1)")
    }
}
