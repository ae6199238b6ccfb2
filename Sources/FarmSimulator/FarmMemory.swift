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
        health = PassiveHealth(fall: scenario.fall, retry: scenario.retry)
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

    /// The end of an attempt as the module charges it: see RequestLife in FarmTables.
    func charge(_ member: Int, _ charge: Verdict.Charge, wasTrial: Bool, wasAnswered: Bool, now: Time) {
        let row = row(member)
        switch charge {
        case .nothing:
            break
        case .success:
            guard PassiveHealth.successMatters(row, wasTrial: wasTrial) else { return }
            if health.succeeded(row, wasTrial: wasTrial, wallClock: now) == .cameUp { changed() }
        case .error, .failure:
            if !wasAnswered { Experience.failed(row, now: now) }
            guard charge == .failure else { return }
            let change = health.failed(row, wasTrial: wasTrial, now: now, wallClock: now)
            if change == .wentDown || change == .stillDown { changed() }
        }
    }

    func changed() { _ = farm_add64(&farm.pointee.generation, 1 << 32) }
}
