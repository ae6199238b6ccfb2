import FarmModel
import Testing

@Suite struct CarryOverModelTests {
    /// Names by configuration: 1 is A, 2 is B.
    private static let replaced = [[1], [], [], [2]]

    @Test(
        arguments: [
            [[1], [], [], [2]], [[1], [], [2], [2, 1]], [[1], [], [1]], [[1], [1], [], [], [2]],
            [[1, 2], [2], [2, 1], [1]],
        ])
    func aRetiredRowIsNobodyElsesWhileItIsKnown(_ configurations: [[Int]]) {
        holds(
            "carry-over, \(configurations), a death",
            CarryOverProtocol.system(nil, configurations, deaths: 1, patience: .claimed))
    }

    @Test(
        arguments: [
            (.liveIgnored, CarryOverProtocol.unused), (.oneTooEarly, CarryOverProtocol.unused),
        ] as [(CarryOverProtocol.Mutation, String)])
    func withoutAPartItBreaks(_ mutation: CarryOverProtocol.Mutation, _ property: String) {
        breaks(
            "carry-over, \(mutation)", property,
            CarryOverProtocol.system(mutation, Self.replaced, deaths: 1, patience: .claimed))
    }

    @Test func aNameThatComesBackGetsItsRow() {
        breaks(
            "carry-over, namesForgotten", CarryOverProtocol.returned,
            CarryOverProtocol.system(.namesForgotten, [[1], [], [1]], deaths: 1, patience: .claimed))
    }

    @Test func aSlotIsClaimedByOne() {
        breaks(
            "carry-over, looseClaim", CarryOverProtocol.own,
            CarryOverProtocol.system(.looseClaim, Self.replaced, deaths: 1, patience: .oneBehind))
    }

    /// What the one configuration more is for that a retired row waits: a child that has not claimed its slot yet.
    @Test func theConfigurationMoreIsForChildrenThatAreLate() {
        breaks(
            "carry-over, atOnce", CarryOverProtocol.unused,
            CarryOverProtocol.system(
                .atOnce, [[1], [], [2]], deaths: 1, patience: .oneBehind, remedy: .cleared))
        holds(
            "carry-over, one behind, with the remedy",
            CarryOverProtocol.system(nil, [[1], [], [2]], deaths: 1, patience: .oneBehind, remedy: .cleared))
    }
}
