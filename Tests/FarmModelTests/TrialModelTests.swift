import FarmModel
import Testing

@Suite struct TrialModelTests {
    @Test func trialsOfAFarmWithNobody() {
        holds("trial, two requests, both may die", TrialProtocol.system(nil, [.stranded, .stranded], deaths: 2))
        holds(
            "trial, three requests while nobody is available",
            TrialProtocol.system(nil, [.stranded, .stranded, .stranded], hours: 3))
    }

    @Test func trialsWhileOthersServe() {
        holds(
            "trial, three requests while others serve",
            TrialProtocol.system(nil, [.repeatable, .repeatable, .repeatable], retry: 1, hours: 3))
    }

    /// Processes need not agree whether somebody is available.
    @Test func trialsOfBothKinds() {
        holds("trial, both kinds, a death", TrialProtocol.system(hours: 3))
    }

    @Test(
        arguments: [
            (.looseClaim, TrialProtocol.apart), (.notMovedOn, TrialProtocol.alone), (.notDue, TrialProtocol.apart),
            (.unconnectedForgotten, TrialProtocol.alone), (.endedByHandOnly, TrialProtocol.again),
            (.notPostponed, TrialProtocol.postponed),
        ] as [(TrialProtocol.Mutation, String)])
    func withoutAPartItBreaks(_ mutation: TrialProtocol.Mutation, _ property: String) {
        breaks("trial, \(mutation)", property, TrialProtocol.system(mutation, [.stranded, .stranded]))
    }

    @Test func withoutDoublingItBreaks() {
        breaks(
            "trial, notDoubled", TrialProtocol.doubled,
            TrialProtocol.system(.notDoubled, [.repeatable, .repeatable], retry: 1))
    }

    /// A trial that connects late, when its time is over and another has been claimed.
    @Test func withoutTheSwapALateConnectionTakesTheClaimBack() {
        breaks(
            "trial, connectedByStore", TrialProtocol.apart,
            TrialProtocol.system(.connectedByStore, [.stranded, .stranded, .stranded], deaths: 0, hours: 3))
    }
}
