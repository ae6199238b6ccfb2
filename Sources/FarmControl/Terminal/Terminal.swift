#if canImport(Glibc)
    import Glibc
#endif

/// Standard output and standard error, as they are now.
public enum Terminal {
    /// Whether standard output is one that can do more than a line printer.
    public static var isThere: Bool { isatty(STDOUT_FILENO) == 1 && variable("TERM") != "dumb" }

    /// What standard output is. Asked again for each picture, as people change their windows.
    public static var screen: Screen {
        guard isatty(STDOUT_FILENO) == 1 else {
            return Screen(width: variable("COLUMNS").flatMap { Int($0) }.flatMap { $0 > 0 ? $0 : nil })
        }
        var size = winsize()
        let known = ioctl(STDOUT_FILENO, UInt(TIOCGWINSZ), &size) == 0
        return Screen(
            width: known && size.ws_col > 0 ? Int(size.ws_col) : 80,
            height: known && size.ws_row > 0 ? Int(size.ws_row) : 24,
            colour: isThere && (variable("NO_COLOR") ?? "").isEmpty)
    }

    /// An environment variable; nil: it is not set.
    public static func variable(_ name: String) -> String? { getenv(name).map { String(cString: $0) } }

    /// The same; one without a text is as good as none.
    public static func setting(_ name: String) -> String? { variable(name).flatMap { $0.isEmpty ? nil : $0 } }

    /// The name of the user whose rights this program has.
    static var user: String? { getpwuid(geteuid()).flatMap { $0.pointee.pw_name }.map { String(cString: $0) } }

    /// Writes to standard output at once. False: nobody reads it any more.
    @discardableResult
    public static func write(_ text: String) -> Bool { write(text, to: STDOUT_FILENO) }

    /// One line on standard error, with the name of the program.
    public static func complain(_ message: String) {
        _ = write("farmctl: \(message)\n", to: STDERR_FILENO)
    }

    private static func write(_ text: String, to descriptor: Int32) -> Bool { write(Array(text.utf8), to: descriptor) }

    private static func write(_ bytes: [UInt8], to descriptor: Int32) -> Bool {
        bytes.withUnsafeBytes { all in
            var rest = all[...]
            while !rest.isEmpty {
                let count = Glibc.write(descriptor, rest.baseAddress(in: all), rest.count)
                if count < 0 && errno == EINTR { continue }
                guard count > 0 else { return false }
                rest = rest.dropFirst(count)
            }
            return true
        }
    }
}

extension Slice<UnsafeRawBufferPointer> {
    fileprivate func baseAddress(in all: UnsafeRawBufferPointer) -> UnsafeRawPointer? {
        all.baseAddress.map { $0 + startIndex }
    }
}
