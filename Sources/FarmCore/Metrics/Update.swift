/// What a monitor says of a member.
public enum HealthVerdict { case up, down }

/// One member's part of an update.
public struct UpdateGroup {
    public var farm = UnsafeBufferPointer<UInt8>(start: nil, count: 0)
    /// Nil: whoever sent the update.
    public var member: UnsafeBufferPointer<UInt8>?
    public var health: HealthVerdict?
    /// Where its metrics stand in the update's.
    public var firstMetric = 0
    public var metricCount = 0
}

/// What members say of themselves, as text: `farm=app&member=app1&cpu=0.42&db_conns=57`. Names are parts of the text that
/// was parsed.
public struct Update {
    public private(set) var groups: [UpdateGroup] = []
    public private(set) var metrics: [PushedMetric] = []

    public enum Outcome {
        case update(Update)
        case refused(UpdateRefusal)
    }

    /// Parses form-encoded text, which is decoded in place. A group has one farm and one member or none: a further
    /// `member=` begins a new one of the same farm, a further `farm=` one without a member. `mostMetrics` is how many names
    /// the table has room for.
    public static func parse(
        _ text: UnsafeMutableBufferPointer<UInt8>, mostMetrics: Int, number: NumberReader
    ) -> Outcome {
        var update = Update()
        var reader = FormReader(text)
        update.groups.reserveCapacity(text.count / 64 + 1)
        update.metrics.reserveCapacity(text.count / 32 + 1)
        while true {
            switch reader.next() {
            case .end:
                if update.groups.isEmpty { update.groups.append(UpdateGroup()) }
                for at in 0..<update.groups.count where update.groups[at].farm.isEmpty {
                    return .refused(UpdateRefusal(.noFarm, group: at + 1))
                }
                return .update(update)
            case .badEscape(let part):
                return .refused(UpdateRefusal(.badEscape, group: max(1, update.groups.count), value: part))
            case .pair(let name, let value, let hasEquals):
                if let refusal = update.add(name, value, hasEquals, mostMetrics, number) { return .refused(refusal) }
            }
        }
    }

    private mutating func add(
        _ name: UnsafeBufferPointer<UInt8>, _ value: UnsafeBufferPointer<UInt8>, _ hasEquals: Bool, _ mostMetrics: Int,
        _ number: NumberReader
    ) -> UpdateRefusal? {
        if groups.isEmpty { groups.append(UpdateGroup()) }
        var last = groups.count - 1
        func refusal(_ kind: UpdateRefusal.Kind) -> UpdateRefusal {
            UpdateRefusal(kind, group: last + 1, name: name, value: value)
        }
        let isFarm = Names.isWord(name, "farm")
        let isMember = Names.isWord(name, "member")
        if isFarm && !groups[last].farm.isEmpty {
            begin(UpdateGroup())
            last += 1
        } else if isMember && groups[last].member != nil {
            var next = UpdateGroup()
            next.farm = groups[last].farm
            begin(next)
            last += 1
        }
        guard hasEquals else { return refusal(.noEquals) }
        guard !value.isEmpty else { return refusal(.empty) }
        if isFarm {
            guard Names.isFarm(value) else { return refusal(.badFarm) }
            groups[last].farm = value
            return nil
        }
        if isMember {
            guard Names.isMember(value) else { return refusal(.badMember) }
            groups[last].member = value
            return nil
        }
        if Names.isWord(name, "health") {
            guard groups[last].health == nil else { return refusal(.twice) }
            if Names.isWord(value, "up") {
                groups[last].health = .up
            } else if Names.isWord(value, "down") {
                groups[last].health = .down
            } else {
                return refusal(.badHealth)
            }
            return nil
        }
        guard let metric = MetricName(name) else { return refusal(.badName) }
        guard let value = DecimalNumber.value(value, number) else { return refusal(.badNumber) }
        guard !metrics.names(metric, from: groups[last].firstMetric) else { return refusal(.twice) }
        guard groups[last].metricCount < mostMetrics else { return refusal(.tooManyNames) }
        metrics.append(PushedMetric(name: metric, value: value))
        groups[last].metricCount += 1
        return nil
    }

    private mutating func begin(_ group: UpdateGroup) {
        var group = group
        group.firstMetric = metrics.count
        groups.append(group)
    }
}
