/// What `farmctl cookie verify` is given.
public enum CookieInput {
    /// The bytes of the values; `-` stands for the lines of standard input.
    public static func values(_ words: [String]) throws -> [[UInt8]] {
        try words.flatMap { word in
            guard word == "-" else { return [Array(word.utf8)] }
            var bytes = try TextFile.bytes("-")
            if bytes.last == 0x0A { bytes.removeLast() }
            return bytes.split(separator: 0x0A, omittingEmptySubsequences: false).map(Array.init)
        }
    }

    /// Seconds since 1970: a number of them, or a time.
    public static func seconds(_ text: String) throws -> UInt64 {
        if let seconds = UInt64(text), seconds < 10_000_000_000_000 { return seconds }
        guard let time = Moment.time(text) else {
            throw Failure(.usage, "--at takes seconds since 1970 or a time such as 2026-12-31T18:00:00Z, not '\(text)'")
        }
        return time / 1_000_000
    }
}
