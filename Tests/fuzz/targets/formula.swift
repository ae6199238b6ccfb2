import CFarmABI
import FarmCore
import Foundation
import FuzzSupport

// FarmLoad's formula: what configtest says of it, and what comes out of it, for measurements of every kind.

@c public func LLVMFuzzerTestOneInput(_ data: UnsafePointer<UInt8>?, _ size: Int) -> Int32 {
    let text = UnsafeBufferPointer(start: data, count: size)
    withText(text) { text, length in
        var column: UInt32 = 0
        let what = farm_on_formula(text, length, &column)
        switch parse(text, length) {
        case .formula(let formula):
            guard what == nil else { finding("configtest refuses what parses") }
            evaluate(formula, inParentheses: text, length)
            formula.deallocate()
        case .error:
            guard let what, what.pointee != 0 else { finding("configtest takes what does not parse") }
            guard column >= 1 && column <= min(length, UInt32(Formula.longest)) + 1 else {
                finding("an error at column \(column) of \(length)")
            }
        }
    }
    return 0
}

/// Metrics get numbers in the order in which they are first named.
private func parse(_ text: UnsafePointer<CChar>, _ length: UInt32) -> Formula.Outcome {
    let bytes = UnsafeRawBufferPointer(start: text, count: Int(length)).assumingMemoryBound(to: UInt8.self)
    var names: [MetricName] = []
    return Formula.parse(bytes, number: { FuzzSupport.farm_host_double($0.chars, UInt32($0.count)) }) { name in
        if let known = names.firstIndex(of: name) { return UInt32(known) }
        names.append(name)
        return UInt32(names.count - 1)
    }
}

extension UnsafeBufferPointer<UInt8> {
    fileprivate var chars: UnsafePointer<CChar>? {
        UnsafeRawPointer(baseAddress)?.assumingMemoryBound(to: CChar.self)
    }
}

private let measured: [Double] = [
    0, 1, 0.5, -1, .greatestFiniteMagnitude, .nan, -.greatestFiniteMagnitude, .leastNonzeroMagnitude, -0.0, 1e-300, 100,
]

/// What is in parentheses is worth the same, where there may be one more pair of them.
private func evaluate(_ formula: Formula, inParentheses text: UnsafePointer<CChar>, _ length: UInt32) {
    let within = [0x28] + UnsafeRawBufferPointer(start: text, count: Int(length)) + [0x29]
    for shift in 0..<measured.count {
        let value = formula.value { measured[(Int($0) + shift) % measured.count] }
        guard value.isFinite || value.isNaN else { finding("the load is \(value)") }
        guard shift < 2 else { continue }
        withText(within) { text, length in
            guard case .formula(let other) = parse(text, length) else { return }
            let same = other.value { measured[(Int($0) + shift) % measured.count] }
            other.deallocate()
            guard same == value || same.isNaN && value.isNaN else { finding("\(value), but in parentheses \(same)") }
        }
    }
}
