import FarmCore

/// A change of farms or members, as farm-manager makes it.
public struct ChangeOrder: Sendable {
    public let targets: [Target]
    private let fields: [(String, String)]

    /// `fields` as farm-manager calls them, without farm and member. Throws what is wrong with them: all is looked at before
    /// anything is sent.
    public init(_ targets: [Target], _ fields: [(String, String)], now: UInt64 = Moment.now) throws {
        self.targets = targets
        self.fields = fields
        for target in targets {
            if let wrong = Self.wrong(form(target), now) { throw Failure(.data, wrong) }
        }
    }

    /// Who changes what, if nobody says it: the user of this machine. `by` goes before it.
    public static func by(_ by: String?, isKnownToServer: Bool) -> [(String, String)] {
        if let by { return [("by", by)] }
        guard !isKnownToServer, let name = Terminal.setting("SUDO_USER") ?? Terminal.user else { return [] }
        return [("by", name)]
    }

    private func form(_ target: Target) -> String {
        FormText([("farm", target.farm)] + (target.member.map { [("member", $0)] } ?? []) + fields).text
    }

    /// What the parser of farm-manager has against it.
    private static func wrong(_ form: String, _ now: UInt64) -> String? {
        var bytes = Array(form.utf8)
        return bytes.withUnsafeMutableBufferPointer { text in
            switch Change.parse(text, isForm: false, wallClock: now) {
            case .change: nil
            case .refused(let refusal): asOption(Grammar.text { refusal.write(to: &$0) })
            }
        }
    }

    /// The words of the server, about what is an option here.
    private static func asOption(_ refusal: String) -> String {
        let text = refusal.hasPrefix("error: ") ? String(refusal.dropFirst(7)) : refusal
        for name in ["by", "reason", "until"] where text.hasPrefix(name + "= ") {
            return "--\(name)" + text.dropFirst(name.count + 1)
        }
        return text
    }

    /// Makes the changes, one after the other, and writes what the server says of each. The first that fails ends it.
    public func send(_ server: Server, on console: some Console, isJSON: Bool) async throws {
        for (at, target) in targets.enumerated() {
            do {
                let says = try await server.change(form(target))
                if isJSON { try console.line(SeenLine.json(says)) } else { try console.line(says) }
            } catch let failure as Failure {
                let rest = targets[at...].map(\.text).joined(separator: ", ")
                throw targets.count == 1
                    ? failure : Failure(failure.status, "\(target.text): \(failure.message); not changed: \(rest)")
            }
        }
    }
}

/// A line by which the server says how a member or farm stands: `app a admin=on health=up share=0.5`.
enum SeenLine {
    /// Numbers as numbers, and `-` as null.
    static func json(_ line: String) -> JSON {
        var names = ["farm", "member"]
        var members: [JSON.Member] = []
        for word in line.split(separator: " ").map(String.init) {
            let parts = word.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
            if parts.count == 2 {
                members.append(JSON.Member(parts[0], value(parts[1])))
            } else if !names.isEmpty {
                members.append(JSON.Member(names.removeFirst(), .string(word)))
            }
        }
        return .object(members)
    }

    private static func value(_ text: String) -> JSON {
        if text == "-" { return .null }
        if case .number(let number)? = JSONReader.read(Array(text.utf8)) { return .number(number) }
        return .string(text)
    }
}
