/// A Cookie header (RFC 6265, section 4.2), as clients send it: `a=1; b=2`.
public struct CookieHeader {
    public typealias Bytes = UnsafeBufferPointer<UInt8>

    private let text: Bytes
    private var at = 0

    public init(_ text: Bytes) { self.text = text }

    /// One part between separators: where it begins and ends, blanks included, and its value when it has the name.
    private mutating func nextPart(_ name: Bytes) -> (range: Range<Int>, value: Bytes?)? {
        guard at < text.count else { return nil }
        let start = at
        while at < text.count && !isSeparator(at) { at += 1 }
        let end = at
        at += 1
        var first = start
        while first < end && isBlank(text[first]) { first += 1 }
        guard end - first > name.count, text[first + name.count] == 0x3D else { return (start..<end, nil) }
        for place in 0..<name.count where text[first + place] != name[place] { return (start..<end, nil) }
        return (start..<end, Bytes(rebasing: text[(first + name.count + 1)..<end]))
    }

    /// A semicolon; or a comma and a blank, with which httpd joins several Cookie headers into one.
    private func isSeparator(_ at: Int) -> Bool {
        text[at] == 0x3B || (text[at] == 0x2C && at + 1 < text.count && text[at + 1] == 0x20)
    }

    private func isBlank(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x09 }

    /// The value of the next cookie of that name; nil: there is none.
    public mutating func next(_ name: Bytes) -> Bytes? {
        while let part = nextPart(name) {
            if let value = part.value { return value }
        }
        return nil
    }

    /// Writes the header without the cookies of a name into `room`, which has as many bytes as the header: all others stay
    /// as they are, byte for byte. Nil when there is none of the name.
    public static func without(
        _ name: Bytes, _ text: Bytes, into room: UnsafeMutableBufferPointer<UInt8>
    ) -> Bytes? {
        var header = CookieHeader(text)
        var written = 0
        var found = false
        while let part = header.nextPart(name) {
            if part.value != nil {
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
