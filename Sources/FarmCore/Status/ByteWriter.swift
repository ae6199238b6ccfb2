/// Collects bytes and hands them on in pieces. Text in the module is bytes: Unicode-aware strings would pull their
/// tables into it.
public struct ByteWriter: ~Copyable {
    private let buffer: UnsafeMutablePointer<UInt8>
    private var used = 0
    private static let size = 4096
    private let sink: (UnsafePointer<UInt8>, Int) -> Void

    /// `sink` gets each full piece, and the rest when the writer goes.
    public init(sink: @escaping (UnsafePointer<UInt8>, Int) -> Void) {
        self.sink = sink
        buffer = .allocate(capacity: Self.size)
    }

    deinit {
        if used > 0 { sink(buffer, used) }
        buffer.deallocate()
    }

    private mutating func flush() {
        if used > 0 { sink(buffer, used) }
        used = 0
    }

    public mutating func byte(_ byte: UInt8) {
        if used == Self.size { flush() }
        buffer[used] = byte
        used += 1
    }

    public mutating func text(_ text: StaticString) {
        bytes(UnsafeBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
    }

    public mutating func bytes(_ bytes: UnsafeBufferPointer<UInt8>) {
        guard let start = bytes.baseAddress else { return }
        var at = 0
        while at < bytes.count {
            if used == Self.size { flush() }
            let piece = min(bytes.count - at, Self.size - used)
            UnsafeMutableRawPointer(buffer + used).copyMemory(from: start + at, byteCount: piece)
            used += piece
            at += piece
        }
    }

    public mutating func number(_ value: UInt64) {
        if value >= 10 { number(value / 10) }
        byte(0x30 + UInt8(value % 10))
    }

    /// The NUL-terminated text of a row or of the configuration, at most `limit` bytes of it.
    public mutating func cString(_ text: UnsafePointer<CChar>, limit: Int = 4096) {
        bytes(Self.bytes(of: text, limit: limit))
    }

    public static func bytes(of text: UnsafePointer<CChar>, limit: Int = 4096) -> UnsafeBufferPointer<UInt8> {
        var length = 0
        while length < limit && text[length] != 0 { length += 1 }
        return UnsafeBufferPointer(start: UnsafeRawPointer(text).assumingMemoryBound(to: UInt8.self), count: length)
    }
}
