import FarmModel
import Testing

@Suite struct RowModelTests {
    @Test(arguments: [false, true])
    func aNoteIsOneNoteAndADeadWritersRowIsRepaired(relaxed: Bool) {
        let memory = relaxed ? "relaxed" : "ordered"
        holds("row, two administrators, \(memory)", RowProtocol.system(relaxed: relaxed, deaths: 0))
        holds("row, two administrators, a death, \(memory)", RowProtocol.system(relaxed: relaxed, deaths: 1))
        holds(
            "row, administrator and monitor, a death, \(memory)",
            RowProtocol.system(relaxed: relaxed, deaths: 1, secondIsMonitor: true))
    }

    @Test func bothWritersMayDie() {
        holds("row, two administrators, two deaths, ordered", RowProtocol.system(relaxed: false, deaths: 2))
        holds(
            "row, administrator and monitor, two deaths, relaxed",
            RowProtocol.system(relaxed: true, deaths: 2, secondIsMonitor: true, tries: 1))
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
