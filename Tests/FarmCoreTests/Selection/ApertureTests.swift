import CFarm
import FarmTestSupport
import Testing

@testable import FarmCore

/// A process draws from a window of a large farm: what it covers, how it goes round, and what of that a choice shows.
@Suite struct ApertureTests {
    /// Processes of one farm, each with views of its own over the same rows.
    final class Processes {
        let test: TestFarm
        let farms: [Farm]
        let members: [UnsafeMutableBufferPointer<Member>]
        private let ledger: UnsafeMutablePointer<UInt32>

        init(_ count: Int, _ algorithm: Algorithm, weights: [UInt32]) {
            let test = TestFarm(algorithm, weights: weights)
            let ledger = UnsafeMutablePointer<UInt32>.allocate(capacity: count * weights.count)
            ledger.initialize(repeating: 0, count: count * weights.count)
            members = (0..<count).map { process in
                let members = UnsafeMutableBufferPointer<Member>.allocate(capacity: weights.count)
                for at in 0..<weights.count {
                    let cell = ledger + process * weights.count + at
                    members.initializeElement(at: at, to: Member(row: test.rows.members[at].row, ledger: cell))
                }
                return members
            }
            farms = members.enumerated().map { slot, members in
                let farm = Farm(row: test.rows.farm, members: members, algorithm: algorithm, health: test.farm.health)
                farm.setSlot(UInt32(slot))
                return farm
            }
            self.test = test
            self.ledger = ledger
        }

        deinit {
            for farm in farms { farm.deallocate() }
            for members in members { members.deallocate() }
            ledger.deallocate()
        }

        /// Sends requests one after the other to one process; how many each member got.
        func send(_ count: Int, to process: Int, now: UInt64, seen: inout [Int]) {
            for _ in 0..<count {
                let wish = Wish(tried: UnsafePointer(bitPattern: 8)!, triedCount: 0, trials: .whenDue)
                guard let choice = farms[process].choose(wish, now: now, random: test.random) else { continue }
                seen[choice.index] += 1
                farms[process].giveBack(members[process][choice.index])
            }
        }

        func send(_ count: Int, to process: Int, now: UInt64) -> [Int] {
            var seen = [Int](repeating: 0, count: test.rows.count)
            send(count, to: process, now: now, seen: &seen)
            return seen
        }
    }

    static let narrowing: [Algorithm] = [.adaptive, .random]
    static let second: UInt64 = 1_000_000

    @Test(arguments: Algorithm.allCases) func onlyTwoAlgorithmsAndLargeFarms(_ algorithm: Algorithm) {
        let large = Processes(1, algorithm, weights: [UInt32](repeating: 1, count: 256))
        let used = large.send(10_000, to: 0, now: Self.second).count { $0 > 0 }
        let others: [Algorithm: Int] = [.busyness: used, .traffic: used, .hash: used]
        if Self.narrowing.contains(algorithm) {
            #expect((16...17).contains(used))
        } else {
            #expect(used == others[algorithm] ?? 256)
        }
        let small = Processes(1, algorithm, weights: [UInt32](repeating: 1, count: 32))
        if Self.narrowing.contains(algorithm) {
            #expect(small.send(5_000, to: 0, now: Self.second).allSatisfy { $0 > 0 })
        }
    }

    /// Of a farm that no process has a slot of, as in a tool or a test, all members are used.
    @Test(arguments: narrowing) func withoutSlotAllAreUsed(_ algorithm: Algorithm) {
        let seen = TestFarm(algorithm, weights: [UInt32](repeating: 1, count: 256)).sequential(20_000)
        #expect(seen.allSatisfy { $0 > 0 })
    }

    /// Over one lap each process gives every member its share, also of unequal weights, however unequally the processes are
    /// asked. In 256 seconds of 400 requests a member of weight w gets 102,400 w / 1,280 draws; five standard deviations of
    /// independent draws, and 2 % for the steps of the window.
    @Test(arguments: narrowing) func sharesOfALap(_ algorithm: Algorithm) {
        let weights = (0..<256).map { UInt32($0 % 4 == 0 ? 2 : $0 % 64 == 1 ? 65 : 1) }
        let processes = Processes(2, algorithm, weights: weights)
        var seen = [Int](repeating: 0, count: 256)
        for at in 0..<256 { processes.send(400, to: 1, now: UInt64(at + 1) * Self.second, seen: &seen) }
        let total = Double(weights.reduce(0, +))
        for (seen, weight) in zip(seen, weights) {
            let expected = 102_400 * Double(weight) / total
            #expect(abs(Double(seen) - expected) <= 5 * expected.squareRoot() + 0.02 * expected + 400.0 / 16)
        }
    }

    /// Together the windows of sixteen processes cover 256 members evenly at every moment.
    @Test func processesCoverTheRing() {
        let processes = Processes(16, .random, weights: [UInt32](repeating: 1, count: 256))
        for now in [1, 77, 200] as [UInt64] {
            var seen = [Int](repeating: 0, count: 256)
            for process in 0..<16 { processes.send(3_200, to: process, now: now * Self.second, seen: &seen) }
            #expect(seen.allSatisfy { abs($0 - 200) <= 80 }, "\(seen.min()!) \(seen.max()!)")
        }
    }

    /// The window of a process stays where it is when others come and go: it goes by the slot alone, and moves on slowly.
    @Test func windowsMoveSlowly() {
        let processes = Processes(3, .random, weights: [UInt32](repeating: 1, count: 512))
        func members(_ now: UInt64) -> Set<Int> {
            let seen = processes.send(3_000, to: 2, now: now)
            return Set(seen.indices.filter { seen[$0] > 0 })
        }
        let first = members(10 * Self.second)
        #expect(first.symmetricDifference(members(12 * Self.second)).count <= 10)
        #expect(first.isDisjoint(with: members(138 * Self.second)))
        #expect(first.symmetricDifference(members(266 * Self.second)).count <= 4)
    }

    /// With more requests in flight a process draws from more members, and from all of them when it needs to.
    @Test(arguments: [(20, 40), (100, 200), (400, 512)]) func widensUnderLoad(_ inFlight: Int, _ wanted: Int) {
        let processes = Processes(1, .adaptive, weights: [UInt32](repeating: 1, count: 512))
        #expect((16...17).contains(processes.send(4_000, to: 0, now: Self.second).count { $0 > 0 }))
        for at in 0..<inFlight { processes.members[0][at % 512].ledger.pointee += 1 }
        let busy = processes.send(20_000, to: 0, now: 3 * Self.second).count { $0 > 0 }
        #expect((wanted...wanted + 1).contains(busy), "\(busy)")
        // It remembers for some seconds, and is narrow again after them.
        for at in 0..<512 { processes.members[0][at].ledger.pointee = 0 }
        #expect(processes.send(20_000, to: 0, now: 4 * Self.second).count { $0 > 0 } > 33)
        #expect((16...17).contains(processes.send(4_000, to: 0, now: 30 * Self.second).count { $0 > 0 }))
    }

    /// What the window has no room for goes to the others: no request is refused for it.
    @Test(arguments: narrowing) func fullWindowOverflows(_ algorithm: Algorithm) {
        let processes = Processes(1, algorithm, weights: [UInt32](repeating: 1, count: 100))
        for at in 0..<100 { processes.test.rows[at].pointee.max_inflight = 1 }
        var chosen: Set<Int> = []
        for _ in 0..<100 {
            let wish = Wish(tried: UnsafePointer(bitPattern: 8)!, triedCount: 0, trials: .whenDue)
            let choice = processes.farms[0].choose(wish, now: Self.second, random: processes.test.random)
            if let choice { chosen.insert(choice.index) }
        }
        #expect(chosen.count == 100)
    }

    /// A weight that nobody set, in damaged memory, does no harm.
    @Test(arguments: narrowing) func anyWeightWillDo(_ algorithm: Algorithm) {
        let processes = Processes(1, algorithm, weights: [UInt32](repeating: 900, count: 256))
        for at in stride(from: 0, to: 256, by: 3) { processes.test.rows[at].pointee.weight = at % 2 == 0 ? .max : 0 }
        for second in 1...40 {
            #expect(processes.send(20, to: 0, now: UInt64(second) * Self.second).reduce(0, +) == 20)
        }
    }

    /// Members that stand together in the configuration, on one machine perhaps, are not one window.
    @Test func aWindowIsASample() {
        for count in [33, 64, 100, 512, 1_000, 997] {
            let stride = Aperture.stride(count)
            let order = (0..<count).map { $0 * stride % count }
            #expect(Set(order).count == count)
            for start in 0..<count {
                let firstHalf = (0..<16).count { order[(start + $0) % count] < count / 2 }
                #expect((6...10).contains(firstHalf), "\(count): \(firstHalf) of 16")
            }
        }
    }
}

/// The part of a ring that a window covers.
@Suite struct WindowTests {
    @Test func endsAreParts() {
        // Four of eight, from the middle of the third one on.
        let window = Window(count: 8, members: 4, start: 0x5000_0000, weights: [UInt32](repeating: 1, count: 8))
        #expect(window == Window(first: 2, count: 5, firstPart: 0.5, lastPart: 0.5))
        #expect(window.map { [$0.part(0), $0.part(1), $0.part(4)] } == [0.5, 1, 0.5])
        let whole = Window(count: 8, members: 4, start: 0, weights: [UInt32](repeating: 1, count: 8))
        #expect(whole == Window(first: 0, count: 4, firstPart: 1, lastPart: 1))
    }

    @Test func goesRound() {
        let window = Window(count: 8, members: 3, start: 0xE800_0000, weights: [UInt32](repeating: 1, count: 8))
        #expect(window == Window(first: 7, count: 4, firstPart: 0.75, lastPart: 0.25))
    }

    @Test func wholeRingIsNoWindow() {
        #expect(Window(count: 8, members: 8, start: 0, weights: [UInt32](repeating: 1, count: 8)) == nil)
        #expect(Window(count: 8, members: 9, start: 0, weights: [UInt32](repeating: 1, count: 8)) == nil)
        // One member that weighs nearly all: a window that always has four members is the ring.
        #expect(Window(count: 8, members: 4, start: 0, weights: [1, 1, 1, 1_000, 1, 1, 1, 1])?.count ?? 8 >= 4)
    }

    /// Whatever the weights and wherever it begins, it covers as much, and so many members at least.
    @Test func coversEnough() {
        var numbers = Numbers(11)
        for _ in 0..<2_000 {
            let count = Int.random(in: 2...80, using: &numbers)
            let weights = (0..<count).map { _ in UInt32.random(in: 1...1_000, using: &numbers) }
            let members = Int.random(in: 1..<count, using: &numbers)
            let start = UInt32.random(in: 0...UInt32.max, using: &numbers)
            guard let window = Window(count: count, members: members, start: start, weights: weights) else {
                continue
            }
            #expect((members...count).contains(window.count))
            let covered = (0..<window.count).reduce(0.0) {
                $0 + Double(weights[(window.first + $1) % count]) * window.part($1)
            }
            let heaviest = (0..<count).map { at in (0..<members).reduce(0) { $0 + Int(weights[(at + $1) % count]) } }
                .max()!
            #expect(abs(covered - Double(heaviest)) < 0.001)
            #expect((0..<window.count).allSatisfy { window.part($0) > 0 && window.part($0) <= 1 })
        }
    }
}
