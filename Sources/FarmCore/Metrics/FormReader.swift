/// Walks through application/x-www-form-urlencoded text (WHATWG URL standard, section 5), which it decodes in place: names
/// and values are parts of the buffer, and the caller's as long as that is.
public struct FormReader {
    public enum Step {
        /// `hasEquals`: there was a `=`, so that an empty value is one.
        case pair(name: UnsafeBufferPointer<UInt8>, value: UnsafeBufferPointer<UInt8>, hasEquals: Bool)
        /// A part with a `%` that two hexadecimal digits do not follow, as it was sent.
        case badEscape(UnsafeBufferPointer<UInt8>)
        case end
    }

    private let text: UnsafeMutableBufferPointer<UInt8>
    private var at = 0

    public init(_ text: UnsafeMutableBufferPointer<UInt8>) { self.text = text }

    /// The next part that is not empty.
    public mutating func next() -> Step {
        while at < text.count && text[at] == 0x26 { at += 1 }
        guard at < text.count else { return .end }
        let start = at
        var equals: Int?
        var isPlain = true
        while at < text.count && text[at] != 0x26 {
            if text[at] == 0x3D && equals == nil { equals = at }
            if text[at] == 0x25 || text[at] == 0x2B { isPlain = false }
            at += 1
        }
        let nameEnd = equals ?? at
        let valueStart = equals.map { $0 + 1 } ?? at
        if isPlain {
            return .pair(name: part(start, nameEnd), value: part(valueStart, at), hasEquals: equals != nil)
        }
        guard isWellEscaped(start, at) else { return .badEscape(part(start, at)) }
        return .pair(
            name: part(start, decode(start, nameEnd)), value: part(valueStart, decode(valueStart, at)),
            hasEquals: equals != nil)
    }

    private func part(_ from: Int, _ to: Int) -> UnsafeBufferPointer<UInt8> {
        UnsafeBufferPointer(rebasing: text[from..<to])
    }

    private func isWellEscaped(_ from: Int, _ to: Int) -> Bool {
        for at in from..<to where text[at] == 0x25 {
            guard at + 2 < to, Self.digit(text[at + 1]) != nil, Self.digit(text[at + 2]) != nil else { return false }
        }
        return true
    }

    /// Decodes in place and returns the new end.
    private func decode(_ from: Int, _ to: Int) -> Int {
        var read = from
        var write = from
        while read < to {
            var byte = text[read]
            if byte == 0x2B {
                byte = 0x20
            } else if byte == 0x25, let high = Self.digit(text[read + 1]), let low = Self.digit(text[read + 2]) {
                byte = high << 4 | low
                read += 2
            }
            text[write] = byte
            read += 1
            write += 1
        }
        return write
    }

    static func digit(_ byte: UInt8) -> UInt8? {
        switch byte {
        case 0x30...0x39: byte - 0x30
        case 0x41...0x46: byte - 0x37
        case 0x61...0x66: byte - 0x57
        default: nil
        }
    }
}
