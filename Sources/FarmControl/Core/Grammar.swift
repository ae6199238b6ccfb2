import FarmCore

#if canImport(Glibc)
    import Glibc
#endif

/// The grammars of FarmCore over strings.
public enum Grammar {
    public static func isFarm(_ name: String) -> Bool { bytes(name, Names.isFarm) }
    public static func isMember(_ name: String) -> Bool { bytes(name, Names.isMember) }
    public static func isMetric(_ name: String) -> Bool { bytes(name, Names.isMetric) }

    /// A finite decimal number, as updates take it; nil: it is none.
    public static func number(_ text: String) -> Double? { bytes(text) { DecimalNumber.value($0, read) } }

    /// How a number that is well formed is read.
    public static func read(_ text: UnsafeBufferPointer<UInt8>) -> Double {
        strtod(String(decoding: text, as: UTF8.self), nil)
    }

    /// Calls with the bytes of a text.
    public static func bytes<Result>(_ text: String, _ call: (UnsafeBufferPointer<UInt8>) -> Result) -> Result {
        Array(text.utf8).withUnsafeBufferPointer(call)
    }

    /// Whether two names are equal but for the case of ASCII letters, as farms' names are compared.
    public static func sameFarm(_ one: String, _ other: String) -> Bool {
        bytes(one) { one in bytes(other) { Names.equalIgnoringCase(one, $0) } }
    }

    /// What a part of FarmCore writes.
    static func text(_ write: (inout ByteWriter) -> Void) -> String {
        let collected = Collected()
        do {
            var writer = ByteWriter { collected.bytes += UnsafeBufferPointer(start: $0, count: $1) }
            write(&writer)
        }
        return String(decoding: collected.bytes, as: UTF8.self)
    }

    private final class Collected {
        var bytes: [UInt8] = []
    }
}

extension StaticString {
    /// As text.
    var text: String { String(describing: self) }
}
