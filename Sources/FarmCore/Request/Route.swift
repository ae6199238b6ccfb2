/// The route by which a client names the member that it was served by: what follows the last dot of a session's cookie or
/// path parameter, as mod_proxy_balancer's stickysession has it (`JSESSIONID=4F2A.node1`).
public enum Route {
    public typealias Bytes = UnsafeBufferPointer<UInt8>

    /// The route in a path parameter (`;name=value`), in the query, or else in a cookie; nil when there is none.
    public static func find(
        cookie: Bytes, parameter: Bytes, cookies: Bytes, path: Bytes, query: Bytes
    ) -> Bytes? {
        let value =
            self.value(named: parameter, in: path, after: { $0 == 0x3B }, to: isPathEnd, isStart: false)
            ?? self.value(named: parameter, in: query, after: { $0 == 0x26 }, to: isQueryEnd, isStart: true)
            ?? self.value(named: cookie, in: cookies, after: isCookieEnd, to: isCookieEnd, isStart: true)
        guard let value, let dot = value.lastIndex(of: 0x2E), dot + 1 < value.count else { return nil }
        return Bytes(rebasing: value[(dot + 1)...])
    }

    private static func isPathEnd(_ byte: UInt8) -> Bool { byte == 0x3B || byte == 0x2F || byte == 0x3F }
    private static func isQueryEnd(_ byte: UInt8) -> Bool { byte == 0x26 || byte == 0x3B }
    private static func isCookieEnd(_ byte: UInt8) -> Bool {
        byte == 0x3B || byte == 0x2C || byte == 0x20 || byte == 0x09
    }

    /// The value of `name=value` after a separator, up to what ends it; one that is empty is passed by. In a Cookie header a
    /// comma separates too, since some clients join their headers so, and so do blanks.
    private static func value(
        named name: Bytes, in text: Bytes, after isSeparator: (UInt8) -> Bool, to isEnd: (UInt8) -> Bool, isStart: Bool
    ) -> Bytes? {
        guard !name.isEmpty else { return nil }
        var isStart = isStart
        for at in 0..<text.count {
            if isStart && matches(name, text, at) {
                let start = at + name.count + 1
                var end = start
                while end < text.count && !isEnd(text[end]) { end += 1 }
                if end > start { return quoteless(Bytes(rebasing: text[start..<end])) }
            }
            isStart = isSeparator(text[at])
        }
        return nil
    }

    private static func matches(_ name: Bytes, _ text: Bytes, _ at: Int) -> Bool {
        guard at + name.count < text.count, text[at + name.count] == 0x3D else { return false }
        for place in 0..<name.count where text[at + place] != name[place] { return false }
        return true
    }

    private static func quoteless(_ value: Bytes) -> Bytes {
        guard value.count >= 2, value[0] == 0x22, value[value.count - 1] == 0x22 else { return value }
        return Bytes(rebasing: value[1..<value.count - 1])
    }
}
