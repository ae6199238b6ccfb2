import CFarm

/// The order of smooth weighted round robin (the algorithm of nginx's upstream module): each turn every member gains
/// its weight, the one that has most is chosen and pays the sum of all weights. Weights 5, 1, 1 give a a b a c a a.
///
/// The order repeats after sum / gcd turns, so it is computed once, when the members change, and a choice is one look
/// into it. Members of equal weight are kept as one class, whose next member is the only one that can win, which makes
/// a turn cost the number of different weights instead of the number of members.
enum SmoothSequence {
    /// The longest order that is kept. A farm whose weights give a longer one uses a low-discrepancy sequence instead.
    static let longest = 4096
    static let mostClasses = 64

    /// Fills `sequence` (of `capacity` positions) for `count` members of these weights and returns its length, or 0 when
    /// it would not fit. `scratch` holds `count` numbers.
    static func build(
        _ sequence: UnsafeMutablePointer<UInt32>, capacity: Int, count: Int, weights: UnsafePointer<UInt32>,
        scratch: UnsafeMutablePointer<UInt32>
    ) -> Int {
        guard count > 0 else { return 0 }
        var divisor: UInt32 = 0
        var total: UInt64 = 0
        for at in 0..<count {
            divisor = greatestCommonDivisor(divisor, weights[at])
            total &+= UInt64(weights[at])
        }
        guard divisor > 0, total / UInt64(divisor) <= UInt64(min(capacity, longest)) else { return 0 }
        let length = Int(total / UInt64(divisor))
        return withUnsafeTemporaryAllocation(of: Class.self, capacity: mostClasses) { classes in
            let classCount = sort(count: count, weights: weights, into: classes, scratch: scratch)
            guard classCount > 0 else { return 0 }
            let turnCost = Int64(total)
            for turn in 0..<length {
                var best = 0
                var bestGain = Int64.min
                for at in 0..<classCount {
                    let gain = classes[at].gain(turn: turn, turnCost: turnCost)
                    let wins =
                        gain > bestGain
                        || (gain == bestGain && classes[at].front(scratch) < classes[best].front(scratch))
                    if wins {
                        best = at
                        bestGain = gain
                    }
                }
                farm_set32(sequence + turn, classes[best].front(scratch))
                classes[best].taken += 1
            }
            return length
        }
    }

    /// The members of one weight: `size` entries of the scratch from `start`, in their order.
    private struct Class {
        var weight: UInt32
        var start: Int
        var size: Int
        var taken: Int

        /// What its next member has gained by this turn, less what it has paid.
        func gain(turn: Int, turnCost: Int64) -> Int64 {
            Int64(weight) * Int64(turn + 1) - turnCost * Int64(taken / size)
        }

        func front(_ members: UnsafePointer<UInt32>) -> UInt32 { members[start + taken % size] }
    }

    /// Sorts the members into classes; 0 when there are more than fit.
    private static func sort(
        count: Int, weights: UnsafePointer<UInt32>, into classes: UnsafeMutableBufferPointer<Class>,
        scratch: UnsafeMutablePointer<UInt32>
    ) -> Int {
        var classCount = 0
        for at in 0..<count {
            let known = (0..<classCount).first { classes[$0].weight == weights[at] }
            if let known {
                classes[known].size += 1
            } else {
                guard classCount < classes.count else { return 0 }
                classes.initializeElement(at: classCount, to: Class(weight: weights[at], start: 0, size: 1, taken: 0))
                classCount += 1
            }
        }
        var start = 0
        for at in 0..<classCount {
            classes[at].start = start
            start += classes[at].size
            var next = classes[at].start
            for member in 0..<count where weights[member] == classes[at].weight {
                scratch[next] = UInt32(member)
                next += 1
            }
        }
        return classCount
    }

    private static func greatestCommonDivisor(_ a: UInt32, _ b: UInt32) -> UInt32 {
        var (a, b) = (a, b)
        while b != 0 { (a, b) = (b, a % b) }
        return a
    }
}
