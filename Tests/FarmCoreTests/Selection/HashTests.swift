import CFarm
import FarmTestSupport
import Testing

@testable import FarmCore

@Suite struct HashTests {
    static func key(_ text: String) -> UInt64 { bytes(text).withUnsafeBufferPointer { RequestKey.of($0) } }

    static let keys: [UInt64] = (0..<20_000).map { key("client-\($0)") }

    /// The name of the member of each key, of requests that are over at once.
    private static func mapping(_ test: TestFarm, _ names: [String], keys: [UInt64] = keys) -> [String] {
        keys.map { key in
            let choice = test.choose(key: .hashed(key))!
            test.giveBack(choice)
            return names[choice.index]
        }
    }

    private static func farm(_ names: [String], weights: [UInt32]? = nil, seed: UInt64 = 1) -> TestFarm {
        TestFarm(.hash, weights: weights ?? [UInt32](repeating: 1, count: names.count), names: names, seed: seed)
    }

    static let five = ["app1", "app2", "app3", "app4", "app5"]

    private static func counts(_ mapping: [String]) -> [String: Int] {
        mapping.reduce(into: [:]) { $0[$1, default: 0] += 1 }
    }

    // MARK: Who has a key

    @Test func aKeyHasOneMember() {
        let test = Self.farm(Self.five)
        let keys = Array(Self.keys.prefix(2_000))
        let first = Self.mapping(test, Self.five, keys: keys)
        test.farm.changed()
        #expect(Self.mapping(test, Self.five, keys: keys) == first)
        #expect(Self.mapping(Self.farm(Self.five, seed: 99), Self.five, keys: keys) == first, "nothing is drawn")
        #expect(Set(first).count == 5)
    }

    /// The same on every httpd of every version: computed elsewhere, from the description of the ring alone.
    @Test func golden() {
        #expect(Self.key("10.1.0.7") == 0x926D_288F_C153_4E84)
        #expect(Self.key("") == 0xF52A_15E9_A9B5_E89B)
        let names = ["app1", "app2", "10.0.0.3:8080"]
        let keys = (0..<24).map { Self.key("10.1.\($0).7") }
        let members = Self.mapping(Self.farm(names, weights: [1, 1, 2]), names, keys: keys)
        let letters = ["app1": "a", "app2": "b", "10.0.0.3:8080": "c"]
        #expect(members.map { letters[$0]! }.joined() == "bbccacaabccbbaaacbcbcccb")
    }

    /// Names decide, not the order of the configuration.
    @Test func theOrderOfMembersIsNothing() {
        let weights: [String: UInt32] = ["app1": 1, "app2": 3, "app3": 2, "app4": 1, "app5": 5]
        let keys = Array(Self.keys.prefix(4_000))
        let first = Self.mapping(Self.farm(Self.five, weights: Self.five.map { weights[$0]! }), Self.five, keys: keys)
        var numbers = Numbers(3)
        for _ in 0..<4 {
            let names = Self.five.shuffled(using: &numbers)
            let test = Self.farm(names, weights: names.map { weights[$0]! })
            #expect(Self.mapping(test, names, keys: keys) == first)
        }
        #expect(Self.mapping(Self.farm(["x1", "x2", "x3", "x4", "x5"]), Self.five, keys: keys) != first)
    }

    // MARK: Spread

    /// A member's part of the ring varies by 3 % of itself for a weight of 1, and by less for more points; the keys are as
    /// good as random. Four deviations of both together: 13 % for one of five equal members.
    private static func isSpread(_ seen: Int, of keys: Int, weight: Double, total: Double) -> Bool {
        let share = weight / total
        let expected = Double(keys) * share
        let ring = 0.03 * 0.03 / weight * (1 - share)
        return abs(Double(seen) / expected - 1) <= 4 * (ring + (1 - share) / expected).squareRoot()
    }

    @Test(arguments: [[1, 1, 1, 1, 1], [1, 2, 3, 4, 5], [10, 1, 1, 1, 1], [100, 100, 100, 50, 50]] as [[UInt32]])
    func spreadByWeight(_ weights: [UInt32]) {
        let counts = Self.counts(Self.mapping(Self.farm(Self.five, weights: weights), Self.five))
        let total = Double(weights.reduce(0, +))
        for (name, weight) in zip(Self.five, weights) {
            #expect(
                Self.isSpread(counts[name] ?? 0, of: Self.keys.count, weight: Double(weight), total: total),
                "\(name): \(counts)")
        }
    }

    /// The 3 % itself, over 60 farms of five: with one probe instead of several it would be 12 %.
    @Test func theRingIsAsEvenAsItSays() {
        var squares = 0.0
        let keys = Self.keys.prefix(4_000)
        for farm in 0..<60 {
            let ring = Ring(names: (0..<5).map { "farm\(farm)-\($0)" }, weights: [1, 1, 1, 1, 1])
            var seen = [Double](repeating: 0, count: 5)
            for key in keys { seen[ring.member(of: key)] += 1 }
            squares += seen.reduce(0) { $0 + ($1 / 800 - 1) * ($1 / 800 - 1) }
        }
        // Chance alone makes it the root of 0.8 / 800, which is 3.2 %; with the ring's own 3 % it is 4.4 %.
        let deviation = (squares / 300).squareRoot()
        #expect((0.03..<0.055).contains(deviation), "\(deviation)")
    }

    // MARK: Members come and go

    @Test func whoGoesMovesOnlyItsOwnKeysAndGetsThemBack() {
        let test = Self.farm(Self.five, weights: [1, 2, 1, 1, 1])
        let before = Self.mapping(test, Self.five)
        for gone in 0..<5 {
            test.setState(gone, admin: gone % 2 == 0 ? .off : .on, down: gone % 2 == 1)
            test.rows[gone].pointee.retry_at = .max
            test.farm.changed()
            let during = Self.mapping(test, Self.five)
            let moved = zip(before, during).filter { $0 != $1 }
            #expect(moved.allSatisfy { $0.0 == Self.five[gone] })
            #expect(moved.count == before.count { $0 == Self.five[gone] })
            // They spread over all that are left, by weight, as much as a fifth of the keys can tell.
            let heirs = Self.counts(moved.map { $0.1 })
            let weights = Self.five.indices.filter { $0 != gone }.map { (Self.five[$0], $0 == 1 ? 2.0 : 1) }
            let total = weights.reduce(0) { $0 + $1.1 }
            for (name, weight) in weights {
                let fair = Double(moved.count) * weight / total
                #expect(abs(Double(heirs[name] ?? 0) / fair - 1) < 0.35, "\(name) of \(heirs)")
            }
            test.setState(gone, admin: .on)
        }
        #expect(Self.mapping(test, Self.five) == before)
    }

    @Test func whoComesTakesOnlyWhatIsItsOwn() {
        let six = Self.five + ["app6"]
        let before = Self.mapping(Self.farm(Self.five), Self.five)
        let after = Self.mapping(Self.farm(six), six)
        let moved = zip(before, after).filter { $0 != $1 }
        #expect(moved.allSatisfy { $0.1 == "app6" })
        #expect(Self.isSpread(moved.count, of: Self.keys.count, weight: 1, total: 6), "\(moved.count)")
    }

    /// A weight that is raised draws keys to its member and moves no other; one that is lowered gives them back.
    @Test func aWeightThatChanges() {
        let test = Self.farm(Self.five, weights: [2, 2, 2, 2, 2])
        let before = Self.mapping(test, Self.five)
        test.rows[3].pointee.weight = 4
        test.farm.changed()
        let after = Self.mapping(test, Self.five)
        let moved = zip(before, after).filter { $0 != $1 }
        #expect(moved.count > 1_000)
        #expect(moved.allSatisfy { $0.1 == "app4" })
        test.rows[3].pointee.weight = 2
        test.farm.changed()
        #expect(Self.mapping(test, Self.five) == before)
    }

    // MARK: Without a key

    /// A request without a key is drawn by weight.
    @Test(arguments: DistributionTests.weights) func withoutAKeyItIsRandom(_ weights: [UInt32]) {
        let test = TestFarm(.hash, weights: weights, seed: 4)
        var seen = [Int](repeating: 0, count: weights.count)
        for _ in 0..<12_000 {
            let choice = test.choose(key: .none)!
            seen[choice.index] += 1
            test.giveBack(choice)
        }
        #expect(DistributionTests.isWithin(seen, weights), "\(seen)")
    }

    // MARK: Bounds

    /// ceil(1.25 * the requests in flight, this one included, * the member's part of the weight).
    private static func bound(_ total: Int, _ weight: UInt32, of all: UInt32) -> Int {
        (5 * total * Int(weight) + 4 * Int(all) - 1) / (4 * Int(all))
    }

    private static let weightLists: [[UInt32]] = [
        [1, 1, 1, 1, 1], [1, 2, 3, 4, 5], [1000, 1, 1, 1, 1], [1], [7, 7], [1, 999],
    ]

    /// Many requests of one hot key, all of them held: after every choice every member is within its bound.
    @Test(arguments: weightLists) func aHotKeyOverflows(_ weights: [UInt32]) {
        let test = TestFarm(.hash, weights: weights)
        let all = weights.reduce(0, +)
        let hot = Self.key("hot")
        var wrong: [Int] = []
        for total in 1...1_000 {
            guard test.choose(key: .hashed(hot)) != nil else {
                wrong.append(total)
                continue
            }
            for (at, weight) in weights.enumerated()
            where test.rows.inflight(at).row > Int32(Self.bound(total, weight, of: all)) { wrong.append(total) }
        }
        #expect(wrong.isEmpty)
        #expect(test.rows.farm.pointee.inflight == 1_000)
        #expect((0..<weights.count).reduce(0) { $0 + test.rows.inflight($1).row } == 1_000)
    }

    /// Hot keys, cold keys and none, requests that come and go: whoever is chosen is within its bound at that moment, and its
    /// key's own member is chosen whenever that has room.
    @Test(arguments: weightLists) func theBoundHoldsAtEveryChoice(_ weights: [UInt32]) {
        let test = TestFarm(.hash, weights: weights, seed: 9)
        let all = weights.reduce(0, +)
        var numbers = Numbers(13)
        let owners = Self.keys.prefix(40).map { key in
            let choice = test.choose(key: .hashed(key))!
            test.giveBack(choice)
            return choice.index
        }
        var held: [Choice] = []
        var (overBound, keylessOverBound, elsewhere, astray) = (0, 0, 0, 0)
        for _ in 0..<6_000 {
            if !held.isEmpty && Int.random(in: 0..<100, using: &numbers) < (held.count > 120 ? 70 : 40) {
                test.giveBack(held.remove(at: Int.random(in: 0..<held.count, using: &numbers)))
                continue
            }
            let number = Int.random(in: 0..<4, using: &numbers) == 0 ? Int.random(in: 0..<40, using: &numbers) : 0
            let isKeyless = Int.random(in: 0..<8, using: &numbers) == 0
            let before = (0..<weights.count).map { Int(test.rows.inflight($0).row) }
            let total = before.reduce(1, +)
            let choice = test.choose(key: isKeyless ? .none : .hashed(Self.keys[number]))!
            held.append(choice)
            if before[choice.index] + 1 > Self.bound(total, weights[choice.index], of: all) {
                if isKeyless { keylessOverBound += 1 } else { overBound += 1 }
            }
            guard !isKeyless, choice.index != owners[number] else { continue }
            elsewhere += 1
            if before[owners[number]] < Self.bound(total, weights[owners[number]], of: all) { astray += 1 }
        }
        #expect(overBound == 0)
        #expect(keylessOverBound == 0)
        #expect(astray == 0)
        // Where one member has nearly all the weight, its bound is no bound.
        #expect(weights.count == 1 || weights.max()! > 100 || elsewhere > 100, "the bound must have been met")
        for choice in held { test.giveBack(choice) }
        #expect(test.rows.farm.pointee.inflight == 0)
        #expect((0..<weights.count).allSatisfy { test.rows.inflight($0) == (0, 0) })
    }

    /// A hot key's overflow is spread over the others, not heaped upon its neighbour.
    @Test func theOverflowSpreads() {
        let test = Self.farm(Self.five)
        var keys: [Set<Int>] = []
        for key in Self.keys.prefix(60) {
            let held = (0..<12).map { _ in test.choose(key: .hashed(key))! }
            let owner = held[0].index
            keys.append([owner, held.first { $0.index != owner }!.index])
            for choice in held { test.giveBack(choice) }
        }
        #expect(Set(keys).count >= 9, "of ten pairs of five members")
    }

    /// A member's own limit holds beside the bound.
    @Test func theMembersOwnLimitHolds() {
        let test = Self.farm(Self.five)
        let hot = Self.key("hot")
        let owner = test.choose(key: .hashed(hot))!
        test.giveBack(owner)
        test.rows[owner.index].pointee.max_inflight = 2
        for _ in 0..<100 { _ = test.choose(key: .hashed(hot)) }
        #expect(test.rows.inflight(owner.index).row == 2)
    }

    /// Where the bound leaves nobody, because the others may not be had, somebody is chosen all the same.
    @Test func theBoundRefusesNobody() {
        let test = Self.farm(["a", "b"])
        for _ in 0..<20 { _ = test.choose(key: .hashed(Self.key("hot"))) }
        test.rows.setState(0, admin: .off)
        for _ in 0..<20 { #expect(test.choose(key: .hashed(Self.key("hot")))?.index == 1) }
        #expect(test.choose(tried: [1], key: .hashed(Self.key("hot"))) == nil)
    }

    @Test func whoWasTriedIsNotChosen() {
        let test = Self.farm(Self.five)
        var others: [Set<Int>] = []
        for key in Self.keys.prefix(200) {
            var tried: [UInt32] = []
            for _ in 0..<5 {
                let choice = test.choose(tried: tried, key: .hashed(key))!
                #expect(!tried.contains(UInt32(choice.index)))
                tried.append(UInt32(choice.index))
                test.giveBack(choice)
            }
            #expect(test.choose(tried: tried, key: .hashed(key)) == nil)
            others.append([Int(tried[0]), Int(tried[1])])
            let again = test.choose(tried: [tried[0]], key: .hashed(key))!
            #expect(again.index == tried[1], "the second is one member too")
            test.giveBack(again)
        }
        #expect(Set(others).count == 10)
    }

    /// A key whose member has failed it goes where it would go if that member were gone: to the one that serves the next
    /// request of that key, once the failure has put the member down.
    @Test func aFailedMemberIsAsIfGone() {
        let test = Self.farm(Self.five, weights: [1, 2, 1, 1, 1])
        let keys = Array(Self.keys.prefix(1_000))
        let owners = Self.mapping(test, Self.five, keys: keys)
        for gone in 0..<5 {
            let own = zip(keys, owners).filter { $0.1 == Self.five[gone] }.map(\.0)
            let failedOver = own.map { key in
                let choice = test.choose(tried: [UInt32(gone)], key: .hashed(key))!
                test.giveBack(choice)
                return Self.five[choice.index]
            }
            test.setState(gone, admin: .off)
            #expect(Self.mapping(test, Self.five, keys: own) == failedOver)
            // And a second failure.
            let next = (gone + 1) % 5
            let twice = own.map { key in
                let choice = test.choose(tried: [UInt32(next), UInt32(gone)], key: .hashed(key))!
                test.giveBack(choice)
                return Self.five[choice.index]
            }
            test.setState(next, admin: .off)
            #expect(Self.mapping(test, Self.five, keys: own) == twice)
            test.setState(gone, admin: .on)
            test.setState(next, admin: .on)
        }
    }

    // MARK: What is in flight at the farm

    @Test func otherAlgorithmsDoNotCount() {
        for algorithm in Algorithm.allCases where algorithm != .hash {
            let test = TestFarm(algorithm, weights: [1, 1])
            _ = test.choose()
            #expect(test.rows.farm.pointee.inflight == 0)
        }
    }

    /// A trial counts too, and a choice that finds nobody does not.
    @Test func trialsAndRefusals() {
        let test = TestFarm(.hash, weights: [1])
        test.rows.setState(0, admin: .on, down: true)
        test.rows[0].pointee.retry_at = 5
        #expect(test.choose(now: 4) == nil)
        #expect(test.rows.farm.pointee.inflight == 0)
        let trial = test.choose(now: 5)!
        #expect(trial.isTrial)
        #expect(test.rows.farm.pointee.inflight == 1)
        test.giveBack(trial)
        #expect(test.rows.farm.pointee.inflight == 0)
    }

    /// A process that died leaves nothing at the farm either.
    @Test func whatADeadProcessHeldIsForgotten() {
        let test = Self.farm(["a", "b"])
        for number in 0..<9 { _ = test.choose(key: .hashed(Self.keys[number])) }
        for at in 0..<2 { InFlight.forget(test.rows.members[at].ledger, of: test.rows[at], farm: test.rows.farm) }
        #expect(test.rows.farm.pointee.inflight == 0)
        #expect(test.rows.inflight(0) == (0, 0) && test.rows.inflight(1) == (0, 0))
        test.rows.farm.pointee.counts_inflight = 0
        let choice = test.choose()!
        InFlight.forget(test.rows.members[choice.index].ledger, of: test.rows[choice.index], farm: test.rows.farm)
        #expect(test.rows.farm.pointee.inflight == 1, "a farm that does not count is left alone")
    }
}

/// A ring on its own, of one tier or after another.
final class Ring {
    let ring: HashRing
    private(set) var slices: [HashRingSlice] = []

    init(tiers: [(names: [String], weights: [UInt32])]) {
        let all = tiers.flatMap(\.weights)
        ring = HashRing(memberCount: all.count, isUsed: true)
        let halvings = HashRing.halvings(largest: all.max() ?? 1)
        for (names, weights) in tiers {
            slices.append(
                HashRingSlice.build(
                    ring, after: slices.last, members: names.count, halvings: halvings, weights: weights,
                    names: names.map { Self.hash($0) }))
        }
    }

    convenience init(names: [String], weights: [UInt32]) { self.init(tiers: [(names, weights)]) }

    deinit { ring.deallocate() }

    static func hash(_ name: String) -> UInt64 { bytes(name).withUnsafeBufferPointer { RequestKey.hash($0) } }

    func points(_ tier: Int = 0) -> [(place: UInt32, position: Int)] {
        (0..<Int(slices[tier].count)).map { at in
            let point = ring.points[Int(slices[tier].start) + at]
            return (UInt32(point >> 32), Int(point & 0xFFFF_FFFF))
        }
    }

    func member(of key: UInt64, _ tier: Int = 0) -> Int {
        Int(slices[tier].position(ring, at: slices[tier].find(ring, key: key)))
    }
}

@Suite struct HashRingTests {
    /// SplitMix64 as its paper has it.
    private static func splitMix(_ state: inout UInt64) -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }

    private static func places(_ name: String, _ count: Int) -> [UInt32] {
        var state = Ring.hash(name)
        return (0..<count).map { _ in UInt32(splitMix(&state) >> 32) }
    }

    struct Tier {
        var names: [String]
        var weights: [UInt32]

        init(_ prefix: String, _ weights: [UInt32]) {
            names = weights.indices.map { "\(prefix)\($0)" }
            self.weights = weights
        }
    }

    static let farms: [[Tier]] = [
        [Tier("a", [1])],
        [Tier("a", [1, 1])],
        [Tier("a", [1, 2, 3])],
        [Tier("a", [1_000])],
        [Tier("a", [1, 1_000])],
        [Tier("a", [1_000, 1_000, 1_000])],
        [Tier("a", [UInt32](repeating: 1, count: 512))],
        [Tier("a", [UInt32](repeating: 1, count: 513))],
        [Tier("a", (1...1_000).map { $0 })],
        [Tier("a", [UInt32](repeating: 1, count: 1_000))],
        [Tier("a", [1, 1]), Tier("b", [5]), Tier("c", [1, 2, 3])],
        [
            Tier("a", [UInt32](repeating: 7, count: 300)), Tier("b", [1]),
            Tier("c", [UInt32](repeating: 1_000, count: 40)),
        ],
        (0..<10).map { Tier("t\($0)-", [UInt32](repeating: 1, count: $0 + 1)) },
    ]

    private static func ring(_ farm: [Tier]) -> Ring { Ring(tiers: farm.map { ($0.names, $0.weights) }) }

    /// How many points a weight has: 64 each, halved until the largest of the farm has at most 512.
    private static func counts(_ farm: [Tier]) -> [[Int]] {
        for halvings in 0... {
            let counts = farm.map { $0.weights.map { max(1, (Int($0) * 64) >> halvings) } }
            if counts.joined().max() ?? 0 <= 512 { return counts }
        }
        return []
    }

    /// Every member has its points where its name puts them, and the ring is in order.
    @Test(arguments: farms.indices) func everyMemberHasItsPoints(_ number: Int) {
        let farm = Self.farms[number]
        let ring = Self.ring(farm)
        let counts = Self.counts(farm)
        for (tier, members) in farm.enumerated() {
            let points = ring.points(tier)
            let expected = members.names.indices.flatMap { at in
                Self.places(members.names[at], counts[tier][at]).map { UInt64($0) << 32 | UInt64(at) }
            }
            // As one truth: a difference of a hundred thousand numbers would take minutes to print.
            let isEqual = points.map { UInt64($0.place) << 32 | UInt64($0.position) } == expected.sorted()
            #expect(isEqual)
        }
    }

    /// The tiers' rings stand behind each other, within the room there is.
    @Test(arguments: farms.indices) func tiersDoNotOverlap(_ number: Int) {
        let ring = Self.ring(Self.farms[number])
        for (before, after) in zip(ring.slices, ring.slices.dropFirst()) {
            #expect(after.start >= before.end)
            #expect(after.partsStart >= before.partsEnd)
        }
        #expect(Int(ring.slices.last!.end) <= ring.ring.capacity)
        #expect(Int(ring.slices.last!.partsEnd) <= ring.ring.partCapacity)
    }

    /// The point that follows one of the key's probes most closely, found by asking every point.
    @Test(arguments: farms.indices) func findIsTheClosestOfAll(_ number: Int) {
        let farm = Self.farms[number]
        let ring = Self.ring(farm)
        var numbers = Numbers(61)
        for tier in farm.indices {
            let places = ring.points(tier).map(\.place)
            // Random keys, and keys whose first probe is on a point, right behind one, and at the ends of the circle.
            for _ in 0..<(places.count > 5_000 ? 12 : 100) {
                let key = numbers.next()
                var state = key
                var best = UInt32.max
                for _ in 0..<8 {
                    let probe = UInt32(Self.splitMix(&state) >> 32)
                    for place in places { best = min(best, place &- probe) }
                }
                let found = ring.slices[tier].find(ring.ring, key: key)
                state = key
                let distance = (0..<8).map { _ in places[Int(found)] &- UInt32(Self.splitMix(&state) >> 32) }.min()
                #expect(distance == best)
            }
        }
    }

    /// Keys beyond the last point belong to the first one, around the circle.
    @Test func theCircleCloses() {
        let ring = Ring(names: ["only"], weights: [1])
        let places = ring.points().map(\.place)
        // With one probe in the gap before the first point and after the last, the first must win now and then.
        var numbers = Numbers(67)
        let found = Set((0..<4_000).map { _ in ring.slices[0].find(ring.ring, key: numbers.next()) })
        #expect(found.count > 55, "nearly every one of \(places.count) points is somebody's")
        #expect(found.contains(0))
    }

    /// Rebuilding in the same memory leaves nothing of the ring before.
    @Test func memoryIsUsedAgain() {
        let ring = HashRing(memberCount: 40, isUsed: true)
        defer { ring.deallocate() }
        func build(_ names: [String], weight: UInt32) -> [UInt64] {
            let slice = HashRingSlice.build(
                ring, after: nil, members: names.count, halvings: 0,
                weights: [UInt32](repeating: weight, count: names.count), names: names.map { Ring.hash($0) })
            return (0..<Int(slice.count)).map { ring.points[$0] }
        }
        let few = build(["x", "y"], weight: 3)
        _ = build((0..<40).map { "m\($0)" }, weight: 10)
        #expect(build(["x", "y"], weight: 3) == few)
    }

    /// Halvings that are not of these weights: no ring, and nothing beyond its memory.
    @Test func weightsThatAreTooLarge() {
        let ring = HashRing(memberCount: 3, isUsed: true)
        defer { ring.deallocate() }
        let none = HashRingSlice.build(
            ring, after: nil, members: 3, halvings: 0, weights: [1_000, 1_000, 1_000], names: [0, 1, 2])
        #expect(none.count == 0)
    }

    @Test func whatIsNotUsedIsSmall() {
        let ring = HashRing(memberCount: 1_000, isUsed: false)
        defer { ring.deallocate() }
        #expect(ring.capacity == 1 && ring.partCapacity == 1)
    }
}
