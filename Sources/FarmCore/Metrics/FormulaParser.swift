extension Formula {
    public enum Outcome {
        case formula(Formula)
        /// From 1; one past the last byte where something is missing at the end.
        case error(column: Int, what: StaticString)
    }

    /// Parses and compiles a formula: `+ - * /`, parentheses, numbers, `min(a,b)`, `max(a,b)` and names of metrics, which
    /// `metric` gives numbers. By recursive descent, to a bounded depth.
    public static func parse(
        _ text: UnsafeBufferPointer<UInt8>, number: NumberReader, metric: (MetricName) -> UInt32
    ) -> Outcome {
        guard text.count <= longest else {
            return .error(column: longest + 1, what: "the formula is longer than 8192 bytes; write a shorter one")
        }
        var parser = FormulaParser(text: text)
        guard parser.sum(depth: 0, number, metric), parser.isAtEnd() else {
            return .error(column: parser.at + 1, what: parser.fault)
        }
        return .formula(Formula(parser.program))
    }
}

/// Turns text into a program in postfix order. When a rule returns false, `at` and `fault` say where and what is wrong.
private struct FormulaParser {
    let text: UnsafeBufferPointer<UInt8>
    var at = 0
    var program: [Formula.Instruction] = []
    var fault: StaticString = ""

    init(text: UnsafeBufferPointer<UInt8>) { self.text = text }

    mutating func isAtEnd() -> Bool { next() == nil || fail("an operator or the end is expected here") }

    mutating func sum(depth: Int, _ number: NumberReader, _ metric: (MetricName) -> UInt32) -> Bool {
        guard product(depth, number, metric) else { return false }
        while let sign = next(), sign == 0x2B || sign == 0x2D {
            at += 1
            guard product(depth, number, metric) else { return false }
            program.append(sign == 0x2B ? .add : .subtract)
        }
        return true
    }

    private mutating func product(_ depth: Int, _ number: NumberReader, _ metric: (MetricName) -> UInt32) -> Bool {
        guard factor(depth, number, metric) else { return false }
        while let sign = next(), sign == 0x2A || sign == 0x2F {
            at += 1
            guard factor(depth, number, metric) else { return false }
            program.append(sign == 0x2A ? .multiply : .divide)
        }
        return true
    }

    private mutating func factor(_ depth: Int, _ number: NumberReader, _ metric: (MetricName) -> UInt32) -> Bool {
        guard depth <= Formula.deepest else { return fail("parentheses stand in each other too deep; at most 32 may") }
        guard let byte = next() else { return fail("a number, a metric's name or '(' is expected here") }
        if byte == 0x2D {
            at += 1
            guard factor(depth + 1, number, metric) else { return false }
            program.append(.negate)
            return true
        }
        if byte == 0x28 {
            at += 1
            return sum(depth: depth + 1, number, metric) && take(0x29, "')' is expected here")
        }
        if Names.beginsMetric(byte) { return named(depth, number, metric) }
        let length = DecimalNumber.length(text, from: at, signed: false)
        guard length > 0 else { return fail("a number, a metric's name or '(' is expected here") }
        guard let value = DecimalNumber.value(UnsafeBufferPointer(rebasing: text[at..<(at + length)]), number) else {
            return fail("the number is too large or too long; write a finite one of at most 64 digits")
        }
        at += length
        program.append(.number(value))
        return true
    }

    /// A metric, or a function where a parenthesis follows.
    private mutating func named(_ depth: Int, _ number: NumberReader, _ metric: (MetricName) -> UInt32) -> Bool {
        let start = at
        while at < text.count && Names.continuesMetric(text[at]) { at += 1 }
        let name = UnsafeBufferPointer(rebasing: text[start..<at])
        if next() == 0x28 {
            let isMin = Names.isWord(name, "min")
            guard isMin || Names.isWord(name, "max") else {
                at = start
                return fail("there is no such function; write min(a,b) or max(a,b)")
            }
            at += 1
            guard sum(depth: depth + 1, number, metric),
                take(0x2C, "',' is expected here: min and max take two values"),
                sum(depth: depth + 1, number, metric), take(0x29, "')' is expected here: min and max take two values")
            else { return false }
            program.append(isMin ? .min : .max)
            return true
        }
        guard let name = MetricName(name) else {
            at = start
            return fail("the name of a metric is longer than 32 bytes; no member can push it")
        }
        program.append(.metric(metric(name)))
        return true
    }

    private mutating func take(_ byte: UInt8, _ fault: StaticString) -> Bool {
        guard next() == byte else { return fail(fault) }
        at += 1
        return true
    }

    /// The next byte that is no blank.
    private mutating func next() -> UInt8? {
        while at < text.count && (text[at] == 0x20 || text[at] == 0x09) { at += 1 }
        return at < text.count ? text[at] : nil
    }

    private mutating func fail(_ fault: StaticString) -> Bool {
        self.fault = fault
        return false
    }
}
