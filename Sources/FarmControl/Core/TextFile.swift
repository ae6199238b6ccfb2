#if canImport(Glibc)
    import Glibc
#endif

/// Files of text.
public enum TextFile {
    /// All of a file; `-` is standard input. Throws why it cannot be read.
    public static func read(_ path: String) throws -> String {
        let bytes = try bytes(path)
        guard let text = String(validating: bytes, as: UTF8.self) else {
            throw Failure(.noInput, "\(path): this is no UTF-8 text")
        }
        return text
    }

    /// The longest file that is read, in bytes.
    static let longest = 16 << 20

    /// The bytes of a file; `-` is standard input.
    public static func bytes(_ path: String) throws -> [UInt8] {
        let descriptor = path == "-" ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw unreadable(path) }
        defer { if path != "-" { close(descriptor) } }
        var bytes: [UInt8] = []
        var piece = [UInt8](repeating: 0, count: 65_536)
        while true {
            let count = Glibc.read(descriptor, &piece, piece.count)
            if count < 0 && errno == EINTR { continue }
            guard count >= 0 else { throw unreadable(path) }
            if count == 0 { return bytes }
            bytes += piece[..<count]
            guard bytes.count <= longest else { throw Failure(.noInput, "\(path): has more than 16 MiB") }
        }
    }

    private static func unreadable(_ path: String) -> Failure {
        Failure(.noInput, "\(path): cannot be read: \(String(cString: strerror(errno)))")
    }
}

extension String {
    /// The lines of a text, which end as Unix or as others end them: to Swift that is one character or another.
    var lines: [String] {
        split(omittingEmptySubsequences: false) { $0 == "\n" || $0 == "\r\n" }.map(String.init)
    }

    /// Without blanks at its ends.
    var trimmed: String {
        let isBlank: (Unicode.Scalar) -> Bool = { $0 == " " || $0 == "\t" || $0 == "\r" }
        var rest = Substring(self).unicodeScalars.drop(while: isBlank)
        while let last = rest.last, isBlank(last) { rest.removeLast() }
        return String(rest)
    }
}
