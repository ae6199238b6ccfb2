import FarmModel
import Testing

@Suite struct CarryOverModelTests {
    /// Names by configuration: 1 is A, 2 is B.
    private static let replaced = [[1], [], [], [2]]

    @Test(
        arguments: [
            [[1], [], [], [2]], [[1], [], [2], [2, 1]], [[1], [], [1]],
            [[1, 2], [2], [2, 1], [1]],
        ])
    func aRetiredRowIsNobodyElsesWhileItIsKnown(_ configurations: [[Int]]) {
        holds(
            "carry-over, \(configurations), a death",
            CarryOverProtocol.system(nil, configurations, deaths: configurations.count > 4 ? 0 : 1))
    }

    /// With one slot, which not every child can have.
    @Test func aRetiredRowIsNobodyElsesOverFiveConfigurations() {
        let configurations = [[1], [1], [], [], [2]]
        holds(
            "carry-over, \(configurations), one slot, a death",
            CarryOverProtocol.system(nil, configurations, deaths: 1, slots: 1))
    }

    @Test(
        arguments: [
            (.liveIgnored, CarryOverProtocol.unused), (.oneTooEarly, CarryOverProtocol.unused),
            (.oneTooLate, CarryOverProtocol.unused),
        ] as [(CarryOverProtocol.Mutation, String)])
    func withoutAPartItBreaks(_ mutation: CarryOverProtocol.Mutation, _ property: String) {
        breaks(
            "carry-over, \(mutation)", property,
            CarryOverProtocol.system(mutation, Self.replaced, deaths: 1, patience: .claimed))
    }

    /// What a row was for is not forgotten when its name comes back: a process from before knows it still.
    @Test func aRowThatComesBackIsAsOldAsItWas() {
        let configurations = [[1], [], [1], [], [], [2]]
        holds(
            "carry-over, \(configurations), one slot",
            CarryOverProtocol.system(nil, configurations, deaths: 0, patience: .claimed, slots: 1))
        breaks(
            "carry-over, createdAnew", CarryOverProtocol.unused,
            CarryOverProtocol.system(.createdAnew, configurations, deaths: 0, patience: .claimed, slots: 1))
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
            CarryOverProtocol.system(.atOnce, [[1], [], [2]], deaths: 1, patience: .oneBehind))
    }

    /// The child writes to its slot and looks at the header, the parent writes to the header and looks at the slots: each needs a
    /// fence between the two, so that one of them sees the other.
    @Test func eitherSeesTheOther() {
        holds(
            "carry-over, relaxed",
            CarryOverProtocol.system(nil, [[1], [], [], [2]], deaths: 0, slots: 1, relaxed: true))
        for mutation in [CarryOverProtocol.Mutation.noFenceOfChild, .noFenceOfParent] {
            breaks(
                "carry-over, \(mutation), relaxed", CarryOverProtocol.unused,
                CarryOverProtocol.system(mutation, [[1], [], [], [2]], deaths: 0, slots: 1, relaxed: true))
        }
    }
}
