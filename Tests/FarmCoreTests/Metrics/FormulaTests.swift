import FarmTestSupport
import Testing

@testable import FarmCore

@Suite struct FormulaTests {
    static let metrics: [String: Double] = [
        "a": 3, "b": 5, "c": -2, "min": 7, "max": 11, "z": 0, "big": 1e308, "x.y_1": 4,
    ]
    static let (a, b, c) = (3.0, 5.0, -2.0)

    @Test(
        arguments: [
            ("1", 1), (".5", 0.5), ("1e3", 1_000), ("a", 3), ("x.y_1", 4), (" \t a \t ", 3),
            ("a+b", 8), ("a-b", -2), ("a*b", 15), ("a/b", a / b),
            // Precedence.
            ("a+b*c", a + b * c), ("a*b+c", a * b + c), ("a-b/c", a - b / c), ("(a+b)*c", (a + b) * c),
            ("a+b*c-1/a", a + b * c - 1 / a), ("a*(b-(c+1))", a * (b - (c + 1))),
            // From the left.
            ("a-b-c", a - b - c), ("a-b+c", a - b + c), ("a/b/c", a / b / c), ("a/b*c", a / b * c),
            ("a*b/c", a * b / c),
            ("8/2/2", 2), ("8-2-2", 4), ("8-(2-2)", 8), ("8/(2/2)", 8),
            ("0.1+0.2+0.3", 0.1 + 0.2 + 0.3), ("0.1+(0.2+0.3)", 0.1 + (0.2 + 0.3)),
            // Unary minus binds closest.
            ("-a", -3), ("--a", 3), ("- - -a", -3), ("a--b", 8), ("a*-b", -15), ("-a*b", -15), ("-a-b", -8),
            ("-(a+b)", -8),
            ("a/-b", a / -b), ("-2*-3", 6), ("1--1", 2), ("2-3", -1), ("-.5", -0.5),
            // Functions, and metrics of their names.
            ("min(a,b)", 3), ("max(a,b)", 5), ("min(b,a)", 3), ("max(b,a)", 5), ("min (a, b)", 3), ("max\t( a ,b )", 5),
            ("min(a+b*c,max(a,b)-1)", min(a + b * c, max(a, b) - 1)), ("-min(a,-b)", 5), ("min(1,2)*max(3,4)", 4),
            ("min", 7), ("max", 11), ("min+max", 18), ("min*(max)", 77), ("min(min,max)", 7), ("max(min,max)", 11),
            ("(min)", 7), ("min-(1)", 6),
            ("z/a", 0), ("a*z", 0), ("big", 1e308), ("big/10*9", 1e308 / 10 * 9), ("1e-308/1e300", 0),
            ("((((((((a))))))))", 3), ("1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1", 16),
        ] as [(String, Double)])
    func value(_ text: String, is value: Double) { #expect(Reading.formula(text, Self.metrics) == .value(value)) }

    /// An operand that is unknown, a division by zero or a result that is not finite, anywhere, also where it would cancel.
    @Test(arguments: [
        "u", "-u", "a+u", "u*0", "min(a,u)", "max(u,a)", "a+b*(c-u)", "1/0", "a/z", "0/0", "z/z", "a/(a-3)",
        "a/(b-a+c)", "1/(1/z)",
        "min(1,1/0)", "max(1,-1/0)", "0*(1/0)", "big*10", "big+big", "-big-big", "big*10/10", "big+big-big", "1/1e-320",
        "min(a,big*2)",
        "MIN", "A",
    ])
    func isUnknown(_ text: String) { #expect(Reading.formula(text, Self.metrics) == .value(nil)) }

    /// Each operand is asked for by the number that its name was given.
    @Test func metricsByTheirNumbers() throws {
        let text = bytes("load*10+cpu-load")
        var asked: [String] = []
        let outcome = text.withUnsafeBufferPointer { text in
            Formula.parse(text, number: Reading.number) { name in
                asked.append(Reading.name(name))
                return name == MetricNameTests.named("load") ? 40 : 2
            }
        }
        guard case .formula(let formula) = outcome else { return #expect(Bool(false)) }
        defer { formula.deallocate() }
        #expect(asked == ["load", "cpu", "load"])
        #expect(formula.value { $0 == 40 ? 1 : 100 } == 109)
        #expect(formula.value { $0 == 40 ? 2 : 0.5 } == 18.5, "evaluated again, with other values")
    }

    // MARK: Faults

    static let operand = "a number, a metric's name or '(' is expected here"
    static let end = "an operator or the end is expected here"
    static let close = "')' is expected here"
    static let twoValues = "',' is expected here: min and max take two values"
    static let closeTwo = "')' is expected here: min and max take two values"
    static let function = "there is no such function; write min(a,b) or max(a,b)"

    @Test(
        arguments: [
            ("", 1, operand), ("   ", 4, operand), ("+", 1, operand), ("a+", 3, operand), ("a + ", 5, operand),
            ("a+*b", 3, operand),
            ("*a", 1, operand), ("a*/b", 3, operand), ("-", 2, operand), ("a--", 4, operand), ("()", 2, operand),
            ("a+()", 4, operand),
            ("+a", 1, operand), ("a,b", 2, end), ("a b", 3, end), ("a)", 2, end), ("(a))", 4, end), ("1 2", 3, end),
            ("2x", 2, end),
            ("a(", 1, function), ("5.", 1, operand), ("1+5.", 3, operand), (".", 1, operand), ("1e", 1, operand),
            ("1e+", 1, operand),
            ("0x10", 2, end), ("1_000", 2, end), ("a%b", 2, end), ("a^2", 2, end), ("a**2", 3, operand),
            ("$a", 1, operand),
            ("a=1", 2, end), ("a;b", 2, end), ("\"a\"", 1, operand), ("ä", 1, operand), ("a\nb", 2, end),
            ("a\u{0}", 2, end),
            ("(a", 3, close), ("(a b)", 4, close), ("(a,b)", 3, close), ("((a)", 5, close), ("a*(b+c", 7, close),
            ("foo(a)", 1, function), ("1 + foo (a)", 5, function), ("Min(a,b)", 1, function), ("avg(a,b)", 1, function),
            ("min(", 5, operand), ("min()", 5, operand), ("min(a", 6, twoValues), ("min(a)", 6, twoValues),
            ("min(a b)", 7, twoValues),
            ("max(a,", 7, operand), ("max(a,)", 7, operand), ("max(a,b", 8, closeTwo), ("max(a,b,c)", 8, closeTwo),
            ("1+min(a)", 8, twoValues),
            ("1e999", 1, "the number is too large or too long; write a finite one of at most 64 digits"),
            ("a+ 1e999", 4, "the number is too large or too long; write a finite one of at most 64 digits"),
            (long(65), 1, "the number is too large or too long; write a finite one of at most 64 digits"),
            ("1+\(name(33))", 3, "the name of a metric is longer than 32 bytes; no member can push it"),
        ] as [(String, Int, String)])
    func fault(_ text: String, at column: Int, _ what: String) {
        #expect(Reading.formula(text) == .error(column: column, what: what))
    }

    private static func long(_ digits: Int) -> String { String(repeating: "1", count: digits) }
    private static func name(_ length: Int) -> String { String(repeating: "n", count: length) }

    @Test func asLongAsMayBe() {
        #expect(Reading.formula(Self.name(32), [Self.name(32): 2]) == .value(2))
        #expect(Reading.formula(Self.long(64)).isFormula)
        let terms = Formula.longest / 2
        let ones = "1" + String(repeating: "+1", count: terms - 1)
        #expect(Reading.formula(ones + " ") == .value(Double(terms)))
        #expect((ones + " ").utf8.count == Formula.longest)
        #expect(
            Reading.formula(ones + "  ")
                == .error(column: 8_193, what: "the formula is longer than 8192 bytes; write a shorter one"))
        #expect(!Reading.formula(String(repeating: "(", count: 1 << 20)).isFormula)
    }

    /// The message says 32, so 32 it is, of whatever kind.
    @Test(arguments: [
        ("(", "1", ")"), ("min(1,", "1", ")"), ("max(", "1", ",1)"), ("1+2*max(1,3-4*", "1", ")"), ("(-", "1", ")"),
    ])
    func depth(_ open: String, _ middle: String, _ close: String) {
        func nested(_ levels: Int) -> String {
            String(repeating: open, count: levels) + middle + String(repeating: close, count: levels)
        }
        let signs = open == "(-" ? 2 : 1
        #expect(Reading.formula(nested(32 / signs)).value != nil)
        let outcome = Reading.formula(nested(32 / signs + 1))
        guard case .error(_, let what) = outcome else { return #expect(Bool(false), "\(outcome)") }
        #expect(what.hasPrefix("parentheses stand in each other too deep; at most 32 may"))
    }

    /// Parentheses beside each other, and values in a row, are not deep.
    @Test func whatIsNotDeep() {
        let many = (0..<100).map { _ in "(a)" }.joined(separator: "+")
        #expect(Reading.formula(many, ["a": 1]) == .value(100))
        let mins = (0..<60).map { _ in "min(a,b)" }.joined(separator: "*")
        #expect(Reading.formula(mins, ["a": 1, "b": 2]) == .value(1))
    }
}
