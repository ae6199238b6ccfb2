import CFarm
import FarmTestSupport
import Testing

@testable import FarmCore

/// Reads the words of a farm's rows for a `ViewInput`, counts how often each is read, and lets a test change rows between
/// two reads, as another process might.
private struct WatchedWords: WordReader {
    /// By address.
    var reads: [UnsafeRawPointer: Int] = [:]
    var total = 0
    let changesAt: Int
    let change: () -> Void

    init(changesAt: Int = -1, change: @escaping () -> Void = {}) {
        self.changesAt = changesAt
        self.change = change
    }

    private mutating func note(_ word: UnsafeRawPointer) {
        if total == changesAt { change() }
        total += 1
        reads[word, default: 0] += 1
    }

    mutating func get32(_ word: UnsafePointer<UInt32>) -> UInt32 {
        note(word)
        return farm_get32(word)
    }

    mutating func get64(_ word: UnsafePointer<UInt64>) -> UInt64 {
        note(word)
        return farm_get64(word)
    }

    mutating func read32(_ word: UnsafePointer<UInt32>) -> UInt32 { get32(word) }
}

/// A view is built from one copy of the rows, so that what changes meanwhile is seen before or after the change and never
/// both ways.
@Suite struct ViewInputTests {
    private static let now: UInt64 = 5_000_000

    /// Everything that a view may ask for is set.
    private static func make(_ algorithm: Algorithm, weights: [UInt32]) -> TestFarm {
        let test = TestFarm(
            algorithm, weights: weights, freshness: Freshness(expect: 10_000_000, ignores: false),
            slowStart: SlowStart(time: 30_000_000), panic: 30)
        for at in weights.indices {
            let row = test.rows[at]
            row.pointee.tier = UInt32(at % 2)
            row.pointee.load = SharedDouble.word(Double(at + 1))
            row.pointee.updated_us = now - UInt64(at)
            row.pointee.available_since = at % 3 == 0 ? now - 1_000_000 : 0
            row.pointee.max_inflight = at % 2 == 0 ? 0 : 7
        }
        test.rows.setState(1, admin: .on, down: true)
        test.farm.setSlot(3)
        return test
    }

    @Test(arguments: Algorithm.allCases) func eachWordIsReadOnce(_ algorithm: Algorithm) {
        let test = Self.make(algorithm, weights: [UInt32](repeating: 2, count: 50))
        let scratch = ViewScratch(memberCount: test.rows.count)
        defer { scratch.deallocate() }
        var words = WatchedWords()
        let input = ViewInput(test.farm, now: Self.now, into: scratch.inputs, words: &words)
        #expect(words.reads.values.allSatisfy { $0 == 1 })
        #expect(words.total >= 9 * test.rows.count)
        #expect(input.members.map(\.weight) == [UInt32](repeating: 2, count: 50))
    }

    /// What another process may do between two reads.
    private enum Turn: CaseIterable {
        case heavier, lighter, another, tier, off, down, load, limit, late

        func apply(_ rows: Rows) {
            for at in 0..<rows.count {
                let row = rows[at]
                switch self {
                case .heavier: farm_set32(&row.pointee.weight, 1_000)
                case .lighter: farm_set32(&row.pointee.weight, 1)
                case .another: farm_set32(&row.pointee.weight, UInt32(at + 1))
                case .tier: farm_set32(&row.pointee.tier, row.pointee.tier ^ 1)
                case .off: rows.setState(at, admin: .off)
                case .down: rows.setState(at, admin: .on, down: at % 2 == 0)
                case .load: farm_set64(&row.pointee.load, SharedDouble.word(Double(1_000 - at)))
                case .limit: farm_set32(&row.pointee.max_inflight, 1)
                case .late: farm_set64(&row.pointee.updated_us, 0)
                }
            }
        }
    }

    /// At every read of every word something changes. Whatever it is, the view must be one of the values that were read.
    @Test(arguments: Algorithm.allCases) func aChangeAtEveryRead(_ algorithm: Algorithm) {
        let weights: [UInt32] = [5, 1, 1, 3, 3, 5]
        var most = 0
        for turn in Turn.allCases {
            var at = 0
            while true {
                let test = Self.make(algorithm, weights: weights)
                let scratch = ViewScratch(memberCount: test.rows.count)
                defer { scratch.deallocate() }
                var words = WatchedWords(changesAt: at) { turn.apply(test.rows) }
                let input = ViewInput(test.farm, now: Self.now, into: scratch.inputs, words: &words)
                // Before any builder looks, all rows become garbage: what is built must not show it.
                for member in 0..<test.rows.count {
                    test.rows[member].pointee.weight = .max
                    test.rows[member].pointee.tier = 77
                    test.rows[member].publish(MemberState(word: .max))
                }
                let view = test.farm.views
                view.rebuild(from: input, generation: 1, deadline: .max, scratch: scratch)
                expectBuilt(view.pointee, of: input, "\(turn) at read \(at)")
                most = max(most, words.total)
                at += 1
                if at > words.total { break }
            }
        }
        #expect(most >= 9 * weights.count)
    }

    /// Whatever words the rows hold.
    @Test(arguments: Algorithm.allCases) func anyRows(_ algorithm: Algorithm) {
        var numbers = Numbers(23)
        for round in 0..<300 {
            let count = Int.random(in: 1...70, using: &numbers)
            let test = Self.make(algorithm, weights: [UInt32](repeating: 1, count: max(2, count)))
            for at in 0..<test.rows.count where numbers.next() % 3 == 0 {
                let row = test.rows[at]
                row.pointee.weight = UInt32(truncatingIfNeeded: numbers.next() >> (numbers.next() % 64))
                row.pointee.tier = UInt32(truncatingIfNeeded: numbers.next() >> (numbers.next() % 64))
                row.pointee.load = numbers.next()
                row.pointee.available_since = numbers.next() >> (numbers.next() % 64)
                row.pointee.updated_us = numbers.next() >> (numbers.next() % 64)
                row.pointee.retry_at = numbers.next() >> (numbers.next() % 64)
                row.pointee.max_inflight = UInt32(truncatingIfNeeded: numbers.next() >> (numbers.next() % 64))
                row.pointee.inflight = UInt32(truncatingIfNeeded: numbers.next() >> (numbers.next() % 64))
                if numbers.next() % 4 == 0 {
                    row.publish(MemberState(word: UInt32(truncatingIfNeeded: numbers.next())))
                }
            }
            let scratch = ViewScratch(memberCount: test.rows.count)
            defer { scratch.deallocate() }
            var input = ViewInput(test.farm, now: Self.now, into: scratch.inputs)
            if round % 2 == 0 { input.window = (width: 16, start: UInt32(truncatingIfNeeded: numbers.next())) }
            let view = test.farm.views
            view.rebuild(from: input, generation: 1, deadline: .max, scratch: scratch)
            expectBuilt(view.pointee, of: input, "round \(round)")
        }
    }

    /// The view is what its input gives, and nothing in it leads out of it.
    private func expectBuilt(_ view: View, of input: ViewInput, _ note: String) {
        let count = input.members.count
        let admitted = (0..<count).filter {
            input.admits(input.members[$0]) && (input.admission.isPanic || input.members[$0].tier < View.tiers)
        }
        let order = (0..<Int(view.available)).map { Int(view.order[$0]) }
        #expect(order.sorted() == admitted, "\(note)")
        var next: UInt32 = 0
        for at in 0..<Int(view.spanCount) {
            let span = view.spans[at]
            let members = (0..<Int(span.count)).map { Int(view.order[Int(span.start) + $0]) }
            #expect(span.start == next && span.count > 0 && (1...span.count).contains(span.drawn), "\(note)")
            next += span.count
            if !input.admission.isPanic { #expect(Set(members.map { input.members[$0].tier }).count == 1, "\(note)") }
            #expect(span.weight == members.reduce(0) { $0 &+ UInt64(input.members[$1].weight) }, "\(note)")
            #expect(
                (0..<Int(span.drawn)).allSatisfy {
                    UInt32(truncatingIfNeeded: view.alias[Int(span.start) + $0]) < span.drawn
                }, "\(note)")
            #expect(members.allSatisfy { view.parts[$0] == input.members[$0].part || !span.isRamping }, "\(note)")
            let turns = (0..<Int(span.sequenceLength)).map { view.sequence[Int(span.sequenceStart) + $0] }
            if !turns.isEmpty { expectTurns(turns, members.map { input.members[$0].weight }, note) }
            let points = (0..<Int(span.ring.count)).map { view.ring.points[Int(span.ring.start) + $0] }
            #expect(points.allSatisfy { UInt32(truncatingIfNeeded: $0) < span.count }, "\(note)")
            #expect(points == points.sorted(), "\(note)")
            if input.algorithm == .hash {
                #expect(Set(points.map { UInt32(truncatingIfNeeded: $0) }).count == Int(span.count), "\(note)")
            }
        }
        #expect(next == view.available, "\(note)")
        #expect(view.due == View.noMember || input.members[Int(view.due)].state.mayBeTried, "\(note)")
    }

    /// Each member has its turns.
    private func expectTurns(_ turns: [UInt32], _ weights: [UInt32], _ note: String) {
        var seen = [Int](repeating: 0, count: weights.count)
        for turn in turns where Int(turn) < seen.count { seen[Int(turn)] += 1 }
        let total = weights.reduce(0) { $0 + Int($1) }
        #expect(zip(seen, weights).allSatisfy { $0 * total == Int($1) * turns.count }, "\(note)")
    }
}

/// Threads that write rows while others rebuild views from them.
@Suite struct ChangingRowsTests {
    /// Weights, states, tiers and loads are set by farm-manager and by updates at any time. With `make asan` this shows
    /// whatever a builder would write beyond its memory.
    @Test(arguments: Algorithm.allCases) func rowsThatChangeMeanwhile(_ algorithm: Algorithm) {
        // Many members of few weights: between two passes over them there is time for a change.
        let count = 510
        let test = TestFarm(algorithm, weights: (0..<count).map { UInt32($0 % 3 + 1) })
        let stop = UnsafeMutablePointer<UInt32>.allocate(capacity: 2)
        stop.initialize(repeating: 0, count: 2)
        defer { stop.deallocate() }
        let shared = Shared((test: test, stop: stop))
        onThreads(2) { number in
            let (test, stop) = shared.value
            if number == 0 {
                for _ in 0..<(algorithm == .hash ? 60 : 600) {
                    test.farm.changed()
                    let view = test.farm.view(now: 1).pointee
                    var seen = Set<UInt32>()
                    var length = 0
                    for at in 0..<Int(view.spanCount) {
                        let span = view.spans[at]
                        length += Int(span.sequenceLength)
                        for turn in 0..<Int(span.sequenceLength) {
                            let position = view.sequence[Int(span.sequenceStart) + turn]
                            seen.insert(span.start + min(position, span.count))
                        }
                    }
                    // Every member of a span with an order has a turn in it.
                    let ordered = (0..<Int(view.spanCount)).map { view.spans[$0] }.filter { $0.sequenceLength > 0 }
                    if seen.count != ordered.reduce(0, { $0 + Int($1.count) }) { _ = farm_add32(stop + 1, 1) }
                }
                farm_set32(stop, 1)
            } else {
                var numbers = Numbers(5)
                while farm_get32(stop) == 0 {
                    let word = numbers.next()
                    let row = test.rows[Int(word >> 32) % count]
                    switch word % 16 {
                    case 0: row.publish(MemberState(word: 0).with(admin: word >> 8 % 2 == 0 ? .on : .off))
                    case 1: farm_set32(&row.pointee.tier, UInt32(word >> 8 & 1))
                    case 2: farm_set64(&row.pointee.load, SharedDouble.word(Double(word >> 50)))
                    default: farm_set32(&row.pointee.weight, UInt32(truncatingIfNeeded: word >> 8) % 3 + 1)
                    }
                }
            }
        }
        #expect(stop[1] == 0)
    }
}
