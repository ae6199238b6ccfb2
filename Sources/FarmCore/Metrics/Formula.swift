/// A FarmLoad formula, compiled: arithmetic over a member's metrics. Owns its program; `deallocate` frees it. Any thread may
/// evaluate it.
public struct Formula {
    enum Instruction {
        case number(Double)
        case metric(UInt32)
        case add, subtract, multiply, divide, min, max, negate
    }

    /// In bytes.
    public static let longest = 8192
    /// How deep parentheses may stand in each other, and values on the stack.
    static let deepest = 32

    let program: UnsafeMutableBufferPointer<Instruction>

    init(_ instructions: [Instruction]) {
        program = .allocate(capacity: instructions.count)
        for at in 0..<instructions.count { program.initializeElement(at: at, to: instructions[at]) }
    }

    public func deallocate() { program.deallocate() }

    /// The load by the member's metrics; NaN, which is "unknown", when an operand is, when something is divided by zero,
    /// or when a result is not finite.
    public func value(_ metric: (UInt32) -> Double) -> Double {
        // Each level of parentheses holds at most three values that wait: a sum's, a product's and a function's.
        withUnsafeTemporaryAllocation(of: Double.self, capacity: 3 * Self.deepest + 4) { stack in
            var top = 0
            for instruction in program {
                switch instruction {
                case .number(let number):
                    stack[top] = number
                    top += 1
                case .metric(let id):
                    stack[top] = metric(id)
                    top += 1
                case .negate:
                    stack[top - 1] = -stack[top - 1]
                default:
                    top -= 1
                    stack[top - 1] = Self.result(instruction, stack[top - 1], stack[top])
                }
                guard stack[top - 1].isFinite else { return .nan }
            }
            return stack[0]
        }
    }

    private static func result(_ instruction: Instruction, _ a: Double, _ b: Double) -> Double {
        switch instruction {
        case .add: a + b
        case .subtract: a - b
        case .multiply: a * b
        case .divide: a / b
        case .min: Swift.min(a, b)
        case .max: Swift.max(a, b)
        default: .nan
        }
    }
}
