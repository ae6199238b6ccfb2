import CFarm
import CFarmABI
import FarmCore

/// The page for people, between its head and its script. It is complete without the script, which only asks for the same
/// page again and puts what has changed in its place: so it has one form, made here.
extension StatusSnapshot {
    func writePage(_ out: inout ByteWriter, _ controls: StatusControls) {
        out.text("<header class=\"top\"><h1>Farms</h1>")
        writeSummary(&out)
        writeLinks(&out, controls)
        out.text("</header>\n<div id=\"tools\"></div>\n<main data-now=\"")
        out.number(now / 1000)
        out.text("\">\n")
        for farm in farms { writeFarm(&out, farm, controls) }
        out.text("</main>\n<footer><p>mod_proxy_farm ")
        out.html(ByteWriter.bytes(of: engine.config.version))
        out.text(" (")
        out.html(ByteWriter.bytes(of: engine.config.built))
        out.text("), MPM ")
        out.html(ByteWriter.bytes(of: engine.config.mpm))
        out.text(", locks by ")
        out.text(engine.tables.granularity.name)
        out.text(", configuration ")
        out.number(UInt64(farm_get32(&engine.tables.first.header.pointee.config_generation)))
        out.text(" since the start ")
        writeAgo(&out, engine.tables.first.header.pointee.started_us)
        let old = engine.tables.oldProcesses
        if old > 0 {
            out.text(", <b id=\"old\">")
            out.number(UInt64(old))
            out.text(old == 1 ? " process" : " processes")
            out.text(" of an earlier version still at work</b>")
        }
        out.text(". ")
        writeInstructions(&out)
        out.text("</p></footer>\n")
    }

    private func writeSummary(_ out: inout ByteWriter) {
        let ok = farms.count { $0.condition == .ok }
        let available = members.count { $0.isAvailable }
        out.text("<p id=\"sum\">")
        writeMark(&out, ok == farms.count ? "good" : "bad", ok == farms.count ? "●" : "✖")
        out.grouped(UInt64(ok))
        out.text(" of ")
        out.grouped(UInt64(farms.count))
        out.text(farms.count == 1 ? " farm is ok, " : " farms are ok, ")
        out.grouped(UInt64(available))
        out.text(" of ")
        out.grouped(UInt64(members.count))
        out.text(members.count == 1 ? " member is available" : " members are available")
        out.text(" <span id=\"when\">")
        out.readableTime(wallClock)
        out.text("</span></p>")
    }

    private func writeLinks(_ out: inout ByteWriter, _ controls: StatusControls) {
        out.text("<nav><a href=\"?format=json\">JSON</a> <a href=\"?format=openmetrics\">OpenMetrics</a> ")
        out.text("<a href=\"?format=text\">Text</a>")
        if !controls.manager.isEmpty {
            out.text(" <a id=\"manager\" href=\"")
            out.html(controls.manager)
            out.text("\">Manage</a>")
        }
        out.text("</nav>")
    }

    private func writeInstructions(_ out: inout ByteWriter) {
        out.text("Instruction cookies:")
        for result in InstructionResult.allCases {
            out.text(result == .accepted ? " " : ", ")
            out.text(result.name)
            out.byte(0x20)
            out.grouped(instructions(result))
        }
        out.byte(0x2E)
    }

    private func writeFarm(_ out: inout ByteWriter, _ farm: FarmReading, _ controls: StatusControls) {
        out.text("<section class=\"farm ")
        out.text(farm.condition.name)
        out.text("\" id=\"f-")
        out.html(farm.name)
        out.text("\">\n<div class=\"head\"><h2>")
        out.html(farm.name)
        out.text("</h2><p class=\"cond\">")
        writeCondition(&out, farm)
        out.text("</p>")
        writeFacts(&out, farm)
        if controls.hasForms { writeForms(&out, farm, nil, controls) }
        out.text("</div>\n")
        if farm.admin != .on || farm.note.hasText { writeFarmNote(&out, farm) }
        if farm.members.isEmpty {
            out.text("<p>No members: write FarmMember in its section.</p>")
        } else {
            if farm.members.count > 11 { writeMap(&out, farm) }
            writeTable(&out, farm, controls)
        }
        out.text("</section>\n")
    }

    private func writeCondition(_ out: inout ByteWriter, _ farm: FarmReading) {
        switch farm.condition {
        case .ok: writeMark(&out, "good", "●")
        case .full: writeMark(&out, "warn", "▲")
        case .offline: writeMark(&out, "off", "○")
        case .down: writeMark(&out, "bad", "✖")
        }
        out.text(farm.condition.name)
    }

    /// A sign beside a word: colour is not the only one, and a reader of the page aloud needs neither.
    func writeMark(_ out: inout ByteWriter, _ kind: StaticString, _ sign: StaticString) {
        out.text("<i class=\"mark ")
        out.text(kind)
        out.text("\" aria-hidden=\"true\">")
        out.text(sign)
        out.text("</i> ")
    }

    private func writeFacts(_ out: inout ByteWriter, _ farm: FarmReading) {
        out.text("<dl>")
        out.text("<div class=\"rate\"><dt>Requests/s</dt><dd><b data-n=\"")
        out.number(farm.row.pointee.requests)
        out.text("\">")
        out.short(farm.rates?.requests ?? .nan)
        out.text("</b>")
        PageChart(farm.history, now: now, points: 61).write(to: &out, of: "Requests", failures: "failovers")
        out.text("</dd></div><div><dt>Available</dt><dd>")
        out.grouped(UInt64(farm.available))
        out.text(" of ")
        out.grouped(UInt64(farm.members.count))
        out.text("</dd></div><div><dt>In flight</dt><dd>")
        out.grouped(UInt64(farm.inflight))
        out.text("</dd></div><div><dt>Algorithm</dt><dd>")
        out.text(farm.algorithm)
        out.text("</dd></div>")
        writeFact(&out, "Requests", farm.row.pointee.requests)
        writeFact(&out, "Failovers", farm.row.pointee.failovers)
        writeOutcomes(&out, farm)
        out.text("</dl>")
    }

    /// What became of its requests: always how many were served, and the rest where there is any.
    private func writeOutcomes(_ out: inout ByteWriter, _ farm: FarmReading) {
        for outcome in RequestOutcome.allCases {
            let count = farm.row.count(of: outcome)
            switch outcome {
            case .served: writeFact(&out, "Served", count)
            case .failed: writeFact(&out, "Failed", count, isBad: count > 0)
            case .refused: writeFact(&out, "Refused", count, isBad: count > 0)
            case .redirected: if count > 0 { writeFact(&out, "Redirected", count) }
            case .forwarded: if count > 0 { writeFact(&out, "Forwarded", count) }
            case .aborted: if count > 0 { writeFact(&out, "Aborted", count) }
            }
        }
    }

    private func writeFact(_ out: inout ByteWriter, _ name: StaticString, _ value: UInt64, isBad: Bool = false) {
        out.text(isBad ? "<div class=\"bad\"><dt>" : "<div><dt>")
        out.text(name)
        out.text("</dt><dd>")
        out.grouped(value)
        out.text("</dd></div>")
    }

    private func writeFarmNote(_ out: inout ByteWriter, _ farm: FarmReading) {
        out.text("<p class=\"note\">The farm as a whole: ")
        let clients = farm.members.reduce(UInt64(0)) { $0 + members[$1].clients }
        writeNote(&out, farm.note, farm.admin, left: (inflight: UInt64(farm.inflight), clients: clients))
        out.text("</p>\n")
    }

    /// Every member as one sign: which of many need a look.
    private func writeMap(_ out: inout ByteWriter, _ farm: FarmReading) {
        out.text("<div class=\"map\" role=\"group\" aria-label=\"All members\">")
        for at in farm.members {
            let standing = Standing(members[at])
            out.text("<a class=\"")
            out.text(standing.kind)
            out.text("\" href=\"#m-")
            out.html(farm.name)
            out.byte(0x2F)
            out.html(members[at].name)
            out.text("\" title=\"")
            out.html(members[at].name)
            out.text(": ")
            out.text(standing.word)
            out.text("\"><i aria-hidden=\"true\">")
            out.text(standing.sign)
            out.text("</i></a>")
        }
        out.text("</div>\n")
    }

    /// A member in one word, by what matters most.
    struct Standing {
        var kind: StaticString
        var sign: StaticString
        var word: StaticString

        init(_ member: MemberReading) {
            switch member.state.admin {
            case .off: (kind, sign, word) = ("off", "○", "off")
            case .drain: (kind, sign, word) = ("drain", "◐", "drain")
            case .on:
                if !member.state.isUp {
                    (kind, sign, word) = ("bad", "✖", "down")
                } else if !member.isIn {
                    (kind, sign, word) = ("warn", "▲", "does not report")
                } else if member.isAvailable {
                    (kind, sign, word) = ("good", "●", "available")
                } else {
                    (kind, sign, word) = ("off", "○", "its farm is not on")
                }
            }
        }
    }
}

extension UnsafeMutablePointer where Pointee == farm_admin_note {
    /// Whether somebody said anything. Of a copy.
    var hasText: Bool { farm_note_reason(self).pointee != 0 }
}
