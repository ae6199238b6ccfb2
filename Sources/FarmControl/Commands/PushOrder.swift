import FarmCore

/// An update, as farm-update takes it.
public struct PushOrder: Sendable {
    public let farm: String
    /// Nil: the server goes by the address that the update comes from.
    public let member: String?
    let form: String

    /// `words` are `NAME=NUMBER`, `health=up` or `health=down`; the first may be the member's name instead. Throws what is wrong with them.
    public init(farm: String, words: [String]) throws {
        let member = words.first.flatMap { $0.contains("=") ? nil : $0 }
        try self.init(
            farm: farm, member: member, pairs: words.dropFirst(member == nil ? 0 : 1).map { try Self.pair($0) })
    }

    /// The same of values that are apart.
    public init(farm: String, member: String?, pairs: [(String, String)]) throws {
        _ = try Target(parsing: member.map { "\(farm)/\($0)" } ?? farm)
        self.farm = farm
        self.member = member
        form = FormText([("farm", farm)] + (member.map { [("member", $0)] } ?? []) + pairs).text
        if let name = pairs.first(where: { $0.0 == "farm" || $0.0 == "member" })?.0 {
            throw Failure(.data, "'\(name)=' names no metric: write FARM MEMBER first, then NAME=NUMBER")
        }
        if let wrong = Self.wrong(form) { throw Failure(.data, wrong) }
    }

    private static func pair(_ word: String) throws -> (String, String) {
        let parts = word.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
        guard parts.count == 2 else {
            throw Failure(.usage, "'\(word)' has no value: write NAME=NUMBER, such as cpu=0.42")
        }
        return (parts[0], parts[1])
    }

    /// What the parser of farm-update has against it.
    private static func wrong(_ form: String) -> String? {
        var bytes = Array(form.utf8)
        return bytes.withUnsafeMutableBufferPointer { text in
            switch Update.parse(text, mostMetrics: .max, number: Grammar.read) {
            case .update:
                return nil
            case .refused(let refusal):
                var text = Grammar.text { refusal.write(to: &$0) }
                if text.hasPrefix("error: ") { text.removeFirst(7) }
                if text.hasSuffix(" (group 1)") { text.removeLast(10) }
                return text.replacing(" in this group", with: "")
            }
        }
    }

    /// Pushes it and writes how the server sees the member.
    public func send(_ server: Server, on console: some Console, isJSON: Bool) async throws {
        for line in try await server.update(form) {
            if isJSON { try console.line(SeenLine.json(line)) } else { try console.line(line) }
        }
    }
}
