import FarmCore
import Testing

@testable import FarmSimulator

@Suite struct SimulationTests {
    /// Everything that can happen, in a few seconds: queues that overflow, errors, refusals, hangs, timeouts, retries, a
    /// member that joins.
    static let rough: Scenario = {
        var members = [MemberModel](
            repeating: MemberModel(service: .exponential(mean: 20_000), servers: 2, backlog: 5), count: 5)
        members[0].disturbances = [Disturbance(from: seconds(1), until: seconds(2), .refuse)]
        members[1].disturbances = [Disturbance(from: seconds(2), until: seconds(3), .error(after: milliseconds(2)))]
        members[2].disturbances = [Disturbance(from: seconds(3), until: seconds(4), every: seconds(5), .hang)]
        members[3].disturbances = [Disturbance(from: seconds(1), until: seconds(5), .speed(0.05))]
        members[4].joins = seconds(2)
        members[4].coldSpeed = 0.1
        members[4].warmUp = seconds(3)
        return Scenario(
            "rough", "", members: members, balancers: 3, arrivals: .poisson(300), duration: seconds(10),
            clientTimeout: milliseconds(300), attemptTimeout: milliseconds(400), retry: milliseconds(500),
            failsOnErrors: true, odd: [4], reports: .init(every: milliseconds(500), delay: milliseconds(100)))
    }()

    /// Arrivals are completed, failed or on their way; places in flight are those of open attempts; members have the jobs
    /// that were not answered; and never more in work than they have servers.
    @Test(arguments: Competitor.all) func nothingIsLost(_ competitor: Competitor) {
        let simulation = Simulation(Self.rough, competitor, seed: 5)
        for step in 1...40 {
            simulation.run(until: milliseconds(300) * Time(step))
            let live = simulation.liveRequests
            #expect(simulation.arrivals == simulation.succeeded + simulation.failed + live.count { $0.clientWaits })
            for (at, balancer) in simulation.balancers.enumerated() {
                for member in simulation.members.indices {
                    let open = live.count { $0.balancer == at && $0.isOpen && $0.pick.member == member }
                    #expect(balancer.inFlight(member) == open)
                }
            }
            for member in simulation.members {
                #expect(member.working <= 2 && member.queued <= 5)
            }
        }
        #expect(simulation.arrivals > 2_500)
        #expect(simulation.failed > 0)
        #expect(simulation.members.contains { $0.mostWorking == 2 })
        #expect(simulation.members.allSatisfy { $0.mostWorking <= 2 })
        let outcome = simulation.outcome()
        #expect(outcome.requests == simulation.arrivals && outcome.succeeded == simulation.succeeded)
        #expect(abs(outcome.shares.reduce(0, +) - 1) < 1e-9)
    }

    @Test(arguments: Competitor.all) func theSameSeedIsTheSameRun(_ competitor: Competitor) {
        func run(_ seed: UInt64) -> String {
            CSV.text([Simulation(Self.rough, competitor, seed: seed).run()])
        }
        #expect(run(7) == run(7))
        #expect(run(7) != run(8))
    }

    /// Where members are alike and nobody queues, who serves a request makes no difference: every algorithm has the same
    /// latencies, because it has the same requests.
    @Test func algorithmsAreComparedOnTheSameRequests() {
        let scenario = Scenario(
            "same", "", members: [MemberModel](repeating: MemberModel(service: Scenarios.usual), count: 4),
            balancers: 2, arrivals: .poisson(500), duration: seconds(4))
        let latencies = Competitor.all.map { Simulation(scenario, $0, seed: 11).run().latencies }
        #expect(latencies[0].count > 1_800)
        #expect(latencies.allSatisfy { $0 == latencies[0] })
    }

    @Test func randomSharesByWeight() {
        var members = [MemberModel](repeating: MemberModel(service: .constant(1_000)), count: 3)
        members[0].weight = 5
        let scenario = Scenario(
            "weights", "", members: members, balancers: 3, arrivals: .constant(1_000), duration: seconds(30))
        let outcome = Simulation(scenario, .farm(.random), seed: 2).run()
        let count = Double(outcome.requests)
        for (share, expected) in zip(outcome.shares, [5.0 / 7, 1.0 / 7, 1.0 / 7]) {
            // Five standard deviations of independent draws.
            #expect(abs(share - expected) < 5 * (expected * (1 - expected) / count).squareRoot())
        }
    }

    /// A request that fails counts as the whole timeout, however fast it failed.
    @Test func failingFastIsNotFast() {
        let member = MemberModel(
            service: .constant(10_000), disturbances: [Disturbance(from: 0, until: seconds(100), .error(after: 10))])
        let scenario = Scenario("errors", "", members: [member], arrivals: .constant(100), duration: seconds(1))
        let outcome = Simulation(scenario, .farm(.adaptive), seed: 1).run()
        #expect(outcome.success == 0)
        #expect(outcome.percentile(0.5) == 1_000)
    }

    /// A refusal puts a member down at once and the request goes on; trials bring the member back.
    @Test func aMemberThatRefusesIsPassedOver() {
        var members = [MemberModel](repeating: MemberModel(service: .constant(10_000)), count: 2)
        members[0].disturbances = [Disturbance(from: seconds(2), until: seconds(4), .refuse)]
        let scenario = Scenario(
            "refusal", "", members: members, arrivals: .constant(100), duration: seconds(10), retry: milliseconds(500),
            odd: [0])
        for competitor in Competitor.all {
            let outcome = Simulation(scenario, competitor, seed: 1).run()
            #expect(outcome.success == 1, "\(competitor.name)")
            #expect(outcome.oddShare! > 0.05, "\(competitor.name)")
        }
    }

    @Test func disturbancesComeAgain() {
        let once = Disturbance(from: 10, until: 20, .refuse)
        #expect([9, 10, 19, 20, 110].map { once.isOn(at: $0) } == [false, true, true, false, false])
        let often = Disturbance(from: 10, until: 20, every: 100, .refuse)
        #expect([9, 10, 19, 20, 110].map { often.isOn(at: $0) } == [false, true, true, false, true])
    }

    @Test func serviceTimesFollowSpeedAndWarmth() {
        let model = MemberModel(
            service: .constant(1_000), servers: 1, speed: 2, joins: 100, coldSpeed: 0.5, warmUp: 100,
            disturbances: [
                Disturbance(from: 300, until: 400, .speed(0.1)),
                Disturbance(from: 500, until: 600, .service(.constant(7))),
            ])
        let member = ServingMember(model, keepsHistory: false)
        #expect([100, 150, 200, 350, 550].map { member.serviceTime(0.5, now: $0) } == [1_000, 667, 500, 5_000, 7])
    }

    @Test func loadIsWhatWasBusy() {
        let member = ServingMember(MemberModel(service: .constant(1), servers: 2), keepsHistory: false)
        let job = Job(request: 0, attempt: 1, member: 0, demand: 0.5, arrived: 0, found: 0)
        #expect(member.enter(0, now: 0) == .started)
        #expect(member.enter(1, now: 50) == .started)
        #expect(member.enter(2, now: 60) == .waits)
        let load = member.measure(now: 100)
        #expect(load.queued == 1)
        #expect(abs(load.utilisation - 150.0 / 200) < 1e-9)
        #expect(member.leave(job, now: 100) == 2)
        #expect(member.leave(job, now: 150) == nil)
        #expect(abs(member.measure(now: 200).utilisation - 150.0 / 200) < 1e-9)
    }
}
