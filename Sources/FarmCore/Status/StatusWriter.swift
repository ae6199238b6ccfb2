/// A form in which the status is written: fields with names, some of them in sections, and lists of things that have names.
/// What says the status does not know which form it is. Texts are copied or written at once.
public protocol StatusWriter: ~Copyable {
    /// Fields that belong together.
    mutating func section(_ name: StaticString, _ body: (inout Self) -> Void)
    /// A list; each of its items is one `item`.
    mutating func list(_ name: StaticString, of item: StaticString, _ body: (inout Self) -> Void)
    mutating func item(_ name: UnsafeBufferPointer<UInt8>, _ body: (inout Self) -> Void)
    /// Numbers with names that are not known before; each is one `entry`.
    mutating func map(_ name: StaticString, of entry: StaticString, _ body: (inout Self) -> Void)
    mutating func entry(_ name: UnsafeBufferPointer<UInt8>, _ value: Double)

    mutating func field(_ name: StaticString, word: StaticString)
    /// ASCII that no person wrote.
    mutating func field(_ name: StaticString, bytes: UnsafeBufferPointer<UInt8>)
    /// What a person wrote; empty: nothing.
    mutating func field(_ name: StaticString, text: UnsafeBufferPointer<UInt8>)
    mutating func field(_ name: StaticString, count: UInt64)
    /// What is not finite is not known.
    mutating func field(_ name: StaticString, number: Double)
    mutating func field(_ name: StaticString, flag: Bool)
    /// Microseconds since 1970; 0: not known.
    mutating func field(_ name: StaticString, time: UInt64)
    mutating func unknown(_ name: StaticString)
}

extension JSONWriter: StatusWriter {
    public mutating func section(_ name: StaticString, _ body: (inout JSONWriter) -> Void) {
        key(name)
        object(body)
    }

    public mutating func list(_ name: StaticString, of item: StaticString, _ body: (inout JSONWriter) -> Void) {
        key(name)
        array(body)
    }

    public mutating func item(_ name: UnsafeBufferPointer<UInt8>, _ body: (inout JSONWriter) -> Void) {
        object { json in
            json.key("name")
            json.string(name)
            body(&json)
        }
    }

    public mutating func map(_ name: StaticString, of entry: StaticString, _ body: (inout JSONWriter) -> Void) {
        section(name, body)
    }

    public mutating func entry(_ name: UnsafeBufferPointer<UInt8>, _ value: Double) {
        key(name)
        number(value)
    }

    public mutating func field(_ name: StaticString, word: StaticString) {
        key(name)
        string(word)
    }

    public mutating func field(_ name: StaticString, bytes: UnsafeBufferPointer<UInt8>) {
        key(name)
        string(bytes)
    }

    public mutating func field(_ name: StaticString, text: UnsafeBufferPointer<UInt8>) {
        key(name)
        self.text(text)
    }

    public mutating func field(_ name: StaticString, count: UInt64) {
        key(name)
        number(count)
    }

    public mutating func field(_ name: StaticString, number: Double) {
        key(name)
        self.number(number)
    }

    public mutating func field(_ name: StaticString, flag: Bool) {
        key(name)
        bool(flag)
    }

    public mutating func field(_ name: StaticString, time: UInt64) {
        key(name)
        self.time(time)
    }

    public mutating func unknown(_ name: StaticString) {
        key(name)
        null()
    }
}
