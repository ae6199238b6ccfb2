import FarmCore

/// Verdicts on cookies, in words.
public enum CookieVerdictText {
    /// One line.
    public static func line(_ verdict: CookieJudge.Verdict, now: UInt64) -> String {
        switch verdict {
        case .accepted(let says):
            let left = Moment.length(Double(says.expires - min(now, says.expires)))
            let target = [
                "farm \(says.farm ?? "as addressed")", says.member.map { "member \($0)" },
                says.member == nil ? nil : says.isStrict ? "never another" : "another if it is not available",
            ]
            let what = target.compactMap(\.self).joined(separator: ", ")
            return "accepted: \(what); until \(Moment.text(clamped(says.expires))) (\(left)); key \(says.key)"
        case .otherFarm(let farm): return "other farm: it is for requests to \(farm), and no fault"
        case .refused(let result): return "\(result.name.text): \(why(result))"
        }
    }

    /// As JSON.
    public static func json(_ verdict: CookieJudge.Verdict) -> JSON {
        switch verdict {
        case .accepted(let says):
            .object([
                "result": .string("accepted"), "farm": .text(says.farm), "member": .text(says.member),
                "strict": .bool(says.isStrict), "exp": .number(String(says.expires)), "key": .string(says.key),
                "payload": .string(says.payload),
            ])
        case .otherFarm(let farm): .object(["result": .string("other_farm"), "farm": .string(farm)])
        case .refused(let result): .object(["result": .string(result.name.text)])
        }
    }

    private static func clamped(_ seconds: UInt64) -> UInt64 { seconds &* 1_000_000 }

    private static func why(_ result: InstructionResult) -> String {
        switch result {
        case .accepted: "it holds"
        case .badMAC: "its MAC is not that of this key: another key has this name, or somebody changed it"
        case .expired: "its exp is over"
        case .malformed:
            "it has not the form v1.KID.PAYLOAD.MAC, or its fields are wrong; give the value alone, without NAME="
        case .unknownKey: "no key has the name that it says"
        case .unknownTarget: "the server has no such farm or member"
        case .otherClient: "its ip is another address than this client's"
        }
    }
}
