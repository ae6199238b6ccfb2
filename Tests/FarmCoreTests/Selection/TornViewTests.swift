import CFarm
import FarmTestSupport
import Testing

@testable import FarmCore

/// A thread that was delayed while both views were rebuilt reads a mixture of several. Here it is worse: every number is
/// garbage that the types allow (`order` holds members' indices at all times). The choice must stay within the farm and
/// obey the rows, which have the last word.
@Suite struct TornViewTests {
    private static func spoil(_ farm: Farm, members: Int, _ numbers: inout Numbers) {
        for at in 0..<2 {
            let view = farm.views + at
            view.pointee.generation = farm.row.pointee.generation
            view.pointee.deadline = .max
            view.pointee.available = small(&numbers)
            view.pointee.due = small(&numbers)
            view.pointee.spanCount = small(&numbers)
            for tier in 0..<View.tiers {
                view.pointee.spans[tier] = View.Span(
                    start: small(&numbers), count: small(&numbers), drawn: small(&numbers),
                    sequenceStart: small(&numbers), sequenceLength: small(&numbers), idle: small(&numbers) << 28,
                    weight: numbers.next() >> 40,
                    ring: HashRingSlice(
                        start: small(&numbers), partsStart: small(&numbers),
                        // A search goes through a ring: its length is always one that some ring had, so it is short here.
                        count: small(&numbers) % 60, shift: small(&numbers)))
            }
            for at in 0..<min(60, view.pointee.ring.capacity) {
                view.pointee.ring.points[at] = numbers.next() & 0xFFFF_FFFF_0000_000F
            }
            for at in 0..<min(100, view.pointee.ring.partCapacity) { view.pointee.ring.firsts[at] = small(&numbers) }
            view.pointee.loadsMatter = numbers.next() % 2 == 0
            for position in 0..<members {
                view.pointee.order[position] = UInt32.random(in: 0..<UInt32(members), using: &numbers)
                view.pointee.alias[position] = numbers.next()
                view.pointee.idle[position] = small(&numbers)
                view.pointee.costs[position] = Float(bitPattern: UInt32(truncatingIfNeeded: numbers.next()))
            }
            for position in 0..<min(16, view.pointee.sequenceCapacity) {
                view.pointee.sequence[position] = small(&numbers)
            }
        }
    }

    /// Mostly near the bounds that matter, sometimes anything.
    private static func small(_ numbers: inout Numbers) -> UInt32 {
        let word = numbers.next()
        switch word % 8 {
        case 0: return UInt32(truncatingIfNeeded: word >> 32)
        case 1: return .max - UInt32(word >> 32 & 3)
        default: return UInt32(word >> 32 & 15)
        }
    }

    @Test(arguments: Algorithm.allCases) func neverLeavesTheFarm(_ algorithm: Algorithm) {
        let count = 7
        let test = TestFarm(algorithm, weights: [1, 1000, 3, 3, 2, 1, 1], retry: 1_000)
        test.rows.setState(1, admin: .off)
        test.rows.setState(2, admin: .drain)
        test.rows.setState(3, admin: .on, down: true)
        test.rows[4].pointee.max_inflight = 1
        test.rows[4].pointee.inflight = 1
        let admissible: Set<Int> = [0, 5]
        var numbers = Numbers(11)
        var wrong = 0
        var chosen = 0
        var trials = 0
        for round in 0..<20_000 {
            Self.spoil(test.farm, members: count, &numbers)
            guard let choice = test.choose(tried: [6], now: UInt64(round)) else { continue }
            chosen += 1
            if choice.isTrial { trials += 1 }
            if choice.isTrial ? choice.index != 3 : !admissible.contains(choice.index) { wrong += 1 }
            test.giveBack(choice)
        }
        #expect(wrong == 0)
        #expect(chosen > 2_000, "the garbage must leave something to choose from")
        #expect(trials > 0)
        #expect((0..<count).allSatisfy { test.rows.inflight($0) == ($0 == 4 ? (1, 0) : (0, 0)) })
    }
}
