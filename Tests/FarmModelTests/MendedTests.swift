import FarmModel
import Testing

/// What the model has found and the code does otherwise since: each breaks as it was.
@Suite struct MendedTests {
    /// The state file read the state after the copy of the note.
    @Test func theStateFileHeldAStateWithTheNoteOfAnother() {
        breaks(
            "without it: the state after the copy", RowProtocol.whole,
            RowProtocol.system(relaxed: false, deaths: 0, reading: .init(stateAfterwards: true)))
    }

    /// A slot that is claimed and has no configuration yet showed that of its owner before.
    @Test func aSlotToldOfTheConfigurationOfItsOwnerBefore() {
        let configurations = [[1], [], [], [2]]
        breaks(
            "without it: a slot's configuration is its last owner's", CarryOverProtocol.unused,
            CarryOverProtocol.system(nil, configurations, deaths: 0, patience: .oneBehind, remedy: .none))
        holds(
            "with it: a released slot forgets it",
            CarryOverProtocol.system(nil, configurations, deaths: 1, patience: .oneBehind, remedy: .cleared))
    }

    /// `Farm.changed` was a relaxed addition: on a processor that reorders it with the store before, a view bore the new
    /// generation and did not know the change.
    @Test func aViewBoreAGenerationThatItDidNotKnow() {
        breaks(
            "without it: `changed` is relaxed", ChoiceProtocol.known,
            ChoiceProtocol.system(
                nil,
                shape {
                    $0.choices = [1, 1]
                    $0.changes = 1
                    $0.isRelaxed = true
                    $0.changedReleases = false
                }))
    }

    /// A process that died after it had published a state and before `changed` left views that nobody renewed.
    @Test func aChangeWhoseWriterDiedBeforeChangedWasNotSeenByViews() {
        breaks(
            "without it: death before `changed`", ChoiceProtocol.swapped,
            ChoiceProtocol.system(
                nil,
                shape {
                    $0.choices = [1]
                    $0.changes = 1
                    $0.deaths = 1
                }))
        holds(
            "with it: the parent calls `changed` for a process that is gone",
            ChoiceProtocol.system(
                nil,
                shape {
                    $0.choices = [1, 1]
                    $0.changes = 1
                    $0.deaths = 1
                    $0.parentChanges = true
                }))
    }

    /// `noteFailure` looked at the clock before it had the lock, and wrote what followed from it over what a later failure had
    /// written.
    @Test func aLateFailureTookBackALaterOnes() {
        breaks(
            "without it: a late failure", TrialProtocol.doubled,
            TrialProtocol.system(
                nil, [.repeatable, .repeatable, .repeatable], retry: 1, deaths: 0, hours: 3,
                clockBeforeLock: true))
    }

    /// A reader that had tried for long believed its last copy, unless `writing` was 1 when it read that word.
    @Test func aCopyThatWasNeverConfirmedWasBelieved() {
        breaks(
            "without it: an unconfirmed copy is believed", RowProtocol.whole,
            RowProtocol.system(relaxed: false, deaths: 0, tries: 1, reading: .init(believesLast: true)))
        breaks(
            "without it: an unconfirmed copy is believed, only the first writer is slow or dead", RowProtocol.whole,
            RowProtocol.system(relaxed: false, deaths: 1, tries: 2, reading: .init(believesLast: true)))
    }

    /// Between fork and claimSlot nobody knows of a child. CarryOverModelTests has the same with its second look.
    @Test func aChildThatWasTwoConfigurationsLateServed() {
        breaks(
            "without it: a child two configurations late", CarryOverProtocol.unused,
            CarryOverProtocol.system(nil, [[1], [], [], [2]], deaths: 0, remedy: .cleared))
    }

    /// A child without a slot chose nobody, but stored updates and changes all the same.
    @Test func aChildWithoutASlotWrote() {
        let configurations = [[1], [1], [], [], [2]]
        breaks(
            "without it: a child without a slot writes", CarryOverProtocol.unused,
            CarryOverProtocol.system(
                nil, configurations, deaths: 0, patience: .claimed, slots: 1, writesWithoutSlot: true))
        holds(
            "with it: a child without a slot writes nothing",
            CarryOverProtocol.system(nil, configurations, deaths: 0, patience: .claimed, slots: 1))
    }

    /// Whether a farm is in panic is the view's word, also that of an old one while the next was made.
    @Test func aPanicThatWasOverWentOnForOneChoice() {
        let shape = shape {
            $0.choices = [1, 1]
            $0.changes = 1
            $0.panic = true
        }
        breaks(
            "without it: an old view's panic", ChoiceProtocol.calm, ChoiceProtocol.system(.oldPanicGoesOn, shape))
        holds("with it: in panic the rows are asked", ChoiceProtocol.system(nil, shape))
    }
}
