/// OpenMetrics text (openmetrics.io, version 1.0): families with their samples, and the end.
public struct MetricsWriter: ~Copyable {
    private var out: ByteWriter
    private let formatNumber: (Double, UnsafeMutablePointer<CChar>) -> UInt32
    private var family: StaticString = ""

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

    /// The labels of a sample.
    public struct Labels: ~Copyable {
        var out: UnsafeMutablePointer<ByteWriter>
        var isFirst = true

        public mutating func add(_ name: StaticString, _ value: UnsafeBufferPointer<UInt8>) {
            begin(name)
            for byte in value {
                switch byte {
                case 0x22, 0x5C:
                    out.pointee.byte(0x5C)
                    out.pointee.byte(byte)
                case 0x0A: out.pointee.text("\\n")
                default: out.pointee.byte(byte)
                }
            }
            out.pointee.byte(0x22)
        }

        public mutating func add(_ name: StaticString, _ value: StaticString) {
            begin(name)
            out.pointee.text(value)
            out.pointee.byte(0x22)
        }

        private mutating func begin(_ name: StaticString) {
            out.pointee.byte(isFirst ? 0x7B : 0x2C)
            isFirst = false
            out.pointee.text(name)
            out.pointee.text("=\"")
        }
    }

    /// One sample of the family, or of the part of it that the suffix names.
    public mutating func sample(_ suffix: StaticString = "", number value: Double, _ labels: (inout Labels) -> Void) {
        begin(suffix, bound: nil, labels)
        self.number(value)
        out.byte(0x0A)
    }

    public mutating func sample(_ suffix: StaticString = "", count: UInt64, _ labels: (inout Labels) -> Void) {
        begin(suffix, bound: nil, labels)
        out.number(count)
        out.byte(0x0A)
    }

    /// One bucket of a histogram: how many were at most `bound`; infinity: all.
    public mutating func bucket(upTo bound: Double, count: UInt64, _ labels: (inout Labels) -> Void) {
        begin("_bucket", bound: bound, labels)
        out.number(count)
        out.byte(0x0A)
    }

    private mutating func begin(_ suffix: StaticString, bound: Double?, _ labels: (inout Labels) -> Void) {
        out.text(family)
        out.text(suffix)
        let isPlain = withUnsafeMutablePointer(to: &out) { out in
            var into = Labels(out: out)
            labels(&into)
            return into.isFirst
        }
        if let bound {
            out.text(isPlain ? "{le=\"" : ",le=\"")
            if bound.isFinite { number(bound) } else { out.text("+Inf") }
            out.byte(0x22)
        }
        if !isPlain || bound != nil { out.byte(0x7D) }
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
