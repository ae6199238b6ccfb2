/// The status as lines `key: value`, for scripts that have no JSON. A key is the way to the value, with items by their names
/// in brackets: `farm[app].member[a].latency_ms.p99: 12.5`. What is not known is `-`. No name has a blank, so the first
/// ": " ends the key.
public struct LinesWriter: ~Copyable, StatusWriter {
    private var out: ByteWriter
    private let formatNumber: (Double, UnsafeMutablePointer<CChar>) -> UInt32
    private let formatTime: (UInt64, UnsafeMutablePointer<CChar>) -> UInt32
    /// The way to where the next field stands.
    private let path: UnsafeMutablePointer<UInt8>
    private var depth = 0
    /// Two names of 64 bytes, a metric's of 32 and what stands between; longer ways are cut.
    private static let longest = 320
    private var itemWord: StaticString = ""

    /// As JSONWriter's.
    public init(
        sink: @escaping (UnsafePointer<UInt8>, Int) -> Void,
        formatNumber: @escaping (Double, UnsafeMutablePointer<CChar>) -> UInt32,
        formatTime: @escaping (UInt64, UnsafeMutablePointer<CChar>) -> UInt32
    ) {
        out = ByteWriter(sink: sink)
        self.formatNumber = formatNumber
        self.formatTime = formatTime
        path = .allocate(capacity: Self.longest)
    }

    deinit { path.deallocate() }

    private mutating func step(_ bytes: UnsafeBufferPointer<UInt8>) {
        for byte in bytes where depth < Self.longest {
            path[depth] = byte
            depth += 1
        }
    }

    private mutating func step(_ word: StaticString) {
        step(UnsafeBufferPointer(start: word.utf8Start, count: word.utf8CodeUnitCount))
    }

    public mutating func section(_ name: StaticString, _ body: (inout LinesWriter) -> Void) {
        let before = depth
        step(name)
        step(".")
        body(&self)
        depth = before
    }

    public mutating func list(_ name: StaticString, of item: StaticString, _ body: (inout LinesWriter) -> Void) {
        let before = itemWord
        itemWord = item
        body(&self)
        itemWord = before
    }

    public mutating func item(_ name: UnsafeBufferPointer<UInt8>, _ body: (inout LinesWriter) -> Void) {
        let before = depth
        bracket(name)
        step(".")
        body(&self)
        depth = before
    }

    private mutating func bracket(_ name: UnsafeBufferPointer<UInt8>) {
        step(itemWord)
        step("[")
        step(name)
        step("]")
    }

    public mutating func map(_ name: StaticString, of entry: StaticString, _ body: (inout LinesWriter) -> Void) {
        list(name, of: entry, body)
    }

    public mutating func entry(_ name: UnsafeBufferPointer<UInt8>, _ value: Double) {
        let before = depth
        bracket(name)
        key("")
        number(value)
        depth = before
        out.byte(0x0A)
    }

    private mutating func key(_ name: StaticString) {
        out.bytes(UnsafeBufferPointer(start: path, count: depth))
        out.text(name)
        out.text(": ")
    }

    private mutating func number(_ value: Double) {
        guard value.isFinite else { return out.byte(0x2D) }
        withUnsafeTemporaryAllocation(of: CChar.self, capacity: 33) { text in
            let length = formatNumber(value, text.baseAddress!)
            text[Int(min(32, length))] = 0
            out.cString(text.baseAddress!)
        }
    }

    public mutating func field(_ name: StaticString, word: StaticString) {
        key(name)
        out.text(word)
        out.byte(0x0A)
    }

    public mutating func field(_ name: StaticString, bytes: UnsafeBufferPointer<UInt8>) {
        field(name, bytes, isASCII: true)
    }

    public mutating func field(_ name: StaticString, text: UnsafeBufferPointer<UInt8>) {
        field(name, text, isASCII: !PlainText.isPlain(text))
    }

    /// What should not be there is a question mark.
    private mutating func field(_ name: StaticString, _ bytes: UnsafeBufferPointer<UInt8>, isASCII: Bool) {
        key(name)
        if bytes.isEmpty { out.byte(0x2D) }
        for byte in bytes { out.byte(byte < 0x20 || byte == 0x7F || isASCII && byte > 0x7F ? 0x3F : byte) }
        out.byte(0x0A)
    }

    public mutating func field(_ name: StaticString, count: UInt64) {
        key(name)
        out.number(count)
        out.byte(0x0A)
    }

    public mutating func field(_ name: StaticString, number: Double) {
        key(name)
        self.number(number)
        out.byte(0x0A)
    }

    public mutating func field(_ name: StaticString, flag: Bool) { field(name, word: flag ? "true" : "false") }

    public mutating func field(_ name: StaticString, time: UInt64) {
        guard time != 0 else { return unknown(name) }
        key(name)
        withUnsafeTemporaryAllocation(of: CChar.self, capacity: 33) { text in
            let length = formatTime(time, text.baseAddress!)
            text[Int(min(32, length))] = 0
            out.cString(text.baseAddress!)
        }
        out.byte(0x0A)
    }

    public mutating func unknown(_ name: StaticString) { field(name, word: "-") }
}
