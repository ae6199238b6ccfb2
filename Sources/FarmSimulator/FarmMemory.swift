import CFarm
import FarmCore

/// The rows of one balancer's farm in ordinary memory, zeroed as shared memory is, with the ledger of its processes, and
/// what the module does with a row when an attempt ends.
final class FarmMemory {
    let farm: FarmRow
    /// As each process sees them.
    let members: [UnsafeMutableBufferPointer<Member>]
    let health: PassiveHealth
    private let rows: UnsafeMutablePointer<farm_member_row>
    private let ledger: UnsafeMutablePointer<UInt32>

    init(_ scenario: Scenario) {
        let count = scenario.members.count
        health = PassiveHealth(fall: scenario.fall, retry: scenario.retry, recover: scenario.recover)
        farm = .allocate(capacity: 1)
        farm.initialize(to: farm_farm_row())
        rows = .allocate(capacity: count)
        rows.initialize(repeating: farm_member_row(), count: count)
        ledger = .allocate(capacity: count * scenario.processes)
        ledger.initialize(repeating: 0, count: count * scenario.processes)
        members = (0..<scenario.processes).map { _ in .allocate(capacity: count) }
        for (at, model) in scenario.members.enumerated() {
            rows[at].weight = model.weight
            // The ring of `hash` goes by names.
            let name = farm_member_row_name(rows + at)!
            for (place, byte) in "member-\(at)".utf8.enumerated() { name[place] = CChar(byte) }
            rows[at].status = model.joins > 0 ? FARM_ADMIN_OFF : FARM_ADMIN_ON
            for (process, members) in members.enumerated() {
                members.initializeElement(at: at, to: Member(row: rows + at, ledger: ledger + process * count + at))
            }
        }
    }

    deinit {
        for members in members { members.deallocate() }
        ledger.deallocate()
        rows.deallocate()
        farm.deallocate()
    }

    func row(_ member: Int) -> MemberRow { rows + member }

    func setOn(_ member: Int) {
        row(member).publish(row(member).state.with(admin: .on))
        changed()
    }

    /// Whether a member has answered since its last failure, or never failed.
    func isSound(_ member: Int) -> Bool { !PassiveHealth.successMatters(row(member)) }

    /// The end of an attempt as the module charges it: see RequestLife in FarmTables. A member that broke the request is
    /// charged by `blame`, when it is known whether another one answers.
    func charge(_ pick: Pick, _ charge: Verdict.Charge, wasAnswered: Bool, took: Time, now: Time) {
        let row = row(pick.member)
        if pick.isTrial {
            if charge == .unreachable {
                health.didNotConnect(row, began: now - took, now: now)
            } else {
                PassiveHealth.connected(row, began: now - took)
            }
        }
        switch charge {
        case .nothing:
            break
        case .success:
            if pick.isTrial && health.trialHeld(row, wallClock: now) == .cameUp { changed() }
            if PassiveHealth.successMatters(row) { PassiveHealth.completed(row) }
        case .error, .broken, .unreachable:
            if !wasAnswered { Experience.failed(row, now: now) }
            if charge == .unreachable { blame(pick, isDoubtful: false, isOfRequest: false, now: now) }
        }
    }

    /// Charges a member for a request that it could not serve. `isOfRequest`: others could not serve it either.
    func blame(_ pick: Pick, isDoubtful: Bool, isOfRequest: Bool, now: Time) {
        let row = row(pick.member)
        var failure = PassiveHealth.Failure(
            isDoubtful: isDoubtful, wasTrial: pick.isTrial && !pick.isStranded && !isOfRequest)
        if isDoubtful && health.isLastDoubt(row, now: now) {
            failure.mayPutDown =
                DoubtGuard(
                    UnsafeBufferPointer(members[0]), freshness: .off, retry: health.retry, now: now
                ).mayPutDown
        }
        let change = health.failed(row, failure, now: now, wallClock: now)
        if change == .wentDown || change == .stillDown { changed() }
    }

    func changed() { _ = farm_add64(&farm.pointee.generation, 1 << 32) }
}
