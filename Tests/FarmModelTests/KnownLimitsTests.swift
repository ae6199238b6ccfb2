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
}
