import CFarm
import FarmTestSupport
import Testing

@testable import FarmCore

/// Clients that the module itself has tied to a member: who serves them while that is away, and whether the tie moves.
@Suite struct TieChoiceTests {
    private static let count = 8

    private func make(_ algorithm: Algorithm = .roundrobin, seed: UInt64 = 1, names: [String]? = nil) -> TestFarm {
        TestFarm(
            algorithm, weights: [UInt32](repeating: 1, count: Self.count),
            names: names ?? (0..<Self.count).map { "app\($0)" }, seed: seed)
    }

    private func choose(_ test: TestFarm, tie: UInt64, named: Int = 0, tried: [UInt32] = []) -> Choice? {
        let choice = tried.withUnsafeBufferPointer { tried in
            test.farm.choose(
                Wish(
                    tried: tried.baseAddress ?? UnsafePointer(bitPattern: 8)!, triedCount: tried.count,
                    trials: .whenOverdue,
                    named: UInt32(named), tie: tie), now: 1, random: test.random)
        }
        if let choice { test.giveBack(choice) }
        return choice
    }

    @Test(arguments: Algorithm.allCases) func whileItsMemberIsThereNothingMoves(_ algorithm: Algorithm) {
        let test = make(algorithm)
        for tie in 0..<50 as Range<UInt64> {
            #expect(choose(test, tie: tie, named: 3) == Choice(index: 3, isTrial: false, isTied: true))
        }
        test.setState(3, admin: .drain)
        #expect(choose(test, tie: 1, named: 3) == Choice(index: 3, isTrial: false, isTied: true))
    }

    @Test(arguments: Algorithm.allCases) func theSameInEveryProcess(_ algorithm: Algorithm) {
        // Processes differ in their random numbers, and httpds in the order of the members.
        let one = make(algorithm, seed: 1)
        let other = make(algorithm, seed: 99)
        let turned = make(algorithm, names: (0..<Self.count).map { "app\((8 - $0) % 8)" })
        for test in [one, other, turned] { test.setState(0, admin: .off) }
        for tie in 0..<200 as Range<UInt64> {
            let choice = choose(one, tie: RandomSource.mixed(tie))
            #expect(choice?.moves == true && choice?.isTied == false && choice?.index != 0)
            #expect(choose(other, tie: RandomSource.mixed(tie)) == choice)
            #expect(choose(turned, tie: RandomSource.mixed(tie))?.index == (8 - (choice?.index ?? 0)) % 8)
        }
    }

    @Test func nobodyMovesButTheClientsOfWhoGoes() {
        let test = make()
        test.setState(0, admin: .off)
        let ties = (0..<700 as Range<UInt64>).map { RandomSource.mixed($0) }
        let before = ties.map { choose(test, tie: $0)?.index }
        for index in 1..<Self.count {
            // 100 each; six deviations of a fair draw are 56.
            #expect((44...156).contains(before.count { $0 == index }))
        }
        test.setState(5, admin: .on, down: true)
        let after = ties.map { choose(test, tie: $0)?.index }
        for (was, now) in zip(before, after) { #expect(was == 5 ? now != 5 && now != 0 : now == was) }
        test.setState(5, admin: .on)
        #expect(ties.map { choose(test, tie: $0)?.index } == before)
    }

    /// Weights are for the algorithm; the lowest tier that has somebody is what is drawn from.
    @Test func theLowestTier() {
        let test = make()
        for at in 4..<Self.count { test.rows[at].pointee.tier = 1 }
        test.setState(0, admin: .off)
        test.farm.changed()
        #expect(Set((0..<100).map { choose(test, tie: RandomSource.mixed($0))?.index }) == [1, 2, 3])
        for at in 1..<4 { test.setState(at, admin: .off) }
        #expect(Set((0..<100).map { choose(test, tie: RandomSource.mixed($0))?.index }) == [4, 5, 6, 7])
    }

    /// A member that is full keeps its clients, and the one that is drawn while it is full gets none.
    @Test func whoIsFull() {
        let test = make()
        for at in 0..<2 { (test.rows[at].pointee.max_inflight, test.rows[at].pointee.inflight) = (1, 1) }
        for tie in 0..<100 as Range<UInt64> {
            let choice = choose(test, tie: tie)
            #expect(choice.map { $0.index > 1 && !$0.moves && !$0.isTied } == true)
        }
        test.setState(0, admin: .off)
        let ties = (0..<400 as Range<UInt64>).map { RandomSource.mixed($0) }
        let during = ties.map { choose(test, tie: $0) }
        test.rows[1].pointee.inflight = 0
        for (tie, choice) in zip(ties, during) {
            let after = choose(test, tie: tie)
            #expect(after?.moves == true)
            #expect(choice?.moves == (after?.index != 1))
            if after?.index != 1 { #expect(choice == after) }
        }
        #expect(during.contains { $0?.moves == false })
    }

    /// An attempt that failed moves no tie, and goes where the tie would go.
    @Test(arguments: Algorithm.allCases) func failover(_ algorithm: Algorithm) {
        let test = make(algorithm)
        for tie in 0..<50 as Range<UInt64> {
            test.setState(2, admin: .on)
            let instead = choose(test, tie: tie, named: 2, tried: [2])
            #expect(instead?.moves == false && instead?.index != 2)
            test.setState(2, admin: .on, down: true)
            #expect(choose(test, tie: tie, named: 2)?.index == instead?.index)
            #expect(choose(test, tie: tie, named: 2)?.moves == true)
        }
    }

    @Test func whoStandsIn() {
        let test = make()
        test.redirect([4] + [Int?](repeating: nil, count: Self.count - 1))
        #expect(choose(test, tie: 1) == Choice(index: 0, isTrial: false, isTied: true))
        test.setState(0, admin: .off)
        #expect(choose(test, tie: 1) == Choice(index: 4, isTrial: false, isTied: true, moves: true))
        #expect(choose(test, tie: 1, tried: [0])?.moves == false)
        test.setState(0, admin: .on)
        (test.rows[0].pointee.max_inflight, test.rows[0].pointee.inflight) = (1, 1)
        #expect(choose(test, tie: 1) == Choice(index: 4, isTrial: false, isTied: true))
    }

    /// In a panic a member serves that is not there itself: nobody is tied to that.
    @Test func panic() {
        let test = TestFarm(
            .roundrobin, weights: [1, 1, 1, 1], names: ["a", "b", "c", "d"], panic: 100)
        test.setState(0, admin: .off)
        test.setState(1, admin: .on, down: true)
        var moved: Set<Int> = []
        var seen: Set<Int> = []
        for tie in 0..<100 as Range<UInt64> {
            guard let choice = choose(test, tie: RandomSource.mixed(tie)) else { continue }
            seen.insert(choice.index)
            if choice.moves { moved.insert(choice.index) }
        }
        #expect(seen == [1, 2, 3] && moved == [2, 3])
    }

    /// Where only one is left, and where nobody is.
    @Test func theLast() {
        let test = make()
        for at in 0..<Self.count - 1 { test.setState(at, admin: .off) }
        #expect(choose(test, tie: 7) == Choice(index: 7, isTrial: false, moves: true))
        test.setState(7, admin: .off)
        #expect(choose(test, tie: 7) == nil)
    }
}
