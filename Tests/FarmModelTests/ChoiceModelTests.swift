import FarmModel
import Testing

@Suite struct ChoiceModelTests {
    @Test func aChoiceIsRightWhateverAViewSays() {
        holds("choice, two threads with one and two choices, two changes", ChoiceProtocol.system())
        holds(
            "choice, deadlines pass, one change",
            ChoiceProtocol.system(nil, shape { ($0.changes, $0.expires) = (1, true) }))
    }

    /// Where `changed` releases what was published before it, or a fence stands between, as with what administrators say, memory
    /// order takes nothing away.
    @Test func theViewsArePublishedInRelaxedMemory() {
        func system(releases: Bool, fenced: Bool) -> System {
            ChoiceProtocol.system(
                nil,
                shape {
                    $0.choices = [1, 1]
                    $0.changes = 1
                    $0.isRelaxed = true
                    $0.changedReleases = releases
                    $0.isFenced = fenced
                })
        }
        holds("choice, relaxed, a fence before `changed`", system(releases: false, fenced: true))
        holds("choice, relaxed, `changed` releases", system(releases: true, fenced: false))
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
}
