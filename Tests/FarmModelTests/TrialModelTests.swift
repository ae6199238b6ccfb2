import FarmModel
import Testing

@Suite struct TrialModelTests {
    @Test func oneTrialAtATime() {
        holds("trial, two requests, both may die", TrialProtocol.system(requests: 2, deaths: 2))
        holds("trial, three requests, a death", TrialProtocol.system())
    }

    @Test(
        arguments: [
            (.looseClaim, TrialProtocol.one), (.notMovedOn, TrialProtocol.one), (.notDue, TrialProtocol.one),
            (.endedByHandOnly, TrialProtocol.again),
        ] as [(TrialProtocol.Mutation, String)])
    func withoutAPartItBreaks(_ mutation: TrialProtocol.Mutation, _ property: String) {
        breaks("trial, \(mutation)", property, TrialProtocol.system(mutation, requests: 2))
    }
}
