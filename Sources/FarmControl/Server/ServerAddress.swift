/// The handlers of the module, by the names of their default paths.
public enum Handler: String, CaseIterable, Sendable {
    case status = "farm-status"
    case update = "farm-update"
    case balance = "farm-balance"
    case manager = "farm-manager"

    /// The option that names its URL alone.
    var option: String { "--\(rawValue.dropFirst(5))-url" }
}

/// Where the handlers are.
public struct ServerAddress: Equatable, Sendable {
    private var urls: [Handler: String]

    /// `base` has the handlers below its path, under their own names; each of `single` stands for itself. `source` is where
    /// the base was written.
    public init(base: String, from source: String = "--server", single: [Handler: String] = [:]) throws {
        let root = try Self.checked(base, of: source)
        urls = [:]
        for handler in Handler.allCases {
            if let url = single[handler] {
                urls[handler] = try Self.checked(url, of: handler.option)
            } else {
                urls[handler] = root + (root.hasSuffix("/") ? "" : "/") + handler.rawValue
            }
        }
    }

    public func url(_ handler: Handler) -> String { urls[handler] ?? "" }

    /// The URL without a query, or why it is none.
    private static func checked(_ url: String, of option: String) throws -> String {
        func wrong(_ what: String) -> Failure {
            Failure(.usage, "\(option) takes http://HOST[:PORT]/PATH or https://…, not '\(url)': \(what)")
        }
        guard url.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F }) else {
            throw wrong("it has a blank or a strange character")
        }
        guard let colon = url.firstRange(of: "://"), ["http", "https"].contains(url[..<colon.lowerBound].lowercased())
        else { throw wrong("it does not begin with http:// or https://") }
        let rest = url[colon.upperBound...]
        let authority = rest.prefix { $0 != "/" && $0 != "?" && $0 != "#" }
        guard !rest.contains("?"), !rest.contains("#") else { throw wrong("leave ? and # away") }
        guard !authority.contains("@") else { throw wrong("give name and password with --user or FARMCTL_USER") }
        guard hasHost(authority) else { throw wrong("it names no host, or a port that is none") }
        return rest.count == authority.count ? url + "/" : url
    }

    private static func hasHost(_ authority: Substring) -> Bool {
        var rest = authority
        if authority.first == "[" {
            guard let end = authority.firstIndex(of: "]") else { return false }
            rest = authority[authority.index(after: end)...]
            guard authority.index(after: authority.startIndex) < end, rest.isEmpty || rest.first == ":" else {
                return false
            }
        } else {
            rest = authority.drop { $0 != ":" }
            guard rest.count < authority.count else { return false }
        }
        guard !rest.isEmpty else { return true }
        guard let port = Int(rest.dropFirst()) else { return false }
        return (1...65_535).contains(port)
    }
}
