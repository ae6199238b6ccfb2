import CFarm
import CFarmABI
import FarmCore

/// A farm's members on the page for people: a table, with a body of its own for each member, so that a script can sort and
/// leave out members whole.
extension StatusSnapshot {
    func writeTable(_ out: inout ByteWriter, _ farm: FarmReading, _ controls: StatusControls) {
        out.text("<div class=\"scroll\"><table><caption>Members of ")
        out.html(farm.name)
        out.text("</caption><thead><tr>")
        writeHead(&out, "name", "Member")
        writeHead(&out, "admin", "Admin")
        writeHead(&out, "health", "Health")
        writeHead(&out, "fresh", "Fresh")
        writeHead(&out, "share", "Share")
        writeHead(&out, "rate", "Requests/s")
        writeHead(&out, "inflight", "In flight")
        writeHead(&out, "load", "Load")
        writeHead(&out, "p50", "p50")
        writeHead(&out, "p99", "p99")
        writeHead(&out, "errors", "Errors")
        writeHead(&out, "age", "Update")
        writeHead(&out, "weight", "Weight")
        writeHead(&out, "metrics", "Metrics")
        if controls.hasForms { writeHead(&out, "change", "Change") }
        out.text("</tr></thead>\n")
        for at in farm.members { writeMember(&out, farm, members[at], controls) }
        out.text("</table></div>\n")
    }

    private func writeHead(_ out: inout ByteWriter, _ name: StaticString, _ label: StaticString) {
        out.text("<th scope=\"col\" class=\"")
        out.text(name)
        out.text("\">")
        out.text(label)
        out.text("</th>")
    }

    private func writeMember(
        _ out: inout ByteWriter, _ farm: FarmReading, _ member: MemberReading, _ controls: StatusControls
    ) {
        out.text("<tbody class=\"")
        out.text(Standing(member).kind)
        out.text("\" id=\"m-")
        out.html(farm.name)
        out.byte(0x2F)
        out.html(member.name)
        out.text("\"><tr><th scope=\"row\" class=\"name\"><b>")
        out.html(member.name)
        out.text("</b> <small>")
        out.html(member.url)
        out.text("</small></th>")
        writeStates(&out, member)
        writeTraffic(&out, member)
        writeFigures(&out, member)
        if controls.hasForms {
            out.text("<td class=\"change\" data-l=\"Change\">")
            writeForms(&out, farm, member, controls)
            out.text("</td>")
        }
        out.text("</tr>")
        let isSet = member.state.admin != .on || member.note.hasText
        if isSet || !member.state.isUp {
            // The widest table's; in a narrower one it is as wide as that.
            out.text("<tr class=\"note\"><td colspan=\"15\">")
            if !member.state.isUp { writeDown(&out, member) }
            if isSet {
                let left = (inflight: UInt64(member.inflight), clients: member.clients)
                writeNote(&out, member.note, member.state.admin, left: left)
            }
            out.text("</td></tr>")
        }
        out.text("</tbody>\n")
    }

    /// The three things that a member is at the same time.
    private func writeStates(_ out: inout ByteWriter, _ member: MemberReading) {
        out.text("<td class=\"admin\" data-l=\"Admin\"")
        out.sortKey(Double(member.state.admin.rawValue))
        out.byte(0x3E)
        switch member.state.admin {
        case .on: writeMark(&out, "good", "●")
        case .drain: writeMark(&out, "drain", "◐")
        case .off: writeMark(&out, "off", "○")
        }
        out.text(member.state.admin.name)
        out.text("</td><td class=\"health\" data-l=\"Health\"")
        out.sortKey(member.state.isUp ? 0 : 1)
        out.byte(0x3E)
        writeMark(&out, member.state.isUp ? "good" : "bad", member.state.isUp ? "●" : "✖")
        out.text(member.state.isUp ? "up" : "down")
        if let cause = member.downBy {
            out.text(" <small>by ")
            out.text(cause)
            out.text("</small>")
        }
        out.text("</td><td class=\"fresh\" data-l=\"Fresh\"")
        out.sortKey(member.isIn ? 0 : 1)
        out.byte(0x3E)
        writeMark(&out, member.isIn ? "good" : "warn", member.isIn ? "●" : "▲")
        out.text(member.isIn ? "in" : "out")
        out.text("</td>")
    }

    private func writeTraffic(_ out: inout ByteWriter, _ member: MemberReading) {
        out.text("<td class=\"share\" data-l=\"Share\"")
        out.sortKey(member.share)
        out.text("><svg viewBox=\"0 0 1000 8\" preserveAspectRatio=\"none\" aria-hidden=\"true\"><rect width=\"")
        out.number(UInt64((max(0, min(1, member.share)) * 1000).rounded()))
        out.text("\" height=\"8\"/></svg>")
        out.percent(member.share)
        out.text("</td><td class=\"rate\" data-l=\"Requests/s\"")
        out.sortKey(member.rates?.requests ?? .nan)
        out.byte(0x3E)
        PageChart(member.history, now: now, points: members.count > 100 ? 15 : 61)
            .write(to: &out, of: "Requests", failures: "errors")
        out.text("<b data-n=\"")
        out.number(member.row.pointee.requests)
        out.text("\">")
        out.short(member.rates?.requests ?? .nan)
        out.text("</b>")
        out.text("</td><td class=\"inflight\" data-l=\"In flight\"")
        out.sortKey(Double(member.inflight))
        out.byte(0x3E)
        out.grouped(UInt64(member.inflight))
        if member.row.pointee.max_inflight > 0 {
            out.text(" <small>of ")
            out.grouped(UInt64(member.row.pointee.max_inflight))
            out.text("</small>")
        }
        out.text("</td>")
    }

    private func writeFigures(_ out: inout ByteWriter, _ member: MemberReading) {
        begin(&out, "load", "Load", member.load)
        out.short(member.load)
        let (middle, high) = (member.latency(0.5), member.latency(0.99))
        out.text("</td>")
        begin(&out, "p50", "p50", middle ?? .nan)
        out.latency(middle)
        out.text("</td>")
        begin(&out, "p99", "p99", high ?? .nan)
        out.latency(high)
        out.text("</td>")
        begin(&out, "errors", "Errors", Double(member.row.pointee.errors))
        out.grouped(member.row.pointee.errors)
        if member.row.pointee.errors > 0 {
            out.text(" <small>")
            out.percent(Double(member.row.pointee.errors) / Double(max(1, member.row.pointee.requests)))
            out.text("</small>")
        }
        out.text("</td>")
        begin(&out, "age", "Update", member.age)
        out.duration(member.age)
        out.text("</td>")
        begin(&out, "weight", "Weight", Double(member.row.pointee.weight))
        out.number(UInt64(member.row.pointee.weight))
        if member.row.pointee.tier > 0 {
            out.text(" <small>tier ")
            out.number(UInt64(member.row.pointee.tier))
            out.text("</small>")
        }
        out.text("</td><td class=\"metrics\" data-l=\"Metrics\">")
        for metric in 0..<metricCount {
            guard let value = metricValue(metric, of: member) else { continue }
            out.text("<span>")
            out.html(metricName(metric))
            out.text("&nbsp;<b>")
            out.short(value)
            out.text("</b></span> ")
        }
        out.text("</td>")
    }

    private func begin(_ out: inout ByteWriter, _ name: StaticString, _ label: StaticString, _ key: Double) {
        out.text("<td class=\"")
        out.text(name)
        out.text("\" data-l=\"")
        out.text(label)
        out.byte(0x22)
        out.sortKey(key)
        out.byte(0x3E)
    }
}
