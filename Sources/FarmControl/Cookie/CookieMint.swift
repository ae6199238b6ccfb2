import FarmCore

/// HMAC-SHA256 (RFC 2104), which is no part of what is here.
public protocol Authenticator: Sendable {
    /// 32 bytes.
    func mac(key: [UInt8], _ text: [UInt8]) -> [UInt8]
}

/// Makes instruction cookies.
public struct CookieMint: Sendable {
    private let authenticator: any Authenticator

    public init(_ authenticator: any Authenticator) { self.authenticator = authenticator }

    /// The value of a cookie, with the fields in this order. Throws what is wrong with them.
    public func cookie(_ fields: [(String, String)], key: CookieKey) throws -> String {
        if let wrong = InstructionFields.wrong(fields) { throw Failure(.data, wrong) }
        let payload = Array(FormText(fields).text.utf8)
        guard payload.count <= Instruction.longest else {
            throw Failure(.data, "the fields have \(payload.count) bytes, and may have \(Instruction.longest)")
        }
        let signed = "v1.\(key.name)." + Self.base64url(payload)
        let mac = authenticator.mac(key: Array(key.key.utf8), Array(signed.utf8))
        return signed + "." + Self.base64url(mac)
    }

    /// The header by which it is to be set.
    public static func header(name: String, value: String, seconds: UInt64) -> String {
        "Set-Cookie: \(name)=\(value); Path=/; Max-Age=\(seconds); HttpOnly; Secure; SameSite=Lax"
    }

    private static func base64url(_ bytes: [UInt8]) -> String {
        var digits: [UInt8] = []
        bytes.withUnsafeBufferPointer { Base64URL.encode($0) { digits.append($0) } }
        return String(decoding: digits, as: UTF8.self)
    }
}

/// What an instruction may say.
public enum InstructionFields {
    /// Reads `NAME=VALUE`.
    public static func read(_ words: [String]) throws -> [(String, String)] {
        try words.map { word in
            let parts = word.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
            guard parts.count == 2 else {
                throw Failure(
                    .usage, "'\(word)' has no value: write NAME=VALUE, such as farm=app member=app1 exp=10min")
            }
            return (parts[0], parts[1])
        }
    }

    /// The same with `exp` in seconds since 1970, where it was given as a time or as an interval. A bare number is what it is.
    public static func resolved(_ fields: [(String, String)], now: UInt64) -> [(String, String)] {
        fields.map { name, value in
            guard name == "exp", !value.utf8.allSatisfy({ (0x30...0x39).contains($0) }),
                let time = Moment.read(value, now: now)
            else { return (name, value) }
            return (name, String(time / 1_000_000))
        }
    }

    /// What is wrong with fields, and what to write instead; nil: nothing.
    static func wrong(_ fields: [(String, String)]) -> String? {
        var seen: Set<String> = []
        for (name, value) in fields {
            guard ["farm", "to", "member", "mode", "exp", "ip"].contains(name) else {
                return "'\(name)' is no field of an instruction; there are farm, to, member, mode, exp and ip"
            }
            guard seen.insert(name).inserted else { return "\(name)= stands twice; write it once" }
            if let wrong = wrong(name, value) { return wrong }
        }
        if !seen.contains("farm") { return "farm= is missing: the farm that requests are addressed to, or '*' for any" }
        if !seen.contains("exp") { return "exp= is missing: when it ends, such as exp=10min" }
        return nil
    }

    private static func wrong(_ name: String, _ value: String) -> String? {
        switch name {
        case "farm" where value == "*": nil
        case "farm", "to":
            Grammar.isFarm(value) ? nil : "\(name)= takes 1 to 63 letters, digits, '_' and '-', not '\(value)'"
        case "member":
            Grammar.isMember(value) ? nil : "member= takes 1 to 63 letters, digits and '_.:-', not '\(value)'"
        case "mode": value == "safe" || value == "strict" ? nil : "mode= takes safe or strict, not '\(value)'"
        case "ip": IPAddress(value) != nil ? nil : "ip= takes an IPv4 or IPv6 address, not '\(value)'"
        default: wrongEnd(value)
        }
    }

    private static func wrongEnd(_ value: String) -> String? {
        let isNumber = !value.isEmpty && value.utf8.allSatisfy { (0x30...0x39).contains($0) }
        if isNumber && value.utf8.count == 13 {
            return "exp= takes seconds since 1970; '\(value)' looks like milliseconds"
        }
        return isNumber && value.utf8.count <= 12
            ? nil
            : "exp= takes seconds since 1970, a time such as 2026-12-31T18:00:00Z or an interval such as 10min, not '\(value)'"
    }
}
