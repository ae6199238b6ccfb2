import CFarm
import CFarmABI
import FarmCore

/// Who took a member or farm out, why and until when, and how far it has come; and the forms to change that.
extension StatusSnapshot {
    /// `note` is a copy. `left`: what is still to be ended.
    func writeNote(
        _ out: inout ByteWriter, _ note: AdminNote, _ admin: Admin, left: (inflight: UInt64, clients: UInt64)
    ) {
        let by = ByteWriter.bytes(of: farm_note_by(note), limit: AdminWord.longestBy)
        let reason = ByteWriter.bytes(of: farm_note_reason(note), limit: AdminWord.longestReason)
        out.text("<b>")
        out.text(admin.name)
        if note.pointee.since_us == 0 {
            // The snapshot could have no copy of it: somebody is at it, or has died at it just now.
            return out.text("</b>, by whom and why is not known at this moment")
        }
        out.text("</b> by ")
        if by.isEmpty { out.text("the configuration") } else { writeWords(&out, by) }
        if !reason.isEmpty {
            out.text(": <q>")
            writeWords(&out, reason)
            out.text("</q>")
        }
        out.text(", since ")
        writeAgo(&out, note.pointee.since_us)
        if note.pointee.until_us != 0 {
            out.text(", until ")
            writeTime(&out, note.pointee.until_us)
            out.text(" (")
            out.duration((Double(note.pointee.until_us) - Double(wallClock)) / 1e6)
            out.text(" left)")
        }
        if admin != .on { writeProgress(&out, note.work, left) }
    }

    /// What somebody wrote, in any direction of writing: which has no effect on what stands beside it.
    private func writeWords(_ out: inout ByteWriter, _ words: UnsafeBufferPointer<UInt8>) {
        out.text("<bdi>")
        out.htmlText(words)
        out.text("</bdi>")
    }

    private func writeProgress(
        _ out: inout ByteWriter, _ work: AdminWord.Work?, _ left: (inflight: UInt64, clients: UInt64)
    ) {
        out.text(" <span class=\"drained\">")
        if left.inflight == 0 && left.clients == 0 {
            writeMark(&out, "good", "✔")
            return out.text("nothing in flight, nobody tied</span>")
        }
        writeLeft(&out, "in flight", left.inflight, of: work.map { UInt64($0.inflight) })
        out.text(", ")
        writeLeft(&out, "tied clients", left.clients, of: work.map { UInt64($0.clients) })
        out.text("</span>")
    }

    private func writeLeft(_ out: inout ByteWriter, _ what: StaticString, _ left: UInt64, of start: UInt64?) {
        if let start, start > 0 {
            // More may have come meanwhile, of those who are tied to it.
            let whole = max(start, left)
            out.text("<progress max=\"")
            out.number(whole)
            out.text("\" value=\"")
            out.number(whole - left)
            out.text("\" aria-label=\"")
            out.text(what)
            out.text("\"></progress> ")
        }
        out.text(what)
        out.byte(0x20)
        out.grouped(left)
        if let start {
            out.text(" of ")
            out.grouped(start)
        }
    }

    /// Since when a member is down, why, and when it is tried.
    func writeDown(_ out: inout ByteWriter, _ member: MemberReading) {
        out.text("<div class=\"failed\"><b>down</b> since ")
        writeTime(&out, member.row.pointee.status_since_us)
        out.text(" (")
        out.duration((Double(wallClock) - Double(member.row.pointee.status_since_us)) / 1e6)
        out.byte(0x29)
        if let error = member.lastError {
            out.text(": ")
            error.withText { out.html($0) }
        }
        if member.nextTrial != 0 {
            let left = (Double(member.nextTrial) - Double(wallClock)) / 1e6
            if left > 0 {
                out.text("; next trial in ")
                out.duration(left)
            } else {
                out.text("; the next request may try it")
            }
        } else if member.state.isDownByMonitor {
            out.text("; until somebody sets health=up")
        }
        out.text("</div>")
    }

    /// A moment, and how long ago it was.
    func writeAgo(_ out: inout ByteWriter, _ time: UInt64) {
        guard time != 0 else { return out.text("&ndash;") }
        writeTime(&out, time)
        out.text(" (")
        out.duration((Double(wallClock) - Double(time)) / 1e6)
        out.text(" ago)")
    }

    private func writeTime(_ out: inout ByteWriter, _ time: UInt64) {
        out.text("<time datetime=\"")
        out.time(time)
        out.text("\">")
        out.readableTime(time)
        out.text("</time>")
    }

    /// What may be changed of a member, or of the farm as a whole.
    func writeForms(
        _ out: inout ByteWriter, _ farm: FarmReading, _ member: MemberReading?, _ controls: StatusControls
    ) {
        // Of those with one name a browser keeps one open.
        out.text("<details class=\"forms\" name=\"forms\"><summary aria-label=\"Change ")
        out.html(member?.name ?? farm.name)
        out.text("\">Change</summary><div><p>")
        out.text(member == nil ? "The farm <b>" : "The member <b>")
        out.html(member?.name ?? farm.name)
        out.text("</b></p>")
        beginForm(&out, farm, member, controls)
        // Enter in a field presses a form's first button. That must not be one of those that change something, above all not
        // `on`; where the first is disabled, Enter does nothing (HTML, 4.10.21.2, Implicit submission).
        out.text("<button disabled hidden></button>")
        out.text("<label>Reason <input name=\"reason\" maxlength=\"191\" autocomplete=\"off\"></label>")
        out.text("<label>Until <input name=\"until\" size=\"12\" autocomplete=\"off\" title=\"An interval such as ")
        out.text("30min or 2h, or a time such as 2026-12-31T18:00:00Z\"></label><span class=\"buttons\">")
        for admin in [Admin.on, .drain, .off] {
            out.text("<button name=\"admin\" value=\"")
            out.text(admin.name)
            out.text("\">")
            out.text(admin.name)
            out.text("</button>")
        }
        out.text("</span></form>")
        if let member {
            beginForm(&out, farm, member, controls)
            out.text("<label>Weight <input name=\"weight\" type=\"number\" min=\"1\" max=\"1000\" title=\"now ")
            out.number(UInt64(member.row.pointee.weight))
            out.text("\"></label><span class=\"buttons\"><button>set</button></span><span class=\"buttons\">Health ")
            out.text("<button name=\"health\" value=\"up\">up</button>")
            out.text("<button name=\"health\" value=\"down\">down</button></span></form>")
        }
        out.text("</div></details>")
    }

    private func beginForm(
        _ out: inout ByteWriter, _ farm: FarmReading, _ member: MemberReading?, _ controls: StatusControls
    ) {
        out.text("<form method=\"post\" action=\"")
        out.html(controls.manager)
        out.text("\"><input type=\"hidden\" name=\"nonce\" value=\"")
        out.html(controls.nonce)
        out.text("\"><input type=\"hidden\" name=\"farm\" value=\"")
        out.html(farm.name)
        out.text("\">")
        guard let member else { return }
        out.text("<input type=\"hidden\" name=\"member\" value=\"")
        out.html(member.name)
        out.text("\">")
    }
}
