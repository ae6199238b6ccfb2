import FarmModel
import Testing

@Suite struct ChoiceModelTests {
    @Test func aChoiceIsRightWhateverAViewSays() {
        holds("choice, two threads with one and two choices, two changes", ChoiceProtocol.system())
        holds(
            "choice, deadlines pass, one change",
            ChoiceProtocol.system(nil, shape { ($0.changes, $0.expires) = (1, true) }))
    }

    /// Where `changed` releases what was published before it, memory order takes nothing away.
    @Test func theViewsArePublishedInRelaxedMemory() {
        holds(
            "choice, relaxed memory, `changed` releases",
            ChoiceProtocol.system(
                nil,
                shape {
                    $0.choices = [1, 1]
                    $0.changes = 1
                    $0.isRelaxed = true
                    $0.changedReleases = true
                }))
    }

    @Test(
        arguments: [
            (.stampedLate, ChoiceProtocol.known), (.changedFirst, ChoiceProtocol.known),
            (.twoBuilders, ChoiceProtocol.known), (.viewBelieved, ChoiceProtocol.asked),
            (.noLastLook, ChoiceProtocol.refused), (.orderEmptied, ChoiceProtocol.members),
        ] as [(ChoiceProtocol.Mutation, String)])
    func withoutAPartItBreaks(_ mutation: ChoiceProtocol.Mutation, _ property: String) {
        breaks("choice, \(mutation)", property, ChoiceProtocol.system(mutation))
    }

    private func shape(_ change: (inout ChoiceProtocol.Shape) -> Void) -> ChoiceProtocol.Shape {
        var shape = ChoiceProtocol.Shape()
        change(&shape)
        return shape
    }
}
