/// JSON (RFC 8259), one value after another, with the commas where they belong.
public struct JSONWriter: ~Copyable {
    private var out: ByteWriter
    private let formatNumber: (Double, UnsafeMutablePointer<CChar>) -> UInt32
    private let formatTime: (UInt64, UnsafeMutablePointer<CChar>) -> UInt32
    private var needsComma = false

    /// `formatNumber` writes a finite number, `formatTime` microseconds since 1970 as RFC 3339, each at most 32 bytes.
    public init(
        sink: @escaping (UnsafePointer<UInt8>, Int) -> Void,
        formatNumber: @escaping (Double, UnsafeMutablePointer<CChar>) -> UInt32,
        formatTime: @escaping (UInt64, UnsafeMutablePointer<CChar>) -> UInt32
    ) {
        out = ByteWriter(sink: sink)
        self.formatNumber = formatNumber
        self.formatTime = formatTime
    }

    public mutating func object(_ body: (inout JSONWriter) -> Void) { enclosed(0x7B, 0x7D, body) }
    public mutating func array(_ body: (inout JSONWriter) -> Void) { enclosed(0x5B, 0x5D, body) }

    private mutating func enclosed(_ open: UInt8, _ close: UInt8, _ body: (inout JSONWriter) -> Void) {
        separate()
        out.byte(open)
        needsComma = false
        body(&self)
        out.byte(close)
        needsComma = true
    }

    public mutating func key(_ name: StaticString) {
        separate()
        out.byte(0x22)
        out.text(name)
        out.text("\":")
        needsComma = false
    }

    public mutating func key(_ name: UnsafeBufferPointer<UInt8>) {
        string(name)
        out.byte(0x3A)
        needsComma = false
    }

    public mutating func null() { literal("null") }
    public mutating func bool(_ value: Bool) { literal(value ? "true" : "false") }
    public mutating func number(_ value: UInt64) {
        separate()
        out.number(value)
    }

    /// A number that is not finite is written as null: JSON has no word for it.
    public mutating func number(_ value: Double) {
        guard value.isFinite else { return null() }
        separate()
        withUnsafeTemporaryAllocation(of: CChar.self, capacity: 33) { text in
            let length = formatNumber(value, text.baseAddress!)
            text[Int(min(32, length))] = 0
            out.cString(text.baseAddress!)
        }
    }

    /// A time, or null for 0.
    public mutating func time(_ wallClock: UInt64) {
        guard wallClock != 0 else { return null() }
        separate()
        out.byte(0x22)
        withUnsafeTemporaryAllocation(of: CChar.self, capacity: 33) { text in
            let length = formatTime(wallClock, text.baseAddress!)
            text[Int(min(32, length))] = 0
            out.cString(text.baseAddress!)
        }
        out.byte(0x22)
    }

    public mutating func string(_ text: StaticString) {
        string(UnsafeBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
    }

    public mutating func string(_ bytes: UnsafeBufferPointer<UInt8>) {
        separate()
        out.byte(0x22)
        for byte in bytes {
            switch byte {
            case 0x22, 0x5C:
                out.byte(0x5C)
                out.byte(byte)
            case 0..<0x20, 0x7F...0xFF:
                // Not ASCII is not expected here; as Latin-1 it is at least valid JSON.
                out.text("\\u00")
                out.byte(Self.hex(byte >> 4))
                out.byte(Self.hex(byte & 15))
            default:
                out.byte(byte)
            }
        }
        out.byte(0x22)
    }

    /// Text that people wrote, in UTF-8; null when it is empty. Bytes that are none are written as Latin-1.
    public mutating func text(_ bytes: UnsafeBufferPointer<UInt8>) {
        guard !bytes.isEmpty else { return null() }
        guard PlainText.isPlain(bytes) else { return string(bytes) }
        separate()
        out.byte(0x22)
        for byte in bytes {
            if byte == 0x22 || byte == 0x5C { out.byte(0x5C) }
            out.byte(byte)
        }
        out.byte(0x22)
    }

    private mutating func literal(_ text: StaticString) {
        separate()
        out.text(text)
    }

    private mutating func separate() {
        if needsComma { out.byte(0x2C) }
        needsComma = true
    }

    private static func hex(_ digit: UInt8) -> UInt8 { digit < 10 ? 0x30 + digit : 0x57 + digit }
}
