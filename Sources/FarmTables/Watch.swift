import CFarm
import CFarmABI
import FarmCore

/// What the log is told of farms without anybody's asking: conditions that hold, refusals, members that no longer report. Looked
/// for by children when they renew a view or refuse a request, by whoever changes a state or asks for the status, and by the
/// parent's tick.
extension Engine {
    /// Looks at a farm, which is in this condition, and writes the lines that are this process's to write. Monotonic microseconds
    /// at which to look again; `UInt64.max`: when something changes.
    @inline(never)
    func watch(farm at: Int, _ condition: Condition, now: UInt64) -> UInt64 {
        // A child of an older configuration has other members.
        guard !isOutside, isCurrent else { return .max }
        let farm = farms[at]
        let look = ConditionWatch.look(farm.row, condition, now: now)
        if let line = look.line { Log.condition(farm, line, now: now) }
        let untold = ConditionWatch.untold(farm.row, now: now)
        if untold > 0 { Log.refusedMore(farm.row, untold) }
        watchReports(farm, now: now)
        return look.isPending ? now &+ ConditionWatch.soon : .max
    }

    /// The same of a farm whose condition is not known yet.
    func watch(farm at: Int, now: UInt64) {
        let deadline = watch(farm: at, farms[at].condition(now: now), now: now)
        if deadline != .max { farms[at].lookAgain(at: deadline) }
    }

    /// Members that are wanted and have gone out, or report again.
    private func watchReports(_ farm: Farm, now: UInt64) {
        guard farm.freshness.expect != 0, !farm.freshness.ignores else { return }
        for member in farm.members {
            let row = member.row
            let isIn = farm.freshness.isIn(row, now: now)
            let isTold = farm_get32(&row.pointee.fresh_told) != 0
            if !isIn && !isTold && row.state.admin == .on {
                if farm_swap32(&row.pointee.fresh_told, 0, 1) != 0 {
                    Log.reportsNoMore(farm.row, row, expect: farm.freshness.expect, now: now)
                }
            } else if isIn && isTold && farm_swap32(&row.pointee.fresh_told, 1, 0) != 0 {
                Log.reportsAgain(farm.row, row)
            }
        }
    }

    /// Notes that a request is refused. What the log shall say of it and of those before it, into `room`; its length, 0: no line
    /// now.
    public func refused(
        _ request: farm_request, condition: Condition, into room: UnsafeMutableBufferPointer<UInt8>
    ) -> Int {
        let at = Int(request.farm)
        guard at < farms.count else { return 0 }
        let count = isOutside ? 1 : ConditionWatch.refused(farms[at].row, now: farm_host_clock())
        guard count > 0 else { return 0 }
        var used = 0
        do {
            var out = ByteWriter { bytes, length in
                let length = min(length, room.count - used)
                guard length > 0, let start = room.baseAddress else { return }
                UnsafeMutableRawPointer(start + used).copyMemory(from: bytes, byteCount: length)
                used += length
            }
            Refusal(farm: farms[at], request: request, condition: condition, now: farm_host_clock()).write(to: &out)
            if count > 1 {
                out.text(" (")
                out.number(UInt64(count))
                out.text(" requests refused since the last such line)")
            }
        }
        return used
    }
}

/// Why a farm cannot serve a request, in the words of the log.
struct Refusal {
    let farm: Farm
    let request: farm_request
    let condition: Condition
    let now: UInt64

    func write(to out: inout ByteWriter) {
        let strict = FARM_REQUEST_NAMED | FARM_REQUEST_STRICT
        if request.flags & strict == strict, Int(request.named) < farm.members.count {
            out.text("the only member that an instruction allows, ")
            out.cString(farm_member_row_name(farm.members[Int(request.named)].row), limit: Names.longest)
            switch condition {
            case .ok: return out.text(", has been tried")
            case .full: return out.text(", is at its maxinflight")
            case .offline: return out.text(", is administratively offline")
            case .down: return out.text(", is down")
            }
        }
        switch condition {
        case .ok: out.text("no member that it has not tried is available")
        case .full: out.text("every available member is at its maxinflight")
        case .offline: out.text("it is administratively offline")
        case .down:
            let count = MemberCount(farm, now: now)
            if count.out > 0 && count.down == 0 { return out.text("it is down: no member reports (FarmExpectUpdate)") }
            out.text("it is down: no member is available")
            count.writeLastError(to: &out)
        }
    }
}

/// How many members of a farm are not available, by the reason.
struct MemberCount {
    private(set) var all: UInt64
    /// Administratively on, and health is down.
    private(set) var down: UInt64 = 0
    /// On and up, and they do not report.
    private(set) var out: UInt64 = 0
    private(set) var off: UInt64 = 0
    private(set) var draining: UInt64 = 0
    /// On, up and reporting.
    private(set) var available: UInt64 = 0
    /// Of those that are down the one that failed last.
    private var failed: MemberRow?

    init(_ farm: Farm, now: UInt64) {
        all = UInt64(farm.members.count)
        for member in farm.members {
            let row = member.row
            switch row.state.admin {
            case .off: off += 1
            case .drain: draining += 1
            case .on:
                if !row.state.isUp {
                    down += 1
                    note(row)
                } else if farm.freshness.isIn(row, now: now) {
                    available += 1
                } else {
                    out += 1
                }
            }
        }
    }

    private mutating func note(_ row: MemberRow) {
        let at = farm_get64(&row.pointee.last_error_at)
        guard at != 0, LastError(word: farm_get32(&row.pointee.last_error)).isSome else { return }
        if let failed, farm_get64(&failed.pointee.last_error_at) >= at { return }
        failed = row
    }

    func writeLastError(to out: inout ByteWriter) {
        guard let failed else { return }
        out.text("; member ")
        out.cString(farm_member_row_name(failed), limit: Names.longest)
        out.text(" failed last: ")
        LastError(word: farm_get32(&failed.pointee.last_error)).write(to: &out)
    }

    /// `2 of 3 members down, 1 administratively off`.
    func write(to out: inout ByteWriter) {
        var isFirst = true
        func part(_ out: inout ByteWriter, _ count: UInt64, _ what: StaticString) {
            guard count > 0 else { return }
            if !isFirst { out.text(", ") }
            out.number(count)
            if isFirst {
                out.text(" of ")
                out.number(all)
                out.text(all == 1 ? " member" : " members")
            }
            isFirst = false
            out.byte(0x20)
            out.text(what)
        }
        if all == 0 { return out.text("it has no members") }
        part(&out, down, "down")
        part(&out, self.out, "not reporting")
        part(&out, off, "administratively off")
        part(&out, draining, "draining")
    }
}
