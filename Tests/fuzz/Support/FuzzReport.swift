import CFarm
import CFarmABI

/// farm_on_report through an open attempt: a report is stored or counted as bad, and nothing else happens.
public enum FuzzReport {
    nonisolated(unsafe) private static let world = FuzzWorld()

    public static func send(_ form: StaticString, _ input: UnsafeBufferPointer<UInt8>) {
        for farm in [0, 1] { send(form, input, farm: farm) }
    }

    private static func send(_ form: StaticString, _ input: UnsafeBufferPointer<UInt8>, farm: Int) {
        world.restart()
        var request = farm_request()
        request.farm = UInt32(farm)
        guard farm_on_choose(world.engine, &request, FuzzHost.now) == 1 else { finding("no member was chosen") }
        let first = farm == 0 ? 0 : 4
        let row = world.row(farm: farm, member: Int(request.member) - first)
        let stored = row.pointee.updates
        let before = world.memory()
        let header = UnsafeBufferPointer(start: form.utf8Start, count: form.utf8CodeUnitCount) + Array(input)
        withText(header) { text, length in farm_on_report(world.engine, &request, text, length) }
        let bad = row.pointee.bad_reports
        switch (row.pointee.updates - stored, bad) {
        case (1, 0): break
        case (0, 1):
            row.pointee.bad_reports = 0
            guard world.isAs(before) else { finding("a bad report has left something") }
        case (let updates, _): finding("one report counts as \(updates) and \(bad) bad ones")
        }
        world.checkNumbers()
        farm_on_drop(world.engine, &request)
        guard world.inflight == 0 else { finding("\(world.inflight) in flight") }
    }
}
