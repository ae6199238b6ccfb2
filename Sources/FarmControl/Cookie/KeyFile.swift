import FarmCore

/// A key by which instruction cookies are signed.
public struct CookieKey: Equatable, Sendable {
    public let name: String
    /// As it is written: its bytes are the key.
    public let key: String

    /// Throws what is wrong with it; never says the key. `place` is where it was read.
    public init(name: String, key: String, at place: String) throws {
        guard Grammar.bytes(name, Names.isKey) else {
            throw Failure(
                .data, "\(place): a key's name has 1 to 16 letters, digits, '_' and '-', not '\(name)'; write NAME:KEY")
        }
        guard key.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F }) else {
            throw Failure(.data, "\(place): the key has a blank, or a byte that is not printable ASCII")
        }
        guard (32...256).contains(key.utf8.count) else {
            throw Failure(.data, "\(place): the key has \(key.utf8.count) characters; it needs 32 to 256")
        }
        self.name = name
        self.key = key
    }
}

/// The keys of a FarmSecretFile: a `NAME:KEY` a line, the first of which signs; `#` comments and empty lines.
public enum KeyFile {
    /// Reads the text of a file.
    public static func keys(_ text: String, path: String) throws -> [CookieKey] {
        var keys: [CookieKey] = []
        for (at, line) in text.lines.enumerated() {
            let line = line.trimmed
            if line.isEmpty || line.hasPrefix("#") { continue }
            let place = "\(path), line \(at + 1)"
            let parts = line.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
            guard parts.count == 2 else { throw Failure(.data, "\(place): there is no colon; write NAME:KEY") }
            guard !keys.contains(where: { $0.name == parts[0] }) else {
                throw Failure(.data, "\(place): the key \(parts[0]) stands twice; give one another name")
            }
            keys.append(try CookieKey(name: parts[0], key: parts[1], at: place))
        }
        guard !keys.isEmpty else { throw Failure(.data, "\(path): there is no key in it; write one NAME:KEY a line") }
        return keys
    }

    /// The keys of a file; without one, that of the environment, as the programs in clients/ take it.
    public static func keys(file: String?, name: String?, key: String?) throws -> [CookieKey] {
        if let file { return try keys(TextFile.read(file), path: file) }
        guard let name, let key else {
            throw Failure(
                .usage, "which key? Name a FarmSecretFile with --key-file, or set FARM_KEY_ID and FARM_KEY")
        }
        return [try CookieKey(name: name, key: key, at: "FARM_KEY_ID and FARM_KEY")]
    }
}
