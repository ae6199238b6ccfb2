import FarmTestSupport

@testable import FarmCore

/// What the tests of the parsers share: the host's number reader, and outcomes as values of their own.
enum Reading {
    /// Stands for the host's strtod: Swift's own reading of the text.
    static func number(_ text: UnsafeBufferPointer<UInt8>) -> Double {
        Double(String(decoding: text, as: UTF8.self)) ?? .nan
    }

    static func name(_ metric: MetricName) -> String {
        String(decoding: (0..<metric.count).map { metric.byte($0) }, as: UTF8.self)
    }

    static func text(_ bytes: UnsafeBufferPointer<UInt8>) -> String { String(decoding: bytes, as: UTF8.self) }

    // MARK: Updates

    struct Group: Equatable {
        var farm: String
        var member: String?
        var health: HealthVerdict?
        var metrics: [String: Double] = [:]
    }

    enum Outcome: Equatable {
        case groups([Group])
        case refused(String, group: Int, status: UInt32)

        var groups: [Group]? { if case .groups(let groups) = self { groups } else { nil } }
        var message: String? { if case .refused(let message, _, _) = self { message } else { nil } }
    }

    /// Parses a copy that is exactly as long as the text, so that a read past its end is one past the buffer.
    static func update(_ text: [UInt8], most: Int = 100) -> Outcome {
        var text = text
        return text.withUnsafeMutableBufferPointer { text in
            switch Update.parse(text, mostMetrics: most, number: number) {
            case .update(let update):
                return .groups(
                    update.groups.map { group in
                        let metrics = update.metrics[group.firstMetric..<(group.firstMetric + group.metricCount)]
                        return Group(
                            farm: Self.text(group.farm), member: group.member.map(Self.text), health: group.health,
                            metrics: Dictionary(
                                metrics.map { (name($0.name), $0.value) }, uniquingKeysWith: { _, _ in .nan }))
                    })
            case .refused(let refusal):
                return .refused(message(refusal), group: refusal.group, status: refusal.status)
            }
        }
    }

    static func update(_ text: String, most: Int = 100) -> Outcome { update(bytes(text), most: most) }

    static func message(_ refusal: UpdateRefusal) -> String {
        let pieces = Pieces()
        pieces.write { refusal.write(to: &$0) }
        return pieces.text
    }

    // MARK: Reports

    /// What a report says; nil when it cannot be read.
    static func report(_ text: [UInt8], most: Int = 100) -> [String: Double]? {
        // Left over from the report before.
        var metrics = [PushedMetric(name: bytes("stale").withUnsafeBufferPointer { MetricName($0)! }, value: 1)]
        let isGood = text.withUnsafeBufferPointer {
            LoadReport.read($0, mostMetrics: most, number: number, into: &metrics)
        }
        guard isGood else { return nil }
        return Dictionary(metrics.map { (name($0.name), $0.value) }, uniquingKeysWith: { _, _ in .nan })
    }

    static func report(_ text: String, most: Int = 100) -> [String: Double]? { report(bytes(text), most: most) }

    // MARK: Formulas

    enum Evaluated: Equatable {
        /// Nil: unknown.
        case value(Double?)
        case error(column: Int, what: String)

        var value: Double? { if case .value(let value) = self { value } else { nil } }
        var isFormula: Bool { if case .value = self { true } else { false } }
    }

    /// Parses a formula and evaluates it with these metrics; others are unknown.
    static func formula(_ text: [UInt8], _ metrics: [String: Double] = [:]) -> Evaluated {
        var names: [String] = []
        let outcome = text.withUnsafeBufferPointer { text in
            Formula.parse(text, number: number) { metric in
                names.append(name(metric))
                return UInt32(names.count - 1)
            }
        }
        switch outcome {
        case .formula(let formula):
            defer { formula.deallocate() }
            let value = formula.value { metrics[names[Int($0)]] ?? .nan }
            return .value(value.isNaN ? nil : value)
        case .error(let column, let what):
            return .error(column: column, what: "\(what)")
        }
    }

    static func formula(_ text: String, _ metrics: [String: Double] = [:]) -> Evaluated {
        formula(bytes(text), metrics)
    }

    // MARK: Hostile texts

    /// Pieces of the grammar in any order, and now and then any byte: most of it is wrong only somewhere.
    static func random(_ pieces: [[UInt8]], _ numbers: inout Numbers, most: Int) -> [UInt8] {
        var text: [UInt8] = []
        for _ in 0..<Int.random(in: 0...most, using: &numbers) {
            let word = numbers.next()
            if word % 16 == 0 {
                text.append(UInt8(truncatingIfNeeded: word >> 32))
            } else {
                text += pieces[Int(word >> 32) % pieces.count]
            }
        }
        return text
    }

    /// Every beginning of a text, and the text with any byte in any place.
    static func damaged(_ text: [UInt8], _ body: ([UInt8]) -> Void) {
        for length in 0...text.count { body(Array(text[..<length])) }
        for at in text.indices {
            var copy = text
            for byte in UInt8.min...UInt8.max {
                copy[at] = byte
                body(copy)
            }
        }
    }
}
