/// A Cache-Control header (RFC 9111, section 5.2) as a member sends it.
public enum CacheControl {
    public typealias Bytes = UnsafeBufferPointer<UInt8>

    /// Whether it invites a cache that many clients share to keep the answer, together with a cookie that is set on it: it says
    /// `public`, `s-maxage` or, without `private`, `max-age`. One that already keeps Set-Cookie out does not; nor, where
    /// that is enough, one that has `private` beside the others.
    public static func sharesCookies(_ text: Bytes, privateIsEnough: Bool = false) -> Bool {
        var isPublic = false
        var hasAge = false
        var isPrivate = false
        var at = 0
        while let directive = next(text, &at) {
            let name = directive.name
            if isWord(name, "public") || isWord(name, "s-maxage") {
                isPublic = true
            } else if isWord(name, "max-age") {
                hasAge = true
            } else if isWord(name, "private") || isWord(name, "no-cache") {
                // With an argument it is about those fields alone.
                guard let fields = directive.value else {
                    if isWord(name, "private") { isPrivate = true }
                    continue
                }
                if namesSetCookie(fields) { return false }
            }
        }
        return isPrivate ? isPublic && !privateIsEnough : isPublic || hasAge
    }

    /// The next directive; `value` is without its quotes.
    private static func next(_ text: Bytes, _ at: inout Int) -> (name: Bytes, value: Bytes?)? {
        while at < text.count && (text[at] == 0x2C || isBlank(text[at])) { at += 1 }
        guard at < text.count else { return nil }
        let start = at
        while at < text.count && text[at] != 0x2C && text[at] != 0x3D && !isBlank(text[at]) { at += 1 }
        let name = Bytes(rebasing: text[start..<at])
        guard at < text.count, text[at] == 0x3D else { return (name, nil) }
        at += 1
        guard at < text.count, text[at] == 0x22 else {
            let first = at
            while at < text.count && text[at] != 0x2C { at += 1 }
            return (name, Bytes(rebasing: text[first..<at]))
        }
        at += 1
        let first = at
        while at < text.count && text[at] != 0x22 { at += text[at] == 0x5C ? 2 : 1 }
        let value = Bytes(rebasing: text[first..<min(at, text.count)])
        at = min(at + 1, text.count)
        return (name, value)
    }

    /// Whether a list of field names has Set-Cookie.
    private static func namesSetCookie(_ fields: Bytes) -> Bool {
        var at = 0
        while at < fields.count {
            let start = at
            while at < fields.count && fields[at] != 0x2C && !isBlank(fields[at]) { at += 1 }
            if isWord(Bytes(rebasing: fields[start..<at]), "set-cookie") { return true }
            at += 1
        }
        return false
    }

    private static func isBlank(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x09 }

    /// `word` is in lower case.
    private static func isWord(_ bytes: Bytes, _ word: StaticString) -> Bool {
        guard bytes.count == word.utf8CodeUnitCount else { return false }
        for at in 0..<bytes.count {
            let byte = bytes[at]
            guard (byte >= 0x41 && byte <= 0x5A ? byte | 0x20 : byte) == word.utf8Start[at] else { return false }
        }
        return true
    }
}
