/// The load that a member reports in the header of an answer, `Endpoint-Load-Metrics`: the header form of the Open Request
/// Cost Aggregation format (gRPC proposals A51 and A64, and xDS's OrcaLoadReport), as TEXT or JSON.
public enum LoadReport {
    /// Reads a header's value; `metrics` gets what it says, and is to be used only when the answer is true: one fault makes
    /// the whole report unreadable.
    public static func read(
        _ text: UnsafeBufferPointer<UInt8>, mostMetrics: Int, number: NumberReader, into metrics: inout [PushedMetric]
    ) -> Bool {
        metrics.removeAll(keepingCapacity: true)
        var body = text
        while let first = body.first, first == 0x20 || first == 0x09 {
            body = UnsafeBufferPointer(rebasing: body[1...])
        }
        let isJSON: Bool
        if let rest = after("json", body) {
            body = rest
            isJSON = true
        } else if let rest = after("text", body) {
            body = rest
            isJSON = false
        } else {
            isJSON = body.first == 0x7B
        }
        if isJSON {
            return LoadReportJSON.read(body, mostMetrics: mostMetrics, number: number, into: &metrics)
        }
        return readText(body, mostMetrics: mostMetrics, number: number, into: &metrics)
    }

    /// What follows a word and a blank; nil when it does not begin so. The word is in lower case.
    private static func after(_ word: StaticString, _ text: UnsafeBufferPointer<UInt8>) -> UnsafeBufferPointer<UInt8>? {
        let count = word.utf8CodeUnitCount
        guard text.count > count, text[count] == 0x20 || text[count] == 0x09 else { return nil }
        for at in 0..<count where text[at] | 0x20 != word.utf8Start[at] { return nil }
        return UnsafeBufferPointer(rebasing: text[(count + 1)...])
    }

    /// `name=value, name=value`
    private static func readText(
        _ text: UnsafeBufferPointer<UInt8>, mostMetrics: Int, number: NumberReader, into metrics: inout [PushedMetric]
    ) -> Bool {
        var at = 0
        while at <= text.count {
            var end = at
            while end < text.count && text[end] != 0x2C { end += 1 }
            let part = trimmed(UnsafeBufferPointer(rebasing: text[at..<end]))
            guard let equals = part.firstIndex(of: 0x3D) else { return false }
            let name = trimmed(UnsafeBufferPointer(rebasing: part[..<equals]))
            let value = trimmed(UnsafeBufferPointer(rebasing: part[(equals + 1)...]))
            guard let number = DecimalNumber.value(value, number),
                add(name, number, mostMetrics: mostMetrics, to: &metrics)
            else { return false }
            at = end + 1
        }
        return true
    }

    private static func trimmed(_ text: UnsafeBufferPointer<UInt8>) -> UnsafeBufferPointer<UInt8> {
        var from = 0
        var to = text.count
        while from < to && (text[from] == 0x20 || text[from] == 0x09) { from += 1 }
        while to > from && (text[to - 1] == 0x20 || text[to - 1] == 0x09) { to -= 1 }
        return UnsafeBufferPointer(rebasing: text[from..<to])
    }

    /// Adds a metric by its full name, of which `named_metrics.` is left out; false when it is none, or is there already.
    static func add(
        _ name: UnsafeBufferPointer<UInt8>, _ value: Double, mostMetrics: Int, to metrics: inout [PushedMetric]
    ) -> Bool {
        let prefix: StaticString = "named_metrics."
        let length = prefix.utf8CodeUnitCount
        var stored = name
        if name.count >= length && Names.isWord(UnsafeBufferPointer(rebasing: name[..<length]), prefix) {
            stored = UnsafeBufferPointer(rebasing: name[length...])
        }
        guard let metric = MetricName(stored), metrics.count < mostMetrics, !metrics.names(metric, from: 0) else {
            return false
        }
        metrics.append(PushedMetric(name: metric, value: value))
        return true
    }
}
