import CFarm
import FarmCore

/// Rows of members and of their farm in ordinary memory, zeroed as shared memory is, with one process's ledger.
public final class Rows {
    public let farm: FarmRow
    public let members: UnsafeMutableBufferPointer<Member>
    private let memory: UnsafeMutablePointer<farm_member_row>
    private let ledger: UnsafeMutablePointer<UInt32>

    /// Members that are up, on, in tier 0 and without a limit, one for each weight; called m0, m1 and so on unless `names`
    /// are given.
    public init(weights: [UInt32], names: [String]? = nil) {
        let room = max(1, weights.count)
        farm = .allocate(capacity: 1)
        farm.initialize(to: farm_farm_row())
        memory = .allocate(capacity: room)
        memory.initialize(repeating: farm_member_row(), count: room)
        ledger = .allocate(capacity: room)
        ledger.initialize(repeating: 0, count: room)
        members = .allocate(capacity: weights.count)
        for (at, weight) in weights.enumerated() {
            memory[at].weight = weight
            let name = farm_member_row_name(memory + at)!
            for (place, byte) in (names?[at] ?? "m\(at)").utf8.prefix(Int(FARM_NAME_MAX)).enumerated() {
                name[place] = CChar(bitPattern: byte)
            }
            members.initializeElement(at: at, to: Member(row: memory + at, ledger: ledger + at))
        }
    }

    public convenience init(count: Int) { self.init(weights: [UInt32](repeating: 1, count: count)) }

    deinit {
        members.deallocate()
        ledger.deallocate()
        memory.deallocate()
        farm.deallocate()
    }

    public var count: Int { members.count }
    public subscript(at: Int) -> MemberRow { members[at].row }

    public func setState(_ at: Int, admin: Admin, down: Bool = false) {
        members[at].row.publish(MemberState(word: 0).with(admin: admin).with(downByFailures: down))
    }

    /// Requests in flight by the row and by the ledger.
    public func inflight(_ at: Int) -> (row: Int32, ledger: Int32) {
        (
            Int32(bitPattern: farm_get32(&members[at].row.pointee.inflight)),
            Int32(bitPattern: farm_get32(members[at].ledger))
        )
    }
}
