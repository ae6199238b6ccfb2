import CFarm
import CFarmABI
import FarmCore

/// The lines about conditions, refusals and reports.
extension Log {
    static func condition(_ farm: Farm, _ line: ConditionWatch.Line, now: UInt64) {
        let count = MemberCount(farm, now: now)
        switch line.condition {
        case .down:
            Self.line(FARM_LOG_WARNING, 140) { out in
                begin(&out, farm, " is down: ")
                count.write(to: &out)
                count.writeLastError(to: &out)
                refused(&out, line.refused)
            }
        case .full:
            Self.line(FARM_LOG_WARNING, 141) { out in
                begin(&out, farm, " is full, for ")
                out.span(microseconds: line.length * 1000)
                out.text(count.available == 1 ? ": its available member" : ": each of its ")
                if count.available != 1 {
                    out.number(count.available)
                    out.text(" available members")
                }
                out.text(" is at its maxinflight")
                refused(&out, line.refused)
            }
        case .offline:
            Self.line(FARM_LOG_NOTICE, 142) { out in
                begin(&out, farm, " is offline: ")
                if farm.admin != .on {
                    out.text("the farm itself is administratively ")
                    out.text(farm.admin.name)
                    setBy(&out, &farm.row.pointee.sequence, farm_row_note(farm.row))
                } else {
                    count.write(to: &out)
                    if let last = lastSet(farm) {
                        setBy(&out, &last.pointee.sequence, farm_member_row_note(last))
                    }
                }
                refused(&out, line.refused)
            }
        case .ok:
            Self.line(FARM_LOG_NOTICE, 143) { out in
                begin(&out, farm, " is ok again after ")
                out.span(microseconds: line.length * 1000)
                refused(&out, line.refused)
            }
        }
    }

    private static func begin(_ out: inout ByteWriter, _ farm: Farm, _ what: StaticString) {
        out.text("farm ")
        out.cString(farm_row_name(farm.row), limit: Names.longest)
        out.text(what)
    }

    private static func refused(_ out: inout ByteWriter, _ count: UInt64) {
        guard count > 0 else { return }
        out.text("; ")
        out.number(count)
        out.text(count == 1 ? " request refused" : " requests refused")
    }

    /// The member that is off or draining whose state was set last.
    private static func lastSet(_ farm: Farm) -> MemberRow? {
        var last: MemberRow?
        for member in farm.members where member.row.state.admin != .on {
            let since = farm_get64(&member.row.pointee.note.since_us)
            if last.map({ farm_get64(&$0.pointee.note.since_us) < since }) ?? true { last = member.row }
        }
        return last
    }

    /// Who set a state, where that can be read as one piece just now.
    private static func setBy(_ out: inout ByteWriter, _ sequence: UnsafeMutablePointer<UInt32>, _ note: AdminNote) {
        var copy = farm_admin_note()
        withUnsafeMutablePointer(to: &copy) { copy in
            guard RowWriting.read(sequence, { note.copy(to: copy) }) else { return }
            out.text(", set by ")
            let by = ByteWriter.bytes(of: farm_note_by(copy), limit: AdminWord.longestBy)
            if by.isEmpty { out.text("the configuration") } else { out.bytes(by) }
            let reason = ByteWriter.bytes(of: farm_note_reason(copy), limit: AdminWord.longestReason)
            guard !reason.isEmpty else { return }
            out.text(": ")
            out.bytes(reason)
        }
    }

    /// Refusals of which FARM00012 has not told.
    static func refusedMore(_ farm: FarmRow, _ count: UInt32) {
        line(FARM_LOG_ERROR, 144) { out in
            out.text("farm ")
            out.cString(farm_row_name(farm), limit: Names.longest)
            out.text(": ")
            out.number(UInt64(count))
            out.text(count == 1 ? " more request was refused" : " more requests were refused")
        }
    }

    static func reportsNoMore(_ farm: FarmRow, _ row: MemberRow, expect: UInt64, now: UInt64) {
        line(FARM_LOG_WARNING, 145) { out in
            member(&out, farm, row)
            let updated = farm_get64(&row.pointee.updated_us)
            if updated == 0 {
                out.text(" is out: it has never reported")
            } else {
                out.text(" is out: it has not reported for ")
                out.span(microseconds: now > updated ? now - updated : 0)
            }
            out.text(" (FarmExpectUpdate ")
            out.span(microseconds: expect)
            out.byte(0x29)
        }
    }

    static func reportsAgain(_ farm: FarmRow, _ row: MemberRow) {
        line(FARM_LOG_NOTICE, 146) { out in
            member(&out, farm, row)
            out.text(" reports again")
        }
    }
}
