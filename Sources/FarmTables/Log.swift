import CFarm
import CFarmABI
import FarmCore

/// The lines the module writes to httpd's error log, each with a number of its own that is never used for another
/// (docs/log-numbers.md).
enum Log {
    static func wentDown(
        _ farm: FarmRow, _ row: MemberRow, _ error: LastError, _ health: PassiveHealth, _ failure: PassiveHealth.Failure
    ) {
        line(FARM_LOG_WARNING, 101) { out in
            member(&out, farm, row)
            out.text(" is down: ")
            error.write(to: &out)
            let count =
                failure.isDoubtful ? farm_get32(&row.pointee.doubts) : farm_get32(&row.pointee.fails)
            if count > 1 {
                out.text(", ")
                out.number(UInt64(count))
                out.text(failure.isDoubtful ? " doubtful failures in a row" : " failures in a row")
            }
            out.text("; a request tries it again in ")
            out.span(microseconds: health.retry)
        }
    }

    static func stillDown(_ farm: FarmRow, _ row: MemberRow, _ error: LastError, now: UInt64) {
        line(FARM_LOG_INFO, 102) { out in
            member(&out, farm, row)
            out.text(" is still down: its trial failed: ")
            error.write(to: &out)
            out.text("; the next trial in ")
            let at = farm_get64(&row.pointee.retry_at)
            out.span(microseconds: at > now ? at - now : 0)
        }
    }

    static func cameUp(_ farm: FarmRow, _ row: MemberRow) {
        line(FARM_LOG_NOTICE, 103) { out in
            member(&out, farm, row)
            out.text(" is up again: it answered its trial")
        }
    }

    static func repaired(_ row: MemberRow, deadWriter: UInt32) {
        line(FARM_LOG_WARNING, 104) { out in
            out.text("process ")
            out.number(UInt64(deadWriter))
            out.text(" died while it wrote the row of member ")
            out.cString(farm_member_row_name(row), limit: Names.longest)
            out.text("; the row has been repaired")
        }
    }

    static func lockFailed(_ row: MemberRow) {
        line(FARM_LOG_ERROR, 105) { out in
            out.text("the lock of member ")
            out.cString(farm_member_row_name(row), limit: Names.longest)
            out.text(" could not be taken; a change of its state is lost")
        }
    }

    static func noSlot(_ slots: UInt32) {
        line(FARM_LOG_ERROR, 106) { out in
            out.text("all ")
            out.number(UInt64(slots))
            out.text(" slots for processes are in use: this child serves no farm; stop httpd and start it again")
        }
    }

    /// What a monitor's verdict has changed, or that of somebody at farm-manager (`by`).
    static func monitored(
        _ farm: FarmRow, _ row: MemberRow, _ change: PassiveHealth.Change, by: UnsafeBufferPointer<UInt8>? = nil
    ) {
        guard change == .wentDown || change == .cameUp else { return }
        line(FARM_LOG_NOTICE, change == .wentDown ? 107 : 108) { out in
            member(&out, farm, row)
            out.text(
                change == .wentDown
                    ? " is down: " : row.state.isUp ? " is up again: " : " is up, and awaits its trial: ")
            if let by {
                out.bytes(by)
            } else {
                out.text("a monitor")
            }
            out.text(" says so")
            if change == .wentDown { out.text("; it stays down until health=up is said") }
        }
    }

    /// What the administrator said of a member, or of a farm when there is none.
    static func administered(_ farm: FarmRow, _ row: MemberRow?, _ admin: Admin, _ word: AdminWord) {
        line(FARM_LOG_NOTICE, row == nil ? 111 : 110) { out in
            whom(&out, farm, row)
            out.text(" is administratively ")
            out.text(admin.name)
            out.text(": by ")
            out.bytes(word.by)
            if word.until != 0 {
                out.text(" until ")
                out.time(word.until)
            }
            if !word.reason.isEmpty {
                out.text(": ")
                out.bytes(word.reason)
            }
        }
    }

    static func weighed(_ farm: FarmRow, _ row: MemberRow, _ weight: UInt32, by: UnsafeBufferPointer<UInt8>) {
        line(FARM_LOG_NOTICE, 112) { out in
            member(&out, farm, row)
            out.text(" has the weight ")
            out.number(UInt64(weight))
            out.text(": by ")
            out.bytes(by)
        }
    }

    static func stateEnded(_ farm: FarmRow, _ row: MemberRow?) {
        line(FARM_LOG_NOTICE, 113) { out in
            whom(&out, farm, row)
            out.text(" is administratively on again: the time it was taken out for is over")
        }
    }

    static func ejected(_ farm: FarmRow, _ row: MemberRow, retry: UInt64) {
        line(FARM_LOG_WARNING, 114) { out in
            member(&out, farm, row)
            out.text(" is down: it stands out from its farm, with ")
            out.number(UInt64(farm_get32(&row.pointee.recent_failures)))
            out.text(" failures and errors in ")
            out.number(UInt64(farm_get32(&row.pointee.recent_requests)))
            out.text(" recent requests and a latency of ")
            let latency = Experience.latency(row) ?? 0
            out.span(microseconds: latency >= 0 && latency < 1e12 ? UInt64(latency) : 0)
            out.text("; a request tries it again in ")
            out.span(microseconds: retry)
        }
    }

    static func lockFailed(_ row: FarmRow) {
        line(FARM_LOG_ERROR, 115) { out in
            out.text("the lock of farm ")
            out.cString(farm_row_name(row), limit: Names.longest)
            out.text(" could not be taken; a change of its state is lost")
        }
    }

    static func repaired(_ row: FarmRow, deadWriter: UInt32) {
        line(FARM_LOG_WARNING, 116) { out in
            out.text("process ")
            out.number(UInt64(deadWriter))
            out.text(" died while it wrote the row of farm ")
            out.cString(farm_row_name(row), limit: Names.longest)
            out.text("; the row has been repaired")
        }
    }

    static func late() {
        line(FARM_LOG_NOTICE, 119) { out in
            out.text(
                "two configurations have been taken since this child was forked: it ends before it serves anybody, ")
            out.text("and newer ones serve in its place")
        }
    }

    /// Never what stands in the cookie.
    static func instructionIgnored(_ farm: FarmRow, _ result: InstructionResult) {
        line(FARM_LOG_INFO, 118) { out in
            out.text("farm ")
            out.cString(farm_row_name(farm), limit: Names.longest)
            out.text(": an instruction cookie is ignored: ")
            out.text(result.name)
        }
    }

    static func noRoomForState(_ name: MetricName) {
        line(FARM_LOG_WARNING, 117) { out in
            out.text("the state file has the metric ")
            name.write(to: &out)
            out.text(", and the table has no room for its name: it is forgotten; raise FarmTable metrics=N")
        }
    }

    static func namesLockFailed() {
        line(FARM_LOG_ERROR, 130) { out in
            out.text(
                "the lock of the metrics' names could not be taken: a name that was new has got no number, and its ")
            out.text("metric is not kept")
        }
    }

    static func unreadMetrics(_ farm: FarmRow, _ row: MemberRow, _ count: Int) {
        line(FARM_LOG_WARNING, 131) { out in
            member(&out, farm, row)
            out.text(": the state file has ")
            out.number(UInt64(count))
            out.text(" of its metrics in a form that cannot be read; they are forgotten, all else is kept")
        }
    }

    private static func whom(_ out: inout ByteWriter, _ farm: FarmRow, _ row: MemberRow?) {
        if let row { return member(&out, farm, row) }
        out.text("farm ")
        out.cString(farm_row_name(farm), limit: Names.longest)
    }

    static func noRoomForMetric(_ name: MetricName, capacity: UInt32) {
        line(FARM_LOG_ERROR, 109) { out in
            out.text("FarmLoad names the metric ")
            name.write(to: &out)
            out.text(", and the table's room for ")
            out.number(UInt64(capacity))
            out.text(" names is used up: the load is unknown; write FarmTable metrics=N, stop httpd and start it again")
        }
    }

    static func member(_ out: inout ByteWriter, _ farm: FarmRow, _ row: MemberRow) {
        out.text("farm ")
        out.cString(farm_row_name(farm), limit: Names.longest)
        out.text(": member ")
        out.cString(farm_member_row_name(row), limit: Names.longest)
    }

    static func line(_ level: UInt32, _ number: UInt32, _ body: (inout ByteWriter) -> Void) {
        var out = ByteWriter { bytes, length in
            farm_host_log(level, number, UnsafeRawPointer(bytes).assumingMemoryBound(to: CChar.self), UInt32(length))
        }
        body(&out)
    }
}
