/// A Cookie header (RFC 6265, section 4.2), as clients send it: `a=1; b=2`.
public struct CookieHeader {
    public typealias Bytes = UnsafeBufferPointer<UInt8>

    private let text: Bytes
    private var at = 0

    public init(_ text: Bytes) { self.text = text }

    /// One part between separators: where it begins and ends, blanks included, and the name and value of a cookie; nil when it
    /// has no equals sign.
    private mutating func nextPart() -> (range: Range<Int>, cookie: (name: Bytes, value: Bytes)?)? {
        guard at < text.count else { return nil }
        let start = at
        var equals: Int?
        while at < text.count && !isSeparator(at) {
            if text[at] == 0x3D && equals == nil { equals = at }
            at += 1
        }
        let end = at
        at += 1
        guard let equals else { return (start..<end, nil) }
        var first = start
        while first < equals && isBlank(text[first]) { first += 1 }
        return (
            start..<end, (Bytes(rebasing: text[first..<equals]), Bytes(rebasing: text[(equals + 1)..<end]))
        )
    }

    /// A semicolon; or a comma and a blank, with which httpd joins several Cookie headers into one.
    private func isSeparator(_ at: Int) -> Bool {
        text[at] == 0x3B || (text[at] == 0x2C && at + 1 < text.count && text[at + 1] == 0x20)
    }

    private func isBlank(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x09 }

    /// The value of the next cookie of that name; nil: there is none.
    public mutating func next(_ name: Bytes) -> Bytes? {
        while let part = nextPart() {
            if let cookie = part.cookie, cookie.name.isSame(as: name) { return cookie.value }
        }
        return nil
    }

    /// Writes the header without the cookies whose name is hidden into `room`, which has as many bytes as the header: all
    /// others stay as they are, byte for byte. Nil when there is none to hide.
    public static func without(
        _ text: Bytes, into room: UnsafeMutableBufferPointer<UInt8>, hides: (_ name: Bytes) -> Bool
    ) -> Bytes? {
        var header = CookieHeader(text)
        var written = 0
        var found = false
        while let part = header.nextPart() {
            if let cookie = part.cookie, hides(cookie.name) {
                found = true
                continue
            }
            var start = part.range.lowerBound
            if written > 0 {
                room[written] = text[start - 1]
                written += 1
            } else if start > 0 {
                // What was a blank after a separator is none at the beginning.
                while start < part.range.upperBound && header.isBlank(text[start]) { start += 1 }
            }
            for at in start..<part.range.upperBound {
                room[written] = text[at]
                written += 1
            }
        }
        return found ? Bytes(rebasing: room[..<written]) : nil
    }
}

extension UnsafeBufferPointer where Element == UInt8 {
    /// Whether two texts are the same, byte for byte.
    public func isSame(as other: Self) -> Bool {
        guard count == other.count else { return false }
        for at in 0..<count where self[at] != other[at] { return false }
        return true
    }
}
