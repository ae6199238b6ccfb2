import FarmTestSupport
import Testing

@testable import FarmCore

/// Formulas generated from the grammar, written as text and evaluated here by another way; and texts that are none.
@Suite struct FormulaGrammarTests {
    indirect enum Tree {
        case number(String)
        case metric(String)
        case negate(Tree)
        case binary(Character, Tree, Tree)
        case function(String, Tree, Tree)

        static func random(_ depth: Int, _ numbers: inout Numbers) -> Tree {
            let kind = depth == 0 ? Int.random(in: 0..<4, using: &numbers) : Int.random(in: 0..<12, using: &numbers)
            switch kind {
            case 0, 1:
                return .number(["0", "1", "2.5", ".25", "1e3", "7", "1e200", "3e-7"].randomElement(using: &numbers)!)
            case 2, 3: return .metric(["a", "b", "c", "min", "max", "u"].randomElement(using: &numbers)!)
            case 4: return .negate(random(depth - 1, &numbers))
            case 5:
                let name = Bool.random(using: &numbers) ? "min" : "max"
                return .function(name, random(depth - 1, &numbers), random(depth - 1, &numbers))
            default:
                return .binary(
                    "+-*/".randomElement(using: &numbers)!, random(depth - 1, &numbers), random(depth - 1, &numbers))
            }
        }

        /// How closely it holds together: a sum 0, a product 1, all else 2.
        private var strength: Int {
            guard case .binary(let sign, _, _) = self else { return 2 }
            return sign == "*" || sign == "/" ? 1 : 0
        }

        /// With the parentheses that it needs, and now and then more.
        func text(_ numbers: inout Numbers, atLeast strength: Int = 0) -> String {
            func blank() -> String { ["", "", "", " ", "\t", "  "].randomElement(using: &numbers)! }
            if self.strength < strength || Int.random(in: 0..<20, using: &numbers) == 0 {
                return "(\(blank())" + text(&numbers) + "\(blank()))"
            }
            switch self {
            case .number(let text), .metric(let text): return text + blank()
            case .negate(let inner): return "-\(blank())" + inner.text(&numbers, atLeast: 2)
            case .binary(let sign, let left, let right):
                let left = left.text(&numbers, atLeast: self.strength)
                return left + "\(sign)\(blank())" + right.text(&numbers, atLeast: self.strength + 1)
            case .function(let name, let left, let right):
                let left = left.text(&numbers)
                return "\(name)\(blank())(\(blank())\(left),\(blank())" + right.text(&numbers) + ")"
            }
        }

        /// Nil: unknown.
        func value(_ metrics: [String: Double]) -> Double? {
            switch self {
            case .number(let text): return Double(text)
            case .metric(let name): return metrics[name]
            case .negate(let inner): return inner.value(metrics).map { -$0 }
            case .function(let name, let left, let right):
                guard let left = left.value(metrics), let right = right.value(metrics) else { return nil }
                return (left < right) == (name == "min") ? left : right
            case .binary(let sign, let left, let right):
                guard let left = left.value(metrics), let right = right.value(metrics) else { return nil }
                let value: Double
                switch sign {
                case "+": value = left + right
                case "-": value = left - right
                case "*": value = left * right
                default: value = right == 0 ? .infinity : left / right
                }
                return value.magnitude <= .greatestFiniteMagnitude ? value : nil
            }
        }
    }

    @Test func equalsTheOtherEvaluator() {
        var numbers = Numbers(57)
        var wrong: [String] = []
        var (known, unknown) = (0, 0)
        for _ in 0..<20_000 {
            let tree = Tree.random(Int.random(in: 1...6, using: &numbers), &numbers)
            let text = tree.text(&numbers)
            guard text.utf8.count <= Formula.longest else { continue }
            var metrics: [String: Double] = [:]
            for name in ["a", "b", "c", "min", "max"] {
                metrics[name] = [Double.random(in: -10...10, using: &numbers), 0, 1e150].randomElement(using: &numbers)!
            }
            if Int.random(in: 0..<3, using: &numbers) > 0 { metrics["u"] = 2 }
            let value = tree.value(metrics)
            if value == nil { unknown += 1 } else { known += 1 }
            if Reading.formula(text, metrics) != .value(value) { wrong.append(text) }
        }
        #expect(wrong.isEmpty, "\(wrong.prefix(3))")
        #expect(known > 5_000 && unknown > 1_000, "\(known) \(unknown)")
    }

    /// A fault is told at a column of the text, or one past it.
    private static func isSound(_ text: [UInt8], _ outcome: Reading.Evaluated) -> Bool {
        guard case .error(let column, let what) = outcome else { return true }
        return !what.isEmpty && (1...(min(text.count, Formula.longest) + 1)).contains(column)
    }

    @Test func anyDamage() {
        let good = bytes("-min(cpu_1, 2*db.x) / (1e-2 + max(a,b)) - .5*(c)")
        #expect(Reading.formula(good).isFormula)
        var unsound: [[UInt8]] = []
        var (read, refused) = (0, 0)
        Reading.damaged(good) { text in
            let outcome = Reading.formula(text, ["a": 1, "b": 2])
            if outcome.isFormula { read += 1 } else { refused += 1 }
            if !Self.isSound(text, outcome) { unsound.append(text) }
        }
        #expect(unsound.isEmpty)
        #expect(read > 500 && refused > 1_000)
    }

    @Test func anything() {
        let pieces = [
            "(", ")", "+", "-", "*", "/", ",", "min(", "max(", "min", "a", "b", "1", ".5", "2e3", " ", "5.", "((",
            "---",
        ].map(bytes)
        var numbers = Numbers(41)
        var unsound: [[UInt8]] = []
        var (read, refused) = (0, 0)
        for _ in 0..<200_000 {
            let text = Reading.random(pieces, &numbers, most: 7)
            let outcome = Reading.formula(text, ["a": 1])
            if outcome.isFormula { read += 1 } else { refused += 1 }
            if !Self.isSound(text, outcome) { unsound.append(text) }
        }
        #expect(unsound.isEmpty)
        #expect(read > 5_000 && refused > 5_000, "\(read) \(refused)")
    }
}
