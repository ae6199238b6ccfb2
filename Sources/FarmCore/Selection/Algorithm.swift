/// How a farm picks a member for a new request: FarmAlgorithm. To add one, see CONTRIBUTING.md.
public enum Algorithm: UInt32, CaseIterable {
    case adaptive = 0
    case roundrobin = 1
    case random = 2
    case busyness = 3
    case traffic = 4
    case load = 5
    case hash = 6

    /// The name in the configuration.
    public var name: StaticString {
        switch self {
        case .adaptive: "adaptive"
        case .roundrobin: "roundrobin"
        case .random: "random"
        case .busyness: "busyness"
        case .traffic: "traffic"
        case .load: "load"
        case .hash: "hash"
        }
    }

    /// Whether its views depend on what members report of their load.
    var asksForLoads: Bool { self == .load || self == .adaptive }

    /// For an algorithm by which a process may draw from a part of a large farm at a time (`Aperture`): how many members
    /// it wants there for each request that it has in flight. Who looks at what is in flight finds an idle one among a few;
    /// who does not must be spread thinner.
    var membersPerRequest: Int? {
        switch self {
        case .adaptive: 2
        case .random: 8
        default: nil
        }
    }

    /// Whether it wants an expression that gives each request a key.
    public var wantsKey: Bool { self == .hash }

    /// Whether it asks for the requests in flight at the farm as a whole.
    public var countsFarmInFlight: Bool { self == .hash }

    /// The algorithm of that name, in any case of letters; nil when there is none.
    public init?(name: UnsafeBufferPointer<UInt8>) {
        for algorithm in Self.allCases {
            let known = algorithm.name
            let bytes = UnsafeBufferPointer(start: known.utf8Start, count: known.utf8CodeUnitCount)
            if Names.equalIgnoringCase(bytes, name) {
                self = algorithm
                return
            }
        }
        return nil
    }
}
