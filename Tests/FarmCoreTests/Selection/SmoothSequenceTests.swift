import FarmTestSupport
import Testing

@testable import FarmCore

@Suite struct SmoothSequenceTests {
    static func build(_ weights: [UInt32], capacity: Int = SmoothSequence.longest) -> [UInt32] {
        let sequence = UnsafeMutablePointer<UInt32>.allocate(capacity: max(1, capacity))
        let scratch = UnsafeMutablePointer<UInt32>.allocate(capacity: max(1, weights.count))
        defer {
            sequence.deallocate()
            scratch.deallocate()
        }
        let length = SmoothSequence.build(
            sequence, capacity: capacity, count: weights.count, weights: weights,
            scratch: scratch)
        return (0..<length).map { sequence[$0] }
    }

    /// The algorithm as it is usually told: every turn each member gains its weight, the first of those that have most is
    /// chosen and pays the sum of all.
    static func model(_ weights: [UInt32], turns: Int) -> [UInt32] {
        let total = weights.reduce(0) { $0 + Int($1) }
        var current = [Int](repeating: 0, count: weights.count)
        return (0..<turns).map { _ in
            for at in weights.indices { current[at] += Int(weights[at]) }
            let best = current.indices.reduce(0) { current[$1] > current[$0] ? $1 : $0 }
            current[best] -= total
            return UInt32(best)
        }
    }

    @Test(
        arguments: [
            // The example in the source, and in nginx's.
            ([5, 1, 1], "aabacaa"),
            ([1], "a"),
            ([1000], "a"),
            ([1, 1], "ab"),
            ([1, 1, 1, 1], "abcd"),
            ([7, 7, 7], "abc"),
            ([2, 1], "aba"),
            ([4, 2], "aba"),
            ([3, 1], "aaba"),
            // The lbfactors of mod_lbmethod_byrequests' page: seven to three in ten turns, worked out by hand.
            ([70, 30], "abaaabaaba"),
            ([1, 5], "bbabbb"),
            ([4, 3, 2], "abcabacba"),
        ] as [([UInt32], String)])
    func workedExamples(_ weights: [UInt32], _ order: String) {
        let named = Self.build(weights).map { String(UnicodeScalar(UInt8(0x61 + $0))) }.joined()
        #expect(named == order)
    }

    /// Weight lists of all kinds against the telling above: few classes and many, common divisors, up to 200 members.
    @Test(arguments: 1...120 as ClosedRange<UInt64>)
    func equalsTheModel(seed: UInt64) {
        var numbers = Numbers(seed &* 7_919)
        let count = Int.random(in: 1...(seed % 10 == 0 ? 200 : 12), using: &numbers)
        let largest: UInt32 = [1, 2, 3, 10, 20][Int(seed % 5)]
        let times = UInt32.random(in: 1...4, using: &numbers)
        let weights = (0..<count).map { _ in times * UInt32.random(in: 1...largest, using: &numbers) }
        let sequence = Self.build(weights)
        #expect(!sequence.isEmpty)
        #expect(sequence == Self.model(weights, turns: sequence.count))
        // A cycle is complete: every member has exactly its share.
        let total = weights.reduce(0, +)
        for (at, weight) in weights.enumerated() {
            #expect(sequence.count { $0 == at } * Int(total) == Int(weight) * sequence.count)
        }
    }

    @Test func theOrderIsAsShortAsItCanBe() {
        #expect(Self.build([300, 200, 100]).count == 6)
        #expect(Self.build([1000, 1000]).count == 2)
        #expect(Self.build([UInt32](repeating: 17, count: 4096)).count == 4096)
    }

    @Test func tooLongAnOrderIsNone() {
        #expect(Self.build([4_095, 1]).count == 4_096)
        #expect(Self.build([4_096, 1]).isEmpty)
        #expect(Self.build([UInt32](repeating: 1, count: 4_097)).isEmpty)
        #expect(Self.build([5, 1, 1], capacity: 7).count == 7)
        #expect(Self.build([5, 1, 1], capacity: 6).isEmpty)
        #expect(Self.build([1], capacity: 0).isEmpty)
    }

    /// More different weights than the builder keeps classes for.
    @Test func tooManyClassesIsNone() {
        let most = UInt32(SmoothSequence.mostClasses)
        #expect(Self.build((1...most).map { $0 }).count == Int(most * (most + 1) / 2))
        #expect(Self.build((1...(most + 1)).map { $0 }).isEmpty)
    }

    @Test func noMembersIsNone() { #expect(Self.build([]).isEmpty) }
}
