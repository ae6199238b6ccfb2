import CFarm

/// What failed last at a member, in the words that the status, the page and the log have for it.
public struct LastError: Equatable, Sendable {
    /// FARM_ERROR_*, with a status in the high half.
    public var word: UInt32

    public init(word: UInt32) { self.word = word }

    public init(_ kind: UInt32, status: UInt32 = 0) { word = kind & 0xFFFF | status << 16 }

    /// Longest text that `write` makes.
    public static let longest = 64

    public var isNone: Bool { word & 0xFFFF == FARM_ERROR_NONE }

    public func write(to out: inout ByteWriter) {
        switch word & 0xFFFF {
        case FARM_ERROR_REFUSED: out.text("connection refused")
        case FARM_ERROR_CONNECT_TIMEOUT: out.text("connect timed out")
        case FARM_ERROR_UNKNOWN_HOST: out.text("unknown host")
        case FARM_ERROR_TLS: out.text("TLS handshake failed")
        case FARM_ERROR_CLOSED: out.text("connection closed")
        case FARM_ERROR_NO_HTTP: out.text("no HTTP")
        case FARM_ERROR_CUT: out.text("answer cut short")
        case FARM_ERROR_STATUS:
            out.text("status ")
            out.number(UInt64(word >> 16))
        case FARM_ERROR_TIMEOUT: out.text("answer timed out")
        case FARM_ERROR_BODY: out.text("connection closed while the request was sent")
        case FARM_ERROR_STALE: out.text("kept connection closed")
        // What a later version has written.
        default: out.text("failure")
        }
    }

    /// The text, for the time of the call.
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
