/// Reads the text of a decimal number that is well formed; the host's strtod. Infinite where it is too large.
public typealias NumberReader = (UnsafeBufferPointer<UInt8>) -> Double

/// The grammar of numbers in updates, reports and formulas: `-12`, `0.5`, `.5`, `1e3`.
public enum DecimalNumber {
    /// Longer ones are no measurement.
    public static let longest = 64

    /// The number, or nil when it is out of grammar, too long or not finite.
    public static func value(_ text: UnsafeBufferPointer<UInt8>, _ reader: NumberReader) -> Double? {
        guard isWellFormed(text) else { return nil }
        let value = reader(text)
        return value.isFinite ? value : nil
    }

    public static func isWellFormed(_ text: UnsafeBufferPointer<UInt8>) -> Bool {
        text.count <= longest && !text.isEmpty && length(text, signed: true) == text.count
    }

    /// How many of the first bytes are a number; 0: none.
    static func length(_ text: UnsafeBufferPointer<UInt8>, from start: Int = 0, signed: Bool) -> Int {
        var at = start
        if signed && at < text.count && text[at] == 0x2D { at += 1 }
        let whole = digits(text, from: at)
        at += whole
        if at < text.count && text[at] == 0x2E {
            let fraction = digits(text, from: at + 1)
            guard fraction > 0 else { return 0 }
            at += 1 + fraction
        } else if whole == 0 {
            return 0
        }
        if at < text.count && text[at] | 0x20 == 0x65 {
            var exponent = at + 1
            if exponent < text.count && (text[exponent] == 0x2B || text[exponent] == 0x2D) { exponent += 1 }
            let count = digits(text, from: exponent)
            guard count > 0 else { return 0 }
            at = exponent + count
        }
        return at - start
    }

    private static func digits(_ text: UnsafeBufferPointer<UInt8>, from start: Int) -> Int {
        var at = start
        while at < text.count && text[at] >= 0x30 && text[at] <= 0x39 { at += 1 }
        return at - start
    }
}
