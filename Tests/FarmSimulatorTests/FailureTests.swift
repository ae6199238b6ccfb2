import FarmCore
import Testing

@testable import FarmSimulator

/// What the rules of blame and of trials come to, with all of the module's algorithms.
@Suite struct FailureTests {
    private static let algorithms = Algorithm.allCases.map { Competitor.farm($0) }

    private static func scenario(
        _ members: [MemberModel], seconds duration: Double, poison: Double = 0, rate: Double = 300
    ) -> Scenario {
        Scenario(
            "failures", "", members: members, balancers: 2, arrivals: .poisson(rate), duration: seconds(duration),
            poison: poison)
    }

    private static func members(_ change: (Int, inout MemberModel) -> Void = { _, _ in }) -> [MemberModel] {
        (0..<6).map { at in
            var member = MemberModel(service: .exponential(mean: 10_000), servers: 4)
            change(at, &member)
            return member
        }
    }

    /// A page that breaks each member it meets leaves the farm to the others.
    @Test(arguments: algorithms, [0.01, 0.1]) func aPoisonPage(_ competitor: Competitor, _ part: Double) {
        let simulation = Simulation(Self.scenario(Self.members(), seconds: 60, poison: part), competitor, seed: 3)
        let outcome = simulation.run()
        #expect(outcome.requests > 15_000)
        #expect(outcome.success > 0.999, "\(outcome.success)")
        #expect(simulation.suspects > 10)
    }

    /// All members refuse from second 10 to second 20 or 40: the farm serves again within `recover` of their return, and what
    /// comes later is served by all of them.
    @Test(arguments: algorithms, [20, 40] as [Double]) func aFarmIsBackWithinRecover(
        _ competitor: Competitor, _ back: Double
    ) {
        let members = Self.members { _, member in
            member.disturbances = [Disturbance(from: seconds(10), until: seconds(back), .refuse)]
        }
        let simulation = Simulation(Self.scenario(members, seconds: back + 30, rate: 200), competitor, seed: 3)
        simulation.run(until: seconds(back))
        #expect(simulation.failed > 1_000)
        let margin = milliseconds(50)
        simulation.run(until: seconds(back) + milliseconds(250) + margin)
        let failed = simulation.failed
        simulation.run(until: seconds(back + 30))
        #expect(simulation.failed == failed, "nobody fails when recover has passed")
    }

    /// The same of members that close each connection: they are found out, and come back.
    @Test(arguments: algorithms) func aFarmThatIsBroken(_ competitor: Competitor) {
        let members = Self.members { _, member in
            member.disturbances = [Disturbance(from: seconds(10), until: seconds(40), .close(after: milliseconds(1)))]
        }
        let simulation = Simulation(Self.scenario(members, seconds: 70, rate: 200), competitor, seed: 3)
        simulation.run(until: seconds(40) + milliseconds(300))
        let failed = simulation.failed
        simulation.run(until: seconds(70))
        #expect(simulation.failed == failed)
    }
}
