/// One line of the state file: what shall survive a full stop of one farm, or of one member. Names and texts are parts of
/// the line that was read.
public struct StateRecord {
    public typealias Bytes = UnsafeBufferPointer<UInt8>

    public var farm = Bytes(start: nil, count: 0)
    /// Nil: the farm itself.
    public var member: Bytes?
    public var admin = Admin.on
    /// What the configuration said at the time; where it says something else now, it is right.
    public var configuredAdmin = Admin.on
    public var by = Bytes(start: nil, count: 0)
    public var reason = Bytes(start: nil, count: 0)
    /// Microseconds since 1970; 0: nothing was set at run time.
    public var since: UInt64 = 0
    public var until: UInt64 = 0
    public var isDownByMonitor = false
    /// With `isDownByMonitor`: somebody at farm-manager has set it.
    public var isDownByManager = false
    /// 0: that of the configuration.
    public var weight: UInt32 = 0
    public var configuredWeight: UInt32 = 0
    public var metrics: [PushedMetric] = []
    /// Metrics that cannot be read. They are passed over: the next report brings them, and nothing else does the rest of the
    /// file.
    public var unreadMetrics = 0

    public init() {}

    /// The line that a state file begins with, without its end.
    public static var firstLine: StaticString { "mod_proxy_farm state 1" }
    /// What the first line of any version begins with.
    public static var anyFirstLine: StaticString { "mod_proxy_farm state " }

    /// Reads one line, which is decoded in place; nil when it is none.
    public static func read(_ line: UnsafeMutableBufferPointer<UInt8>, number: NumberReader) -> StateRecord? {
        var record = StateRecord()
        var reader = FormReader(line)
        while true {
            switch reader.next() {
            case .badEscape: return nil
            case .end: return record.farm.isEmpty ? nil : record
            case .pair(let name, let value, _):
                guard record.set(name, value, number) else { return nil }
            }
        }
    }

    private mutating func set(_ name: Bytes, _ value: Bytes, _ number: NumberReader) -> Bool {
        func isField(_ word: StaticString) -> Bool { Names.isWord(name, word) }
        if isField("farm") {
            farm = value
            return Names.isFarm(value)
        }
        if isField("member") {
            member = value
            return Names.isMember(value)
        }
        if isField("admin") || isField("configured_admin") {
            guard let state = Admin(word: value) else { return false }
            if name.count == 5 { admin = state } else { configuredAdmin = state }
            return true
        }
        if isField("by") {
            by = value
            return value.count <= AdminWord.longestBy && PlainText.isPlain(value)
        }
        if isField("reason") {
            reason = value
            return value.count <= AdminWord.longestReason && PlainText.isPlain(value)
        }
        if isField("since") || isField("until") {
            guard let time = Self.integer(value) else { return false }
            if name[0] == 0x73 { since = time } else { until = time }
            return true
        }
        if isField("health") {
            isDownByMonitor = true
            return Names.isWord(value, "down")
        }
        if isField("health_by") {
            isDownByManager = true
            return Names.isWord(value, "manager")
        }
        if isField("weight") || isField("configured_weight") {
            guard let number = Change.weight(value) else { return false }
            if name.count == 6 { weight = number } else { configuredWeight = number }
            return true
        }
        guard isField("metric") else { return false }
        addMetric(value, number)
        return true
    }

    private mutating func addMetric(_ text: Bytes, _ number: NumberReader) {
        guard let colon = text.firstIndex(of: 0x3A), let name = MetricName(Bytes(rebasing: text[..<colon])),
            let value = DecimalNumber.value(Bytes(rebasing: text[(colon + 1)...]), number)
        else {
            unreadMetrics += 1
            return
        }
        metrics.append(PushedMetric(name: name, value: value))
    }

    private static func integer(_ text: Bytes) -> UInt64? {
        guard !text.isEmpty, text.count <= 18 else { return nil }
        var value: UInt64 = 0
        for byte in text {
            guard byte >= 0x30 && byte <= 0x39 else { return nil }
            value = value * 10 + UInt64(byte - 0x30)
        }
        return value
    }
}

extension ByteWriter {
    /// Bytes as a form encodes them: what is not a letter, a digit or one of `-._` as `%XX`.
    public mutating func formEncoded(_ text: UnsafeBufferPointer<UInt8>) {
        for byte in text {
            let isPlain =
                (byte >= 0x30 && byte <= 0x39) || (byte | 0x20 >= 0x61 && byte | 0x20 <= 0x7A) || byte == 0x2D
                || byte == 0x2E || byte == 0x5F
            if isPlain {
                self.byte(byte)
            } else {
                self.byte(0x25)
                self.byte(Self.digit(byte >> 4))
                self.byte(Self.digit(byte & 15))
            }
        }
    }

    private static func digit(_ value: UInt8) -> UInt8 { value < 10 ? 0x30 + value : 0x37 + value }
}
