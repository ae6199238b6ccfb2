/// The name of a metric, kept inline so that a list of them is one piece of memory.
public struct MetricName: Equatable {
    private var bytes = InlineArray<32, UInt8>(repeating: 0)
    private let length: UInt8
    /// FNV-1a, 32 bits (draft-eastlake-fnv); case matters.
    public let hash: UInt32

    /// Nil unless it follows the grammar of `Names.isMetric`.
    public init?(_ name: UnsafeBufferPointer<UInt8>) {
        guard Names.isMetric(name) else { return nil }
        var hash: UInt32 = 2_166_136_261
        for at in 0..<name.count {
            bytes[at] = name[at]
            hash = (hash ^ UInt32(name[at])) &* 16_777_619
        }
        length = UInt8(name.count)
        self.hash = hash
    }

    /// In bytes, 1 to 32.
    public var count: Int { Int(length) }

    /// The byte at a place below `count`.
    @inline(__always)
    public func byte(_ at: Int) -> UInt8 { bytes[at] }

    public static func == (a: MetricName, b: MetricName) -> Bool {
        guard a.hash == b.hash, a.length == b.length else { return false }
        for at in 0..<a.count where a.bytes[at] != b.bytes[at] { return false }
        return true
    }

    public func write(to out: inout ByteWriter) {
        for at in 0..<count { out.byte(bytes[at]) }
    }
}

/// One metric as a member pushed it: a finite number in whatever unit the member counts.
public struct PushedMetric {
    public var name: MetricName
    public var value: Double

    public init(name: MetricName, value: Double) {
        self.name = name
        self.value = value
    }
}

extension Array where Element == PushedMetric {
    /// Whether the metrics from `first` on have one of that name.
    func names(_ name: MetricName, from first: Int) -> Bool {
        for at in first..<count where self[at].name == name { return true }
        return false
    }
}
