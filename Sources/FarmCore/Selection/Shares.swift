import CFarm

/// Which part of the next requests each member of a farm gets as things stand: for the answers to updates and for people.
/// Made for one moment; owns memory until `deallocate`. Not for the way of a request.
public struct Shares {
    private let farm: Farm
    /// By farm-local index: the part of the draws that name the member.
    private let drawn: UnsafeMutablePointer<Double>
    private let order: UnsafeMutablePointer<UInt32>
    private var count = 0
    private let costs: UnsafeMutablePointer<Float>
    private let now: UInt64
    private let admission: Admission
    /// Whether a member gets less than its whole share yet.
    private var isRamping = false

    /// Requests pass by members that come back to their share each with a number of its own: shares are the mean over so
    /// many of them.
    private static let steps = 20

    public init(_ farm: Farm, now: UInt64) {
        self.farm = farm
        self.now = now
        let room = max(1, farm.members.count)
        drawn = .allocate(capacity: room)
        drawn.initialize(repeating: 0, count: room)
        order = .allocate(capacity: room)
        costs = .allocate(capacity: room)
        costs.initialize(repeating: 1, count: room)
        admission = farm.admission(now: now)
        draw(passing: 0)
    }

    /// Who would be drawn by a request that passes by members with no more than this part of the largest part of a share.
    private mutating func draw(passing least: Float) {
        for at in 0..<farm.members.count { drawn[at] = 0 }
        collect(passing: least)
        guard count > 0 else { return }
        if farm.algorithm.asksForLoads { noteLoads() }
        switch farm.algorithm {
        case .roundrobin, .random, .hash: drawByWeight { _ in 1 }
        case .load, .adaptive:
            let cheapest = (0..<count).reduce(Float.infinity) { min($0, costs[Int(order[$1])]) }
            drawByWeight { max(RelativeLoad.leastShare, Double(cheapest / costs[Int($0)])) }
        case .busyness: drawCheapest { Double(InFlight.count($0)) }
        case .traffic: drawCheapest { Farm.traffic($0) }
        }
    }

    public func deallocate() {
        drawn.deallocate()
        order.deallocate()
        costs.deallocate()
    }

    /// 0 to 1.
    public mutating func share(of index: Int) -> Double {
        guard isRamping else { return drawnShare(of: index) }
        var sum = 0.0
        for step in 0..<Self.steps {
            draw(passing: (Float(step) + 0.5) / Float(Self.steps))
            sum += drawnShare(of: index)
        }
        return sum / Double(Self.steps)
    }

    private func drawnShare(of index: Int) -> Double {
        farm.algorithm == .adaptive && count > 1 && drawn[index] > 0 ? shareOfPairs(UInt32(index)) : drawn[index]
    }

    /// The share of every member, by its number, into `shares`, which has room for all of them: what `share(of:)` says, but
    /// while members come back to their share in fewer steps. Grows with the square of the members where the algorithm
    /// compares them.
    public mutating func all(into shares: UnsafeMutablePointer<Double>) {
        for at in 0..<farm.members.count { shares[at] = 0 }
        let steps = isRamping ? farm.members.count > Self.many ? Self.fewSteps : Self.steps : 1
        for step in 0..<steps {
            if isRamping { draw(passing: (Float(step) + 0.5) / Float(steps)) }
            if farm.algorithm == .adaptive && count > 1 {
                addPairs(to: shares, part: 1 / Double(steps))
            } else {
                for at in 0..<farm.members.count { shares[at] += drawn[at] / Double(steps) }
            }
        }
    }

    private static let many = 200
    private static let fewSteps = 4

    /// adaptive: of each pair of members both ways, at once.
    private func addPairs(to shares: UnsafeMutablePointer<Double>, part: Double) {
        let milliseconds = UInt32(truncatingIfNeeded: now / 1000)
        withUnsafeTemporaryAllocation(of: Farm.Standing.self, capacity: count) { standings in
            for at in 0..<count {
                let index = Int(order[at])
                standings.initializeElement(
                    at: at, to: Farm.Standing(farm.members[index].row, milliseconds, loadCost: costs[index]))
            }
            for one in 0..<count {
                for other in (one + 1)..<max(one + 1, count) {
                    let (a, b) = (Int(order[one]), Int(order[other]))
                    // Whichever is drawn first, and then the other.
                    let oneFirst = part * drawn[a] * second(order[other], after: order[one])
                    let otherFirst = part * drawn[b] * second(order[one], after: order[other])
                    if standings[other].isCheaper(than: standings[one]) {
                        shares[b] += oneFirst + otherFirst
                    } else if standings[one].isCheaper(than: standings[other]) {
                        shares[a] += oneFirst + otherFirst
                    } else {
                        shares[a] += oneFirst
                        shares[b] += otherFirst
                    }
                }
            }
        }
    }

    /// The members that a request may go to: the available ones of the lowest tier that has a free place.
    private mutating func collect(passing least: Float) {
        count = 0
        guard farm.admin == .on else { return }
        for tier in 0..<UInt32(admission.isPanic ? 1 : View.tiers) {
            var largest: Float = 0
            for index in 0..<farm.members.count {
                let row = farm.members[index].row
                guard admission.isPanic || farm_get32(&row.pointee.tier) == tier,
                    admission.admits(row, farm.freshness, now: now)
                else { continue }
                let limit = farm_get32(&row.pointee.max_inflight)
                guard limit == 0 || InFlight.count(row) < limit else { continue }
                order[count] = UInt32(index)
                count += 1
                largest = max(largest, farm.slowStart.part(row, now: now))
            }
            if count > 0 { return pass(by: least * largest) }
        }
    }

    private mutating func pass(by least: Float) {
        var kept = 0
        for at in 0..<count {
            let part = farm.slowStart.part(farm.members[Int(order[at])].row, now: now)
            if part < 1 { isRamping = true }
            guard part > least else { continue }
            order[kept] = order[at]
            kept += 1
        }
        count = kept
    }

    /// By the mean of all available members, as a view does.
    private func noteLoads() {
        let load = { (index: Int) in
            let row = farm.members[index].row
            return farm.freshness.isAvailable(row, now: now) ? farm.freshness.load(row, now: now) : .nan
        }
        let loads = RelativeLoad(count: farm.members.count, load: load)
        for at in 0..<count { costs[Int(order[at])] = Float(loads.cost(load(Int(order[at])))) }
    }

    private func weight(_ index: UInt32) -> Double {
        Double(max(1, farm_get32(&farm.members[Int(index)].row.pointee.weight)))
    }

    private func drawByWeight(_ part: (UInt32) -> Double) {
        var total = 0.0
        for at in 0..<count { total += weight(order[at]) * part(order[at]) }
        for at in 0..<count { drawn[Int(order[at])] = weight(order[at]) * part(order[at]) / total }
    }

    /// All requests go to the cheapest for its weight, and to several that are alike by weight; of many members, to the
    /// cheapest of those that a choice looks at.
    private func drawCheapest(_ cost: (MemberRow) -> Double) {
        func here(_ at: Int) -> Double { cost(farm.members[Int(order[at])].row) / weight(order[at]) }
        let isLarge = count > Int(Farm.looked)
        let looked = isLarge ? Int(Farm.sampled) : count
        let starts = isLarge ? count : 1
        for start in 0..<starts {
            var least = Double.infinity
            var total = 0.0
            for step in 0..<looked {
                let at = (start + step) % count
                if here(at) < least { (least, total) = (here(at), 0) }
                if here(at) == least { total += weight(order[at]) }
            }
            for step in 0..<looked {
                let at = (start + step) % count
                if here(at) == least { drawn[Int(order[at])] += weight(order[at]) / total / Double(starts) }
            }
        }
    }

    /// adaptive: the member is drawn first or second, and is the one to prefer.
    private func shareOfPairs(_ index: UInt32) -> Double {
        let milliseconds = UInt32(truncatingIfNeeded: now / 1000)
        let own = Farm.Standing(farm.members[Int(index)].row, milliseconds, loadCost: costs[Int(index)])
        var share = 0.0
        for at in 0..<count where order[at] != index {
            let other = order[at]
            let standing = Farm.Standing(farm.members[Int(other)].row, milliseconds, loadCost: costs[Int(other)])
            if !standing.isCheaper(than: own) { share += drawn[Int(index)] * second(other, after: index) }
            if own.isCheaper(than: standing) { share += drawn[Int(other)] * second(index, after: other) }
        }
        return share
    }

    /// How likely a member is drawn second: by weight, or as any other one when the first was drawn again.
    private func second(_ index: UInt32, after first: UInt32) -> Double {
        drawn[Int(index)] + drawn[Int(first)] / Double(count - 1)
    }
}
