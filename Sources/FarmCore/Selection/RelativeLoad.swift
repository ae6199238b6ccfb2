/// What the members' loads mean for a choice: each is taken beside the mean of the available members, so that any unit
/// will do. A load below 0 counts as 0, an unknown one as the mean.
struct RelativeLoad {
    /// Mean of the known loads; NaN when none is known.
    let mean: Double

    /// No share for its weight is less than this part of the largest: the busiest member is still asked, and its next
    /// report is believed.
    static let leastShare = 0.05

    /// The mean over `count` loads, of which NaN is an unknown one.
    init(_ loads: UnsafePointer<Double>, count: Int) {
        var known = 0.0
        for at in 0..<count where !loads[at].isNaN { known += 1 }
        var sum = 0.0
        // Divided first: a sum of large loads would not be finite.
        for at in 0..<count where !loads[at].isNaN { sum += max(0, loads[at]) / known }
        mean = known > 0 ? sum : .nan
    }

    /// Whether loads tell the members apart at all.
    var matters: Bool { mean > 0 }

    /// How dear a member of this load is beside one of average load: (L + m) / 2m, from a half upwards. The shares in
    /// proportion to its inverse, of members of equal weight in one tier, never exceed twice an even one: the sum of 1 / (L + m) is at least
    /// n / 2m (Jensen's inequality), and no term of it exceeds 1 / m. So a report that comes late sends no herd.
    func cost(_ load: Double) -> Double {
        guard matters, !load.isNaN else { return 1 }
        return (max(0, load) / mean + 1) / 2
    }
}
