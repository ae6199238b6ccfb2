/// Reads JSON (RFC 8259). What a server sends is not believed: depth is bounded, and anything out of form is nil.
public struct JSONReader {
    private let bytes: [UInt8]
    private var at = 0
    /// Deeper than any status is.
    static let deepest = 64

    private init(_ bytes: [UInt8]) { self.bytes = bytes }

    /// The one value that the text is; nil when it is none, or something follows it.
    public static func read(_ bytes: [UInt8]) -> JSON? {
        var reader = JSONReader(bytes)
        guard let value = reader.value(depth: 0) else { return nil }
        reader.skipBlanks()
        return reader.at == bytes.count ? value : nil
    }

    private var byte: UInt8? { at < bytes.count ? bytes[at] : nil }

    private mutating func skipBlanks() {
        while let byte, byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 { at += 1 }
    }

    private mutating func take(_ wanted: UInt8) -> Bool {
        guard byte == wanted else { return false }
        at += 1
        return true
    }

    private mutating func value(depth: Int) -> JSON? {
        skipBlanks()
        guard depth < Self.deepest, let byte else { return nil }
        switch byte {
        case 0x7B: return object(depth)
        case 0x5B: return array(depth)
        case 0x22: return string().map { .string($0) }
        case 0x74: return word("true") ? .bool(true) : nil
        case 0x66: return word("false") ? .bool(false) : nil
        case 0x6E: return word("null") ? .null : nil
        default: return number()
        }
    }

    private mutating func word(_ word: StaticString) -> Bool {
        for place in 0..<word.utf8CodeUnitCount where !take(word.utf8Start[place]) { return false }
        return true
    }

    private mutating func object(_ depth: Int) -> JSON? {
        at += 1
        var members: [JSON.Member] = []
        skipBlanks()
        if take(0x7D) { return .object([]) }
        repeat {
            skipBlanks()
            guard byte == 0x22, let key = string() else { return nil }
            skipBlanks()
            guard take(0x3A), let value = value(depth: depth + 1) else { return nil }
            members.append(JSON.Member(key, value))
            skipBlanks()
        } while take(0x2C)
        return take(0x7D) ? .object(members) : nil
    }

    private mutating func array(_ depth: Int) -> JSON? {
        at += 1
        var values: [JSON] = []
        skipBlanks()
        if take(0x5D) { return .array([]) }
        repeat {
            guard let value = value(depth: depth + 1) else { return nil }
            values.append(value)
            skipBlanks()
        } while take(0x2C)
        return take(0x5D) ? .array(values) : nil
    }

    private mutating func number() -> JSON? {
        let start = at
        _ = take(0x2D)
        let whole = digits()
        guard whole > 0, whole == 1 || bytes[at - whole] != 0x30 else { return nil }
        if take(0x2E), digits() == 0 { return nil }
        if let byte, byte | 0x20 == 0x65 {
            at += 1
            if !take(0x2B) { _ = take(0x2D) }
            guard digits() > 0 else { return nil }
        }
        return .number(String(decoding: bytes[start..<at], as: UTF8.self))
    }

    private mutating func digits() -> Int {
        let start = at
        while let byte, byte >= 0x30 && byte <= 0x39 { at += 1 }
        return at - start
    }

    private mutating func string() -> String? {
        at += 1
        var out: [UInt8] = []
        while let byte {
            at += 1
            switch byte {
            case 0x22: return String(validating: out, as: UTF8.self)
            case 0x5C:
                guard let scalar = escaped() else { return nil }
                out += Array(String(scalar).utf8)
            case ..<0x20: return nil
            default: out.append(byte)
            }
        }
        return nil
    }

    private mutating func escaped() -> Unicode.Scalar? {
        guard let byte else { return nil }
        at += 1
        switch byte {
        case 0x22, 0x5C, 0x2F: return Unicode.Scalar(byte)
        case 0x62: return "\u{8}"
        case 0x66: return "\u{C}"
        case 0x6E: return "\n"
        case 0x72: return "\r"
        case 0x74: return "\t"
        case 0x75:
            guard let high = unit() else { return nil }
            guard high & 0xFC00 == 0xD800 else { return Unicode.Scalar(high) }
            guard take(0x5C), take(0x75), let low = unit(), low & 0xFC00 == 0xDC00 else { return nil }
            return Unicode.Scalar(0x10000 + (high & 0x3FF) << 10 + low & 0x3FF)
        default: return nil
        }
    }

    private mutating func unit() -> UInt32? {
        guard at + 4 <= bytes.count else { return nil }
        var value: UInt32 = 0
        for _ in 0..<4 {
            guard let digit = Character(Unicode.Scalar(bytes[at])).hexDigitValue else { return nil }
            value = value << 4 | UInt32(digit)
            at += 1
        }
        return value
    }
}
