/// The JSON form of a load report: one object of numbers, and in it objects of numbers, one level deep. JSON is RFC 8259's.
struct LoadReportJSON {
    private let text: UnsafeBufferPointer<UInt8>
    private let mostMetrics: Int
    private var at = 0
    /// The full name of the member that is being read: `outer.inner`.
    private var name = InlineArray<128, UInt8>(repeating: 0)
    private var nameLength = 0

    static func read(
        _ text: UnsafeBufferPointer<UInt8>, mostMetrics: Int, number: NumberReader, into metrics: inout [PushedMetric]
    ) -> Bool {
        var reader = LoadReportJSON(text: text, mostMetrics: mostMetrics)
        guard reader.object(depth: 0, number, &metrics) else { return false }
        reader.skipBlanks()
        return reader.at == text.count && !metrics.isEmpty
    }

    private init(text: UnsafeBufferPointer<UInt8>, mostMetrics: Int) {
        self.text = text
        self.mostMetrics = mostMetrics
    }

    private mutating func object(depth: Int, _ number: NumberReader, _ metrics: inout [PushedMetric]) -> Bool {
        guard take(0x7B) else { return false }
        if take(0x7D) { return true }
        let prefix = nameLength
        repeat {
            nameLength = prefix
            guard key(), take(0x3A), value(depth, number, &metrics) else { return false }
        } while take(0x2C)
        nameLength = prefix
        return take(0x7D)
    }

    private mutating func value(_ depth: Int, _ number: NumberReader, _ metrics: inout [PushedMetric]) -> Bool {
        skipBlanks()
        guard at < text.count else { return false }
        if text[at] == 0x7B {
            guard depth == 0, append(0x2E) else { return false }
            return object(depth: 1, number, &metrics)
        }
        // A null says that it is unknown.
        if text[at] == 0x6E { return word("null") }
        let length = numberLength()
        guard length > 0 else { return false }
        let digits = UnsafeBufferPointer(rebasing: text[at..<(at + length)])
        at += length
        guard let value = DecimalNumber.value(digits, number) else { return false }
        return withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 128) { copy in
            for place in 0..<nameLength { copy.initializeElement(at: place, to: name[place]) }
            let full = UnsafeBufferPointer(rebasing: copy[..<nameLength])
            return LoadReport.add(full, value, mostMetrics: mostMetrics, to: &metrics)
        }
    }

    /// The length of a number here: JSON's grammar asks for a digit before the dot, and no zero before another.
    private func numberLength() -> Int {
        let length = DecimalNumber.length(text, from: at, signed: true)
        let first = text[at] == 0x2D ? at + 1 : at
        guard length > 0, text[first] != 0x2E else { return 0 }
        let isLeadingZero =
            text[first] == 0x30 && first + 1 < text.count && text[first + 1] >= 0x30 && text[first + 1] <= 0x39
        return isLeadingZero ? 0 : length
    }

    /// A key, appended to the name. Of the names that a metric may have none needs an escape but as \u00XX.
    private mutating func key() -> Bool {
        guard take(0x22) else { return false }
        while at < text.count {
            var byte = text[at]
            at += 1
            if byte == 0x22 { return true }
            if byte == 0x5C {
                guard let escaped = escape() else { return false }
                byte = escaped
            }
            guard byte >= 0x20, append(byte) else { return false }
        }
        return false
    }

    /// The character after a backslash, where it is one of ASCII.
    private mutating func escape() -> UInt8? {
        guard at + 4 < text.count, text[at] == 0x75, text[at + 1] == 0x30, text[at + 2] == 0x30,
            let high = FormReader.digit(text[at + 3]), let low = FormReader.digit(text[at + 4]), high < 8
        else { return nil }
        at += 5
        return high << 4 | low
    }

    private mutating func append(_ byte: UInt8) -> Bool {
        guard nameLength < 128 else { return false }
        name[nameLength] = byte
        nameLength += 1
        return true
    }

    private mutating func word(_ word: StaticString) -> Bool {
        let count = word.utf8CodeUnitCount
        guard at + count <= text.count, Names.isWord(UnsafeBufferPointer(rebasing: text[at..<(at + count)]), word)
        else {
            return false
        }
        at += count
        return true
    }

    private mutating func take(_ byte: UInt8) -> Bool {
        skipBlanks()
        guard at < text.count, text[at] == byte else { return false }
        at += 1
        return true
    }

    private mutating func skipBlanks() {
        while at < text.count, text[at] == 0x20 || text[at] == 0x09 || text[at] == 0x0A || text[at] == 0x0D { at += 1 }
    }
}
