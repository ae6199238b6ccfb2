import FarmTestSupport
import Testing

@testable import FarmCore

/// What is said when a change is refused: "error: WHAT; what to write instead", in one line.
@Suite struct ChangeRefusalTests {
    private func message(_ kind: ChangeRefusal.Kind, value: [UInt8] = [], farm: String = "") -> (String, UInt32) {
        value.withUnsafeBufferPointer { value in
            bytes(farm).withUnsafeBufferPointer { farm in
                let refusal = ChangeRefusal(kind, value: value, farm: farm)
                let pieces = Pieces()
                pieces.write { refusal.write(to: &$0) }
                return (pieces.text, refusal.status)
            }
        }
    }

    private static let kinds: [ChangeRefusal.Kind] = [
        .badEscape, .unknownField, .twice, .empty, .noFarm, .badFarm, .badMember, .badAdmin, .longBy, .unreadableBy,
        .longReason, .unreadableReason, .badUntil, .past, .untilOn, .badHealth, .badWeight, .noAdmin, .nothing,
        .healthOfFarm, .weightOfFarm, .wrongNonce, .unknownFarm, .unknownMember, .locked,
    ]

    @Test(arguments: kinds) func oneLineThatHelps(_ kind: ChangeRefusal.Kind) {
        let (text, status) = message(kind, value: bytes("x<y>\n\u{0}ä&z"), farm: "app")
        #expect(text.hasPrefix("error: ") && text.utf8.count < 250)
        #expect(text.utf8.allSatisfy { $0 >= 0x20 && $0 < 0x7F && $0 != 0x3C && $0 != 0x3E }, "\(text)")
        #expect(!text.contains("%:"), "every place is filled: \(text)")
        #expect(!text.hasSuffix(";") && !text.hasSuffix(" "))
        let expected: UInt32 =
            switch kind {
            case .wrongNonce: 403
            case .unknownFarm, .unknownMember: 404
            case .locked: 503
            default: 400
            }
        #expect(status == expected)
    }

    @Test(
        arguments: [
            (.unknownField, "error: 'v' is no field; write farm, member, admin, by, reason, until, health or weight"),
            (.twice, "error: 'v' stands twice; write it once"),
            (.badAdmin, "error: admin= takes on, drain or off, not 'v'"),
            (.badWeight, "error: weight= takes a number from 1 to 1000, not 'v'"),
            (.badEscape, "error: 'v' has a % without two hexadecimal digits after it; write %25 for a %"),
            (.past, "error: until= takes a time to come, and 'v' is over; write a later one"),
            (.unknownFarm, "error: there is no farm 'v'; the status lists those that there are"),
            (.unknownMember, "error: farm app has no member 'v'; the status lists those that it has"),
        ] as [(ChangeRefusal.Kind, String)])
    func withWhatWasSent(_ kind: ChangeRefusal.Kind, _ expected: String) {
        #expect(message(kind, value: bytes("v"), farm: "app").0 == expected)
    }

    /// What was sent is cut, and is nobody's line but ours.
    @Test func aLongValueIsCut() {
        let (text, _) = message(.badMember, value: [UInt8](repeating: 0x61, count: 10_000))
        #expect(text.hasSuffix("not '\(String(repeating: "a", count: 40))...'"))
    }

    /// A value with the sign of a place in it fills no place.
    @Test func aValueIsNoTemplate() {
        #expect(message(.badAdmin, value: bytes("%:%:")).0 == "error: admin= takes on, drain or off, not '%:%:'")
    }
}
