import FarmTestSupport
import Testing

@testable import FarmCore

@Suite struct AliasTableTests {
    static func build(_ weights: [UInt32]) -> [UInt64] {
        let count = weights.count
        let entries = UnsafeMutablePointer<UInt64>.allocate(capacity: count)
        let scaled = UnsafeMutablePointer<UInt64>.allocate(capacity: count)
        let stack = UnsafeMutablePointer<UInt32>.allocate(capacity: count)
        defer {
            entries.deallocate()
            scaled.deallocate()
            stack.deallocate()
        }
        AliasTable.build(entries, count: count, weights: weights, scaled: scaled, stack: stack)
        return (0..<count).map { entries[$0] }
    }

    /// The probability of each position, exactly as the entries say: its own part of its column, and what other columns
    /// leave to it.
    static func probabilities(_ entries: [UInt64]) -> [Double] {
        let column = 1 / Double(entries.count)
        var probability = [Double](repeating: 0, count: entries.count)
        for (at, entry) in entries.enumerated() {
            let own = Double(entry >> 32) / 0x1p32
            probability[at] += own * column
            probability[Int(entry & 0xFFFF_FFFF)] += (1 - own) * column
        }
        return probability
    }

    static let few: [[UInt32]] = [
        [1], [1000], [1, 1], [1, 1000], [1000, 1], [5, 1, 1], [3, 3, 3], [1, 2, 3, 4, 5, 6, 7, 8, 9, 10],
    ]
    static let ones = [UInt32](repeating: 1, count: 4095)
    static let thousands = [UInt32](repeating: 1000, count: 4095)
    static let alternating: [UInt32] = (0..<4096).map { $0 % 2 == 0 ? 1 : 1000 }
    static let many: [[UInt32]] = [
        ones + [1], thousands + [1000], [1000] + ones, [1] + thousands, alternating, (0..<997).map { UInt32($0 + 1) },
    ]
    static let generated: [[UInt32]] = (1...40).map { (seed: UInt64) -> [UInt32] in
        var numbers = Numbers(seed)
        let count = Int.random(in: 1...300, using: &numbers)
        return (0..<count).map { _ in UInt32.random(in: 1...1000, using: &numbers) }
    }
    static let lists = few + many + generated

    /// Each threshold is rounded by less than 2^-32 of a column, so a position is off by less than 2^-32 in all.
    @Test(arguments: lists.indices) func probabilitiesAreTheWeights(_ number: Int) {
        let weights = Self.lists[number]
        let total = weights.reduce(0.0) { $0 + Double($1) }
        let probability = Self.probabilities(Self.build(weights))
        let worst = zip(probability, weights).map { abs($0 - Double($1) / total) }.max()!
        #expect(worst < 0x1p-30)
    }

    @Test(arguments: lists.indices) func everyEntryNamesAPosition(_ number: Int) {
        let entries = Self.build(Self.lists[number])
        #expect(entries.allSatisfy { $0 & 0xFFFF_FFFF < UInt64(entries.count) })
    }

    /// Also from a table that is half another one's, and for every word.
    @Test func aDrawIsAPosition() {
        var numbers = Numbers(3)
        for count: UInt32 in [1, 2, 3, 100] {
            for _ in 0..<2_000 {
                let entries = (0..<count).map { _ in numbers.next() }
                let drawn = AliasTable.draw(entries, count: count, bits: UInt32(truncatingIfNeeded: numbers.next()))
                #expect(drawn < count)
            }
        }
        #expect(AliasTable.draw([.max], count: 1, bits: .max) == 0)
        #expect(AliasTable.draw([0], count: 1, bits: 0) == 0)
    }

    /// The edges of a column: below the threshold it is the position's own, from the threshold on it is not. Of two
    /// columns each has half of the bits, and twice the bits is the place in it.
    @Test func theThresholdIsTheBorder() {
        let entries: [UInt64] = [100 << 32 | 1, 0xFFFF_FFFF << 32 | 1]
        #expect(AliasTable.draw(entries, count: 2, bits: 49) == 0)
        #expect(AliasTable.draw(entries, count: 2, bits: 50) == 1)
        #expect(AliasTable.draw(entries, count: 2, bits: 0x7FFF_FFFF) == 1)
        #expect(AliasTable.draw(entries, count: 2, bits: 0x8000_0000) == 1)
    }

    /// Every draw there is, at equal distances: each position is drawn as often as its weight says, to within the few
    /// draws that its borders cost.
    @Test(arguments: [[5, 1, 1], [1, 2, 3, 4], [1000, 1], [7]] as [[UInt32]])
    func drawsFollowTheWeights(_ weights: [UInt32]) {
        let entries = Self.build(weights)
        var seen = [Int](repeating: 0, count: weights.count)
        for step: UInt32 in 0..<65_536 {
            seen[Int(AliasTable.draw(entries, count: UInt32(weights.count), bits: step << 16))] += 1
        }
        let total = Double(weights.reduce(0, +))
        for (at, weight) in weights.enumerated() {
            #expect(abs(Double(seen[at]) - 65_536 * Double(weight) / total) <= Double(weights.count))
        }
    }
}
