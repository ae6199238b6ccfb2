import FarmTestSupport
import Testing

@testable import FarmCore

@Suite struct RelativeLoadTests {
    private static func relative(_ loads: [Double]) -> RelativeLoad { RelativeLoad(loads, count: loads.count) }

    private static func costs(_ loads: [Double]) -> [Double] {
        let relative = relative(loads)
        return loads.map { relative.cost($0) }
    }

    /// Shares of members of equal weight, in proportion to the inverse of cost, with the floor.
    static func shares(_ loads: [Double]) -> [Double] {
        let parts = costs(loads).map { 1 / $0 }
        let largest = parts.max()!
        let floored = parts.map { max($0, RelativeLoad.leastShare * largest) }
        let sum = floored.reduce(0, +)
        return floored.map { $0 / sum }
    }

    private static func isClose(_ a: [Double], _ b: [Double]) -> Bool {
        zip(a, b).allSatisfy { abs($0 - $1) <= 1e-12 * max($0.magnitude, $1.magnitude, 1) }
    }

    /// Worked by hand: the mean, and (L + m) / 2m.
    @Test(
        arguments: [
            ([1, 1, 1], 1, [1, 1, 1]),
            ([0, 2], 1, [0.5, 1.5]),
            ([1, 2, 6], 3, [4.0 / 6, 5.0 / 6, 9.0 / 6]),
            ([5], 5, [1]),
            // Below zero is zero, in the mean too.
            ([-7, 2], 1, [0.5, 1.5]),
            // Unknown is the mean of the known ones, and no part of it.
            ([.nan, 0, 2], 1, [1, 0.5, 1.5]),
            ([.nan, .nan, 4], 4, [1, 1, 1]),
        ] as [([Double], Double, [Double])])
    func example(_ loads: [Double], mean: Double, _ costs: [Double]) {
        #expect(Self.relative(loads).mean == mean)
        #expect(Self.isClose(Self.costs(loads), costs))
        #expect(Self.relative(loads).matters)
    }

    /// Nothing is known, or nobody has any: no member is told from another.
    @Test(arguments: [[], [0], [0, 0, 0], [-1, -5], [.nan], [.nan, .nan], [.nan, 0, -3]] as [[Double]])
    func nothingToTellThemApartBy(_ loads: [Double]) {
        #expect(!Self.relative(loads).matters)
        #expect(Self.costs(loads).allSatisfy { $0 == 1 })
    }

    /// Loads of every kind that a formula can give: even, skewed, over all magnitudes, zero, below zero, unknown.
    private static func random(_ numbers: inout Numbers) -> [Double] {
        let count = Int.random(in: 1...60, using: &numbers)
        let kind = Int.random(in: 0..<5, using: &numbers)
        return (0..<count).map { _ in
            switch (kind, Int.random(in: 0..<6, using: &numbers)) {
            case (3, 0): .nan
            case (3, 1), (4, 0..<5): 0
            case (3, 2): Double.random(in: -100...0, using: &numbers)
            case (1, _): (0..<12).reduce(1) { product, _ in product * Double.random(in: 0...2, using: &numbers) }
            case (2, _): Double(sign: .plus, exponent: Int.random(in: -900...900, using: &numbers), significand: 1.5)
            default: Double.random(in: 0...100, using: &numbers)
            }
        }
    }

    /// What makes a late report harmless: no member's share is more than twice an even one, whatever the others say.
    @Test func neverMoreThanTwiceAnEvenShare() {
        var numbers = Numbers(71)
        var wrong: [[Double]] = []
        var closest = 0.0
        for _ in 0..<20_000 {
            let loads = Self.random(&numbers)
            let most = Self.shares(loads).max()! * Double(loads.count)
            closest = max(closest, most)
            if most > 2 * (1 + 1e-9) { wrong.append(loads) }
        }
        #expect(wrong.isEmpty)
        #expect(closest > 1.9, "the bound is nearly reached, or the loads show nothing")
    }

    /// The dearest of members of equal weight keeps a twentieth of what the cheapest has.
    @Test func theFloor() {
        #expect(RelativeLoad.leastShare == 0.05)
        // With 40 members one of which has all the load, the others' costs are 0.5 and its own is 20.5: 41 times as dear.
        let loads = [Double](repeating: 0, count: 39) + [1_000]
        #expect(Self.isClose([Self.costs(loads)[39] / Self.costs(loads)[0]], [41]))
        let shares = Self.shares(loads)
        #expect(Self.isClose([shares[39] / shares[0]], [0.05]))
    }

    /// Any unit will do: to the last bit for powers of two, and nearly so for others.
    @Test func isScaleFree() {
        var numbers = Numbers(73)
        var wrong: [[Double]] = []
        for _ in 0..<2_000 {
            let count = Int.random(in: 1...20, using: &numbers)
            let loads = (0..<count).map { _ in Double.random(in: 0...100, using: &numbers) }
            let costs = Self.costs(loads)
            for factor in [0x1p-500, 0.25, 1_024, 0x1p500] where Self.costs(loads.map { $0 * factor }) != costs {
                wrong.append(loads)
            }
            for factor in [1e-200, 0.001, 3, 1e6] where !Self.isClose(Self.costs(loads.map { $0 * factor }), costs) {
                wrong.append(loads)
            }
        }
        #expect(wrong.isEmpty)
    }

    @Test func theLowerTheCheaper() {
        var numbers = Numbers(79)
        for _ in 0..<500 {
            let loads = Self.random(&numbers).map { $0.isNaN ? 0 : $0 }.sorted()
            let costs = Self.costs(loads)
            #expect(zip(costs, costs.dropFirst()).allSatisfy { $0 <= $1 })
        }
    }

    @Test(
        arguments: [
            [1e308, 1e308, 1e308], [1e308, 0], [1e308, 1e-308], [.greatestFiniteMagnitude, .greatestFiniteMagnitude],
            [.greatestFiniteMagnitude, -.greatestFiniteMagnitude], [1e-300, 2e-300], [1e-307, 0],
            [Double](repeating: .greatestFiniteMagnitude, count: 1_001), [.leastNonzeroMagnitude, 1],
        ] as [[Double]])
    func hugeAndTinyLoadsStayFinite(_ loads: [Double]) {
        let costs = Self.costs(loads)
        #expect(costs.allSatisfy { $0.isFinite && $0 >= 0.5 && Float($0).isFinite })
        #expect(Self.relative(loads).mean.isFinite)
        let shares = Self.shares(loads)
        #expect(abs(shares.reduce(0, +) - 1) < 1e-9)
        #expect(shares.max()! * Double(loads.count) <= 2 * (1 + 1e-9))
    }
}
