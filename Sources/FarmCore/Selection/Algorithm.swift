/// How a farm picks a member for a new request: FarmAlgorithm. To add one, see CONTRIBUTING.md.
public enum Algorithm: UInt32, CaseIterable {
    case adaptive = 0
    case roundrobin = 1
    case random = 2
    case busyness = 3
    case traffic = 4

    /// The name in the configuration.
    public var name: StaticString {
        switch self {
        case .adaptive: "adaptive"
        case .roundrobin: "roundrobin"
        case .random: "random"
        case .busyness: "busyness"
        case .traffic: "traffic"
        }
    }

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
