import CFarm
import CFarmABI
import FarmCore

/// Samples of how farms and their members stand, for the rates and charts of the status.
extension Engine {
    /// Takes a sample of a farm and its members when it is time for one. The parent.
    func noteHistory(farm at: Int, now: UInt64) {
        let farm = farms[at]
        var inflight: UInt32 = 0
        for local in 0..<farm.members.count {
            let row = farm.members[local].row
            inflight &+= InFlight.count(row)
            let history = history(farm: at, local: local)
            if history.isDue(now: now) { history.note(Self.sample(row, now: now)) }
        }
        let history = history(farm: at)
        if history.isDue(now: now) { history.note(Self.sample(farm.row, inflight: inflight, now: now)) }
    }

    func history(farm at: Int) -> History { tables.history(farm: farmPlaces[at]) }

    func history(farm at: Int, local: Int) -> History {
        tables.history(member: memberPlaces[Int(firstMember(UInt32(at))) + local])
    }

    /// How a member, or a copy of its row, stands now.
    static func sample(_ row: MemberRow, now: UInt64) -> History.Sample {
        History.Sample(
            at: now, requests: farm_get64(&row.pointee.requests), failures: farm_get64(&row.pointee.errors),
            inflight: InFlight.count(row))
    }

    /// The same of a farm.
    static func sample(_ row: FarmRow, inflight: UInt32, now: UInt64) -> History.Sample {
        History.Sample(
            at: now, requests: farm_get64(&row.pointee.requests), failures: farm_get64(&row.pointee.failovers),
            inflight: inflight)
    }
}
