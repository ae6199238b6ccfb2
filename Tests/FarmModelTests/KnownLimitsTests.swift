import FarmModel
import Testing

/// What the code does not keep, each with its shortest counterexample. docs/model.md says what that means in practice. Whoever
/// mends one changes the model with the code, and the expectation here.
@Suite struct KnownLimitsTests {
    /// Repair leaves the values of a report as a dead writer left them: each is one that was reported.
    @Test func aReportWhoseWriterDiedMayStayHalf() {
        breaks(
            "limit: half a report after a death", RowProtocol.oneReport,
            RowProtocol.reports(relaxed: false, deaths: 1, secondIsMonitor: true))
    }

    /// Whether a farm is in panic is the view's word, also that of an old one while the next is made.
    @Test func aPanicThatIsOverMayGoOnForOneChoice() {
        breaks(
            "limit: an old view's panic", ChoiceProtocol.calm,
            ChoiceProtocol.system(
                nil,
                shape {
                    $0.choices = [1, 1]
                    $0.changes = 1
                    $0.panic = true
                }))
        holds(
            "a panic that is over, one thread",
            ChoiceProtocol.system(
                nil,
                shape {
                    $0.choices = [2]
                    $0.changes = 1
                    $0.panic = true
                }))
    }
}
