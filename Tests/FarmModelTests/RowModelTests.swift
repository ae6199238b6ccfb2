import FarmModel
import Testing

@Suite struct RowModelTests {
    @Test(arguments: [false, true])
    func aNoteIsOneNoteAndADeadWritersRowIsRepaired(relaxed: Bool) {
        let memory = relaxed ? "relaxed" : "ordered"
        holds("row, two administrators, \(memory)", RowProtocol.system(relaxed: relaxed, deaths: 0))
        // One try is enough where the second begins with what the first has learnt; it makes the run a third as long.
        let tries = relaxed ? 1 : 2
        holds(
            "row, two administrators, a death, \(memory)",
            RowProtocol.system(relaxed: relaxed, deaths: 1, tries: tries))
        holds(
            "row, administrator and monitor, a death, \(memory)",
            RowProtocol.system(relaxed: relaxed, deaths: 1, secondIsMonitor: true))
    }

    @Test func aReportIsOneReport() {
        for relaxed in [false, true] {
            let memory = relaxed ? "relaxed" : "ordered"
            holds("row, two reports, \(memory)", RowProtocol.reports(relaxed: relaxed, deaths: 0))
            holds(
                "row, a report and a monitor, \(memory)",
                RowProtocol.reports(relaxed: relaxed, deaths: 0, secondIsMonitor: true))
            holds("row, two reports, a death, \(memory)", RowProtocol.reports(relaxed: relaxed, deaths: 1))
        }
        breaks(
            "row, two reports, noMark", RowProtocol.oneReport,
            RowProtocol.reports(.noMark, relaxed: false, deaths: 0))
    }

    @Test func bothWritersMayDie() {
        holds("row, two administrators, two deaths, ordered", RowProtocol.system(relaxed: false, deaths: 2))
        holds(
            "row, administrator and monitor, two deaths, relaxed",
            RowProtocol.system(relaxed: true, deaths: 2, secondIsMonitor: true, tries: 1))
    }

    @Test func theParentRepairsWhatTheDeadHaveLeft() {
        for secondIsMonitor in [false, true] {
            holds(
                "row, \(secondIsMonitor ? "administrator and monitor" : "two administrators"), two deaths, and the parent",
                RowProtocol.system(
                    relaxed: false, deaths: 2, secondIsMonitor: secondIsMonitor, tries: 1, parent: true))
        }
    }

    @Test(
        arguments: [
            (.noLock, RowProtocol.alone), (.noMark, RowProtocol.whole), (.noRepair, RowProtocol.repaired),
            (.noFenceAfterMark, RowProtocol.whole), (.noFenceBeforeLastLook, RowProtocol.whole),
            (.relaxedEnd, RowProtocol.whole), (.relaxedFirstLook, RowProtocol.whole),
        ] as [(RowProtocol.Mutation, String)])
    func withoutAPartItBreaks(_ mutation: RowProtocol.Mutation, _ property: String) {
        breaks(
            "row, \(mutation)", property,
            RowProtocol.system(mutation, relaxed: true, deaths: 1, secondIsMonitor: true))
    }

    /// What memory order is for: where memory is ordered, fences and publishing change nothing.
    @Test(
        arguments: [.noFenceAfterMark, .noFenceBeforeLastLook, .relaxedEnd, .relaxedFirstLook]
            as [RowProtocol.Mutation])
    func orderMattersInRelaxedMemoryOnly(_ mutation: RowProtocol.Mutation) {
        holds(
            "row, \(mutation), ordered",
            RowProtocol.system(mutation, relaxed: false, deaths: 1, secondIsMonitor: true))
    }
}
