/// Which part of the next requests each member of a farm gets as things stand: for the answers to updates and for people.
/// Made for one moment, from one copy of the rows; owns memory until `deallocate`. Not for the way of a request.
public struct Shares {
    private let algorithm: Algorithm
    private let isOn: Bool
    private let inputs: UnsafeMutablePointer<MemberInput>
    private let input: ViewInput
    /// By farm-local index: the part of the draws that name the member.
    private let drawn: UnsafeMutablePointer<Double>
    private let order: UnsafeMutablePointer<UInt32>
    private var count = 0
    /// The weights of the members in `order`.
    private var totalWeight = 0.0
    private let costs: UnsafeMutablePointer<Float>
    /// By farm-local index: what `adaptive` compares, and what `busyness` and `traffic` do.
    private let standings: UnsafeMutablePointer<Farm.Standing>
    private let prices: UnsafeMutablePointer<Double>
    /// Whether a member gets less than its whole share yet.
    private var isRamping = false

    /// Requests pass by members that come back to their share each with a number of its own: shares are the mean over so
    /// many of them.
    private static let steps = 20

    public init(_ farm: Farm, now: UInt64) {
        let room = max(1, farm.members.count)
        algorithm = farm.algorithm
        isOn = farm.admin == .on
        inputs = .allocate(capacity: room)
        input = ViewInput(farm, now: now, into: inputs)
        drawn = .allocate(capacity: room)
        drawn.initialize(repeating: 0, count: room)
        order = .allocate(capacity: room)
        costs = .allocate(capacity: room)
        costs.initialize(repeating: 1, count: room)
        standings = .allocate(capacity: room)
        prices = .allocate(capacity: room)
        if algorithm.asksForLoads { noteLoads() }
        for at in 0..<farm.members.count {
            switch algorithm {
            case .adaptive:
                (standings + at).initialize(
                    to: Farm.Standing(
                        farm.members[at].row, UInt32(truncatingIfNeeded: now / 1000), loadCost: costs[at]))
            case .busyness: prices[at] = Double(inputs[at].inFlight) / weight(at)
            case .traffic: prices[at] = Farm.traffic(farm.members[at].row) / weight(at)
            case .roundrobin, .random, .hash, .load: break
            }
        }
        draw(passing: 0)
    }

    public func deallocate() {
        inputs.deallocate()
        drawn.deallocate()
        order.deallocate()
        costs.deallocate()
        standings.deallocate()
        prices.deallocate()
    }

    /// Who would be drawn by a request that passes by members with no more than this part of the largest part of a share.
    private mutating func draw(passing least: Float) {
        for at in 0..<input.members.count { drawn[at] = 0 }
        collect(passing: least)
        guard count > 0 else { return }
        switch algorithm {
        case .roundrobin, .random, .hash: drawByWeight { _ in 1 }
        case .load, .adaptive:
            let cheapest = (0..<count).reduce(Float.infinity) { min($0, costs[Int(order[$1])]) }
            drawByWeight { Double(LoadShares.part(cost: costs[$0], cheapest: cheapest)) }
        case .busyness, .traffic: drawCheapest()
        }
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
        algorithm == .adaptive && count > 1 && drawn[index] > 0 ? shareOfPairs(UInt32(index)) : drawn[index]
    }

    /// The share of every member, by its number, into `shares`, which has room for all of them: what `share(of:)` says, but
    /// while members come back to their share in fewer steps. Grows with the square of the members where the algorithm
    /// compares them.
    public mutating func all(into shares: UnsafeMutablePointer<Double>) {
        for at in 0..<input.members.count { shares[at] = 0 }
        let steps = isRamping ? input.members.count > Self.many ? Self.fewSteps : Self.steps : 1
        for step in 0..<steps {
            if isRamping { draw(passing: (Float(step) + 0.5) / Float(steps)) }
            if algorithm == .adaptive && count > 1 {
                addPairs(to: shares, part: 1 / Double(steps))
            } else {
                for at in 0..<input.members.count { shares[at] += drawn[at] / Double(steps) }
            }
        }
    }

    private static let many = 200
    private static let fewSteps = 4

    /// adaptive: of each pair of members both ways, at once.
    private func addPairs(to shares: UnsafeMutablePointer<Double>, part: Double) {
        for one in 0..<count {
            shares[Int(order[one])] += part * idle(Int(order[one]))
            for other in (one + 1)..<max(one + 1, count) {
                let (a, b) = (Int(order[one]), Int(order[other]))
                // Whichever is drawn first, and then the other.
                let oneFirst = part * compared(a) * second(order[other], after: order[one])
                let otherFirst = part * compared(b) * second(order[one], after: order[other])
                if standings[b].isCheaper(than: standings[a]) {
                    shares[b] += oneFirst + otherFirst
                } else if standings[a].isCheaper(than: standings[b]) {
                    shares[a] += oneFirst + otherFirst
                } else {
                    shares[a] += oneFirst
                    shares[b] += otherFirst
                }
            }
        }
    }

    /// The members that a request may go to: the available ones of the lowest tier that has a free place.
    private mutating func collect(passing least: Float) {
        count = 0
        guard isOn else { return }
        let isPanic = input.admission.isPanic
        for tier in 0..<UInt32(isPanic ? 1 : View.tiers) {
            var largest: Float = 0
            for index in 0..<input.members.count {
                let member = inputs[index]
                guard isPanic || member.tier == tier, input.admits(member) else { continue }
                guard member.limit == 0 || member.inFlight < member.limit else { continue }
                order[count] = UInt32(index)
                count += 1
                largest = max(largest, member.part)
            }
            if count > 0 { return pass(by: least * largest) }
        }
    }

    private mutating func pass(by least: Float) {
        var kept = 0
        totalWeight = 0
        for at in 0..<count {
            let part = inputs[Int(order[at])].part
            if part < 1 { isRamping = true }
            guard part > least else { continue }
            order[kept] = order[at]
            totalWeight += weight(Int(order[at]))
            kept += 1
        }
        count = kept
    }

    /// By the mean of all available members, as a view does.
    private func noteLoads() {
        let count = input.members.count
        withUnsafeTemporaryAllocation(of: Double.self, capacity: max(1, count)) { loads in
            guard let loads = loads.baseAddress else { return }
            for at in 0..<count { (loads + at).initialize(to: inputs[at].isAvailable ? inputs[at].load : .nan) }
            let relative = RelativeLoad(loads, count: count)
            for at in 0..<count { costs[at] = Float(relative.cost(loads[at])) }
        }
    }

    private func weight(_ index: Int) -> Double { Double(inputs[index].weight) }

    private func drawByWeight(_ part: (Int) -> Double) {
        var total = 0.0
        for at in 0..<count { total += weight(Int(order[at])) * part(Int(order[at])) }
        for at in 0..<count { drawn[Int(order[at])] = weight(Int(order[at])) * part(Int(order[at])) / total }
    }

    /// All requests go to the cheapest for its weight, and to several that are alike by weight; of many members, to the
    /// cheapest of those that a choice looks at.
    private func drawCheapest() {
        let isLarge = count > Int(Farm.looked)
        let looked = isLarge ? Int(Farm.sampled) : count
        let starts = isLarge ? count : 1
        for start in 0..<starts {
            var least = Double.infinity
            var total = 0.0
            for step in 0..<looked {
                let index = Int(order[(start + step) % count])
                if prices[index] < least { (least, total) = (prices[index], 0) }
                if prices[index] == least { total += weight(index) }
            }
            for step in 0..<looked {
                let index = Int(order[(start + step) % count])
                if prices[index] == least { drawn[index] += weight(index) / total / Double(starts) }
            }
        }
    }

    /// adaptive: the member is drawn first or second, and is the one to prefer.
    private func shareOfPairs(_ index: UInt32) -> Double {
        let own = standings[Int(index)]
        var share = idle(Int(index))
        for at in 0..<count where order[at] != index {
            let other = order[at]
            let standing = standings[Int(other)]
            if !standing.isCheaper(than: own) { share += compared(Int(index)) * second(other, after: index) }
            if own.isCheaper(than: standing) { share += compared(Int(other)) * second(index, after: other) }
        }
        return share
    }

    /// How likely a member is drawn first and serves since it is idle, and how likely it is drawn first and compared.
    private func idle(_ index: Int) -> Double {
        guard inputs[index].inFlight == 0 else { return 0 }
        return min(0.5 * drawn[index], Double(Farm.idlePart) * weight(index) / totalWeight)
    }

    private func compared(_ index: Int) -> Double { drawn[index] - idle(index) }

    /// How likely a member is drawn second: by weight, or as any other one when the first was drawn again.
    private func second(_ index: UInt32, after first: UInt32) -> Double {
        drawn[Int(index)] + drawn[Int(first)] / Double(count - 1)
    }
}
