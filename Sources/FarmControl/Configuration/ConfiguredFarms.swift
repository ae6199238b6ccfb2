/// The farms of a configuration file, as far as a server's status tells the same of them.
public struct ConfiguredFarms: Sendable {
    public struct Member: Equatable, Sendable {
        public var name: String
        public var url: String
        public var line: Int
        public var weight = 1
        public var tier = 0
        public var admin = "on"
        public var mostInflight = 0
    }

    public struct Farm: Equatable, Sendable {
        public var name: String
        public var line: Int
        public var algorithm = "adaptive"
        public var members: [Member] = []
    }

    public private(set) var farms: [Farm] = []
    /// What stands in the file and cannot be compared: each a line for people.
    public private(set) var notes: [String] = []

    /// Reads the text of a file. Directives of others are passed over; what could hide farms, or is wrong, is thrown or noted.
    public init(_ text: String, path: String) throws {
        var open: Farm?
        for line in ConfigurationText(text).lines {
            let place = "\(path), line \(line.number)"
            func wrong(_ what: String) -> Failure { Failure(.data, "\(place): \(what)") }
            let directive = line.words[0].lowercased()
            let rest = Array(line.words.dropFirst())
            switch directive {
            case "<farm":
                guard open == nil else {
                    throw wrong("<Farm> in <Farm \(open?.name ?? "")>: end that one with </Farm> first")
                }
                open = Farm(name: try Self.name(rest, wrong), line: line.number)
            case "</farm>":
                guard let farm = open else { throw wrong("</Farm> without <Farm NAME>") }
                guard !farms.contains(where: { Grammar.sameFarm($0.name, farm.name) }) else {
                    throw wrong("the farm \(farm.name) stands twice")
                }
                farms.append(farm)
                open = nil
            case "farmmember":
                guard let farm = open else { throw wrong("FarmMember stands in <Farm NAME>") }
                let member = try Self.member(rest, line.number, wrong)
                guard !farm.members.contains(where: { $0.name == member.name }) else {
                    throw wrong("the farm has a member \(member.name) already; give one of them another name=")
                }
                open?.members.append(member)
            case "farmalgorithm":
                guard open != nil, rest.count == 1 else { throw wrong("FarmAlgorithm NAME stands in <Farm NAME>") }
                open?.algorithm = rest[0].lowercased()
            case "include", "includeoptional":
                notes.append("\(place): \(line.words.joined(separator: " ")): not followed; check that file too")
            case "<ifdefine", "<ifversion", "<if", "<macro", "use":
                notes.append(
                    "\(place): \(line.words.joined(separator: " ")): not judged; what is in it is taken to hold")
            default: break
            }
        }
        if let farm = open { throw Failure(.data, "\(path), line \(farm.line): <Farm \(farm.name)> has no </Farm>") }
    }

    /// Of `NAME>`, or `NAME` and `>`.
    private static func name(_ words: [String], _ wrong: (String) -> Failure) throws -> String {
        var text = words.joined(separator: " ")
        if text.hasSuffix(">") { text = String(text.dropLast()).trimmed }
        guard Grammar.isFarm(text) else {
            throw wrong("<Farm NAME> takes 1 to 63 letters, digits, '_' and '-', not '\(text)'")
        }
        return text
    }

    private static func member(_ words: [String], _ line: Int, _ wrong: (String) -> Failure) throws -> Member {
        guard let url = words.first, url.contains("://") else { throw wrong("FarmMember takes URL [key=value …]") }
        guard !words.contains(where: { $0.contains("${") }) else {
            throw wrong(
                "a variable (${…}) has its value in httpd only: write what it stands for into the file to check")
        }
        var member = Member(name: defaultName(url) ?? "", url: url, line: line)
        for word in words.dropFirst() {
            let parts = word.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
            guard parts.count == 2 else { throw wrong("FarmMember takes key=value after its URL, not '\(word)'") }
            func number(_ range: ClosedRange<Int>) throws -> Int {
                guard let value = Int(parts[1]), range.contains(value) else {
                    throw wrong(
                        "\(parts[0])= takes a number from \(range.lowerBound) to \(range.upperBound), not '\(parts[1])'"
                    )
                }
                return value
            }
            switch parts[0].lowercased() {
            case "name": member.name = parts[1]
            case "weight": member.weight = try number(1...1000)
            case "tier": member.tier = try number(0...9)
            case "maxinflight": member.mostInflight = try number(0...Int(Int32.max))
            case "admin": member.admin = parts[1].lowercased()
            default: break
            }
        }
        guard Grammar.isMember(member.name) else {
            throw wrong("this FarmMember needs a name=, of 1 to 63 letters, digits and '_.:-'")
        }
        return member
    }

    /// host:port; nil for a socket in a file and for IPv6, which need name=.
    static func defaultName(_ url: String) -> String? {
        guard !url.lowercased().hasPrefix("unix:"), let colon = url.firstRange(of: "://") else { return nil }
        let authority = url[colon.upperBound...].prefix { $0 != "/" }
        guard !authority.contains("["), !authority.isEmpty else { return nil }
        if authority.contains(":") { return String(authority) }
        let port: String? =
            switch url[..<colon.lowerBound].lowercased() {
            case "http", "ws", "h2c": "80"
            case "https", "wss", "h2": "443"
            case "ajp": "8009"
            case "fcgi": "8000"
            case "scgi": "4000"
            case "uwsgi": "3031"
            default: nil
            }
        return port.map { authority + ":" + $0 }
    }
}
