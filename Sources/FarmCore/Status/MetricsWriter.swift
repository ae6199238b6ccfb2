/// OpenMetrics text (openmetrics.io, version 1.0): families with their samples, and the end.
public struct MetricsWriter: ~Copyable {
    private var out: ByteWriter
    private let formatNumber: (Double, UnsafeMutablePointer<CChar>) -> UInt32
    private var family: StaticString = ""
    private var hasLabels = false

    public enum Kind {
        case counter, gauge, stateSet, histogram, info

        var name: StaticString {
            switch self {
            case .counter: "counter"
            case .gauge: "gauge"
            case .stateSet: "stateset"
            case .histogram: "histogram"
            case .info: "info"
            }
        }
    }

    /// As JSONWriter's.
    public init(
        sink: @escaping (UnsafePointer<UInt8>, Int) -> Void,
        formatNumber: @escaping (Double, UnsafeMutablePointer<CChar>) -> UInt32
    ) {
        out = ByteWriter(sink: sink)
        self.formatNumber = formatNumber
    }

    /// Begins a family; all of its samples follow. A unit is the end of the name too.
    public mutating func begin(_ name: StaticString, _ kind: Kind, unit: StaticString = "", help: StaticString) {
        family = name
        head("TYPE")
        out.text(kind.name)
        out.byte(0x0A)
        if unit.utf8CodeUnitCount > 0 {
            head("UNIT")
            out.text(unit)
            out.byte(0x0A)
        }
        head("HELP")
        out.text(help)
        out.byte(0x0A)
    }

    private mutating func head(_ what: StaticString) {
        out.text("# ")
        out.text(what)
        out.byte(0x20)
        out.text(family)
        out.byte(0x20)
    }

    /// Begins a sample of the family, or of the part of it that the suffix names. Its labels and its value follow.
    public mutating func sample(_ suffix: StaticString = "") {
        out.text(family)
        out.text(suffix)
        hasLabels = false
    }

    public mutating func label(_ name: StaticString, _ value: UnsafeBufferPointer<UInt8>) {
        beginLabel(name)
        // No name has any of these, by its grammar.
        guard value.contains(where: { $0 == 0x22 || $0 == 0x5C || $0 == 0x0A }) else {
            out.bytes(value)
            return out.byte(0x22)
        }
        for byte in value {
            switch byte {
            case 0x22, 0x5C:
                out.byte(0x5C)
                out.byte(byte)
            case 0x0A: out.text("\\n")
            default: out.byte(byte)
            }
        }
        out.byte(0x22)
    }

    public mutating func label(_ name: StaticString, _ value: StaticString) {
        beginLabel(name)
        out.text(value)
        out.byte(0x22)
    }

    /// The label of a histogram's bucket: the largest value in it, as the text of that number; nil: infinity.
    public mutating func label(upTo bound: UnsafeBufferPointer<UInt8>?) {
        beginLabel("le")
        if let bound { out.bytes(bound) } else { out.text("+Inf") }
        out.byte(0x22)
    }

    private mutating func beginLabel(_ name: StaticString) {
        out.byte(hasLabels ? 0x2C : 0x7B)
        hasLabels = true
        out.text(name)
        out.text("=\"")
    }

    public mutating func value(_ value: Double) {
        endLabels()
        number(value)
        out.byte(0x0A)
    }

    public mutating func value(count: UInt64) {
        endLabels()
        out.number(count)
        out.byte(0x0A)
    }

    private mutating func endLabels() {
        if hasLabels { out.byte(0x7D) }
        out.byte(0x20)
    }

    private mutating func number(_ value: Double) {
        guard value.isFinite else { return out.text(value.isNaN ? "NaN" : value > 0 ? "+Inf" : "-Inf") }
        withUnsafeTemporaryAllocation(of: CChar.self, capacity: 33) { text in
            let length = formatNumber(value, text.baseAddress!)
            text[Int(min(32, length))] = 0
            out.cString(text.baseAddress!)
        }
    }

    public mutating func end() { out.text("# EOF\n") }
}
