import FarmCore

/// An algorithm that can be compared: one of FarmCore's, or a reference. Unchecked because FarmCore does not say that its
/// Algorithm, a number, may be sent.
public enum Competitor: Hashable, @unchecked Sendable {
    /// What was published elsewhere.
    public enum Reference: String, CaseIterable {
        case leastLoaded = "ref-least-loaded"
        case twoChoices = "ref-two-choices"
        case peakEWMA = "ref-peak-ewma"
        case prequal = "ref-prequal"
        case leastReported = "ref-least-reported"
    }

    case farm(Algorithm)
    case reference(Reference)

    public var name: String {
        switch self {
        case .farm(let algorithm): "\(algorithm.name)"
        case .reference(let reference): reference.rawValue
        }
    }

    /// FarmCore's in their order, then the references.
    public static var all: [Competitor] {
        Algorithm.allCases.map { .farm($0) } + Reference.allCases.map { .reference($0) }
    }

    /// Those that a scenario compares.
    public static func all(in scenario: Scenario) -> [Competitor] {
        all.filter { scenario.comparesLeastReported || $0 != .reference(.leastReported) }
    }

    /// The one of that name.
    public init?(name: String) {
        guard let found = Self.all.first(where: { $0.name == name }) else { return nil }
        self = found
    }

    /// Whether members keep what a probe asks for.
    var sendsProbes: Bool { self == .reference(.prequal) }

    /// One machine's balancer.
    func makeBalancer(_ scenario: Scenario, seed: UInt64) -> any Balancer {
        switch self {
        case .farm(let algorithm): FarmBalancer(scenario, algorithm: algorithm, seed: seed)
        case .reference(.leastLoaded): ReferenceBalancer<LeastLoaded>(scenario, seed: seed)
        case .reference(.twoChoices): ReferenceBalancer<TwoChoices>(scenario, seed: seed)
        case .reference(.peakEWMA): ReferenceBalancer<PeakEWMA>(scenario, seed: seed)
        case .reference(.prequal): ReferenceBalancer<Prequal>(scenario, seed: seed)
        case .reference(.leastReported): ReferenceBalancer<LeastReported>(scenario, seed: seed)
        }
    }
}
