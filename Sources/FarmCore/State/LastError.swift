import CFarm

/// What failed when a member failed last: the words of FARM_ERROR_*, for the status and the log alike.
public struct LastError: Equatable {
    /// As in a member's row: the cause in the low half, a status in the high half.
    public let word: UInt32

    public init(word: UInt32) { self.word = word }

    /// The cause of a failed attempt, by what httpd showed of it. `status` is that of its answer, 0 when there was none.
    public init(_ saw: Evidence, status: UInt32) {
        self.init(word: Self.cause(saw, status: status))
    }

    private static func cause(_ saw: Evidence, status: UInt32) -> UInt32 {
        if saw.contains(.held) || (saw.contains(.answer) && !saw.contains(.broke)) {
            return FARM_ERROR_STATUS | status << 16
        }
        if saw.contains(.answer) { return FARM_ERROR_CUT }
        if saw.contains(.unreachable) {
            if saw.contains(.noHost) { return FARM_ERROR_UNKNOWN_HOST }
            return saw.contains(.connectTimeout) ? FARM_ERROR_CONNECT_TIMEOUT : FARM_ERROR_REFUSED
        }
        if saw.contains(.timeout) { return FARM_ERROR_TIMEOUT }
        if saw.contains(.stale) { return FARM_ERROR_STALE }
        if saw.contains(.writingBody) { return FARM_ERROR_BODY }
        if saw.contains(.tls) { return FARM_ERROR_TLS }
        return saw.contains(.noHTTP) ? FARM_ERROR_NO_HTTP : FARM_ERROR_CLOSED
    }

    /// Whether there was one.
    public var isSome: Bool { word != FARM_ERROR_NONE }

    /// The words for it, without the status.
    public var what: StaticString {
        switch word & 0xFFFF {
        case FARM_ERROR_REFUSED: "connection refused"
        case FARM_ERROR_CONNECT_TIMEOUT: "connect timed out"
        case FARM_ERROR_UNKNOWN_HOST: "unknown host"
        case FARM_ERROR_TLS: "TLS handshake failed"
        case FARM_ERROR_CLOSED: "connection closed before an answer"
        case FARM_ERROR_NO_HTTP: "the answer is no HTTP"
        case FARM_ERROR_CUT: "answer cut short"
        case FARM_ERROR_STATUS: "status"
        case FARM_ERROR_TIMEOUT: "answer timed out"
        case FARM_ERROR_BODY: "connection closed while the request's body was written"
        case FARM_ERROR_STALE: "kept connection closed"
        default: "unknown"
        }
    }

    /// The status that the member answered; 0: that is not what failed.
    public var status: UInt32 { word & 0xFFFF == FARM_ERROR_STATUS ? word >> 16 : 0 }

    /// Writes it in words, as in `status 503`.
    public func write(to out: inout ByteWriter) {
        out.text(what)
        guard status != 0 else { return }
        out.byte(0x20)
        out.number(UInt64(status))
    }

    /// No text that `write` makes is longer.
    public static let longest = 96

    /// The words, for the time of the call.
    public func withText<Result>(_ body: (UnsafeBufferPointer<UInt8>) -> Result) -> Result {
        withUnsafeTemporaryAllocation(of: UInt8.self, capacity: Self.longest) { room in
            let start = room.baseAddress.unsafelyUnwrapped
            var used = 0
            do {
                var out = ByteWriter { bytes, length in
                    let length = min(length, Self.longest - used)
                    UnsafeMutableRawPointer(start + used).copyMemory(from: bytes, byteCount: length)
                    used += length
                }
                write(to: &out)
            }
            return body(UnsafeBufferPointer(start: start, count: used))
        }
    }
}
