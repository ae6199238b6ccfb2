/// Why a farm or member is not used, in words.
enum AdminNoteText {
    /// `drain by anna since 2h, until 2026-…Z (in 1h): new kernel`.
    static func text(_ admin: AdminStatus, now: UInt64) -> String {
        var text = admin.state + " by \(admin.by ?? "the configuration")"
        if let since = admin.since { text += ", for \(Moment.length(seconds(since, now)))" }
        if let until = admin.until {
            text += ", until \(Moment.text(until)) (in \(Moment.length(seconds(now, until))))"
        }
        if let reason = admin.reason, !reason.isEmpty { text += ": \(reason)" }
        return text
    }

    /// What there is to say below a member's line.
    static func notes(_ member: MemberStatus, now: UInt64) -> [String] {
        var notes: [String] = []
        if member.admin.state != "on" && member.admin.state != "-" {
            notes.append(text(member.admin, now: now))
            if let progress = drain(member) { notes.append(progress) }
        }
        if member.health == "down" { notes.append(down(member, now: now)) }
        return notes
    }

    /// `down by failures, for 15s: connection refused; next trial in 9s`.
    private static func down(_ member: MemberStatus, now: UInt64) -> String {
        var text = "down by \(member.healthBy ?? "unknown cause")"
        if let since = member.healthSince { text += ", for \(Moment.length(seconds(since, now)))" }
        if let error = member.lastError { text += ": \(error)" }
        if let trial = member.nextTrial {
            text +=
                trial > now ? "; next trial in \(Moment.length(seconds(now, trial)))" : "; the next request may try it"
        }
        return text
    }

    /// How far a drain is: what is left of what there was.
    private static func drain(_ member: MemberStatus) -> String? {
        guard member.inflight != nil || member.clients != nil else { return nil }
        let requests = member.inflight.map { "\(left($0, member.admin.inflightAtStart)) requests in flight" }
        let clients = member.clients.map { "\(left($0, member.admin.clientsAtStart)) clients tied" }
        return "left: " + [requests, clients].compactMap(\.self).joined(separator: ", ")
    }

    /// `3 of 8`, or `3` where it is not known of how many.
    static func left(_ now: Int, _ atStart: Int?) -> String { atStart.map { "\(now) of \($0)" } ?? "\(now)" }

    private static func seconds(_ from: UInt64, _ to: UInt64) -> Double {
        to > from ? Double(to - from) / 1_000_000 : 0
    }
}
