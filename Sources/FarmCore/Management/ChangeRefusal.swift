/// Why a change is not made, and what to write instead.
public struct ChangeRefusal {
    public enum Kind {
        case badEscape, unknownField, twice, empty
        case noFarm, badFarm, badMember, badAdmin, longBy, unreadableBy, longReason, unreadableReason
        case badUntil, past, untilOn, badHealth, badWeight, noAdmin, nothing, healthOfFarm, weightOfFarm
        case wrongNonce, unknownFarm, unknownMember, locked
        /// The process that was asked may change nothing.
        case outside
    }

    public var kind: Kind
    /// What was sent.
    public var value: UnsafeBufferPointer<UInt8>
    /// The farm that has no such member.
    public var farm: UnsafeBufferPointer<UInt8>

    public init(
        _ kind: Kind, value: UnsafeBufferPointer<UInt8> = UnsafeBufferPointer(start: nil, count: 0),
        farm: UnsafeBufferPointer<UInt8> = UnsafeBufferPointer(start: nil, count: 0)
    ) {
        self.kind = kind
        self.value = value
        self.farm = farm
    }

    /// Of HTTP.
    public var status: UInt32 {
        switch kind {
        case .wrongNonce: 403
        case .unknownFarm, .unknownMember: 404
        case .locked, .outside: 503
        default: 400
        }
    }

    /// One line, without its end.
    public func write(to out: inout ByteWriter) {
        out.text("error: ")
        switch kind {
        case .badEscape: say("%: has a % without two hexadecimal digits after it; write %25 for a %", &out)
        case .unknownField:
            say("%: is no field; write farm, member, admin, by, reason, until, health or weight", &out)
        case .twice: say("%: stands twice; write it once", &out)
        case .empty: say("%: is empty; write a value, or leave it out", &out)
        case .noFarm: out.text("farm= is missing; write farm=NAME&member=NAME&admin=drain")
        case .badFarm: say("farm= takes 1 to 63 letters, digits, '_' and '-', not %:", &out)
        case .badMember: say("member= takes 1 to 63 letters, digits and '_.:-', not %:", &out)
        case .badAdmin: say("admin= takes on, drain or off, not %:", &out)
        case .longBy: out.text("by= takes at most 63 bytes; write who, and the rest in reason=")
        case .unreadableBy: out.text("by= takes UTF-8 text without control characters")
        case .longReason: out.text("reason= takes at most 191 bytes; write a shorter one")
        case .unreadableReason: out.text("reason= takes UTF-8 text without control characters")
        case .badUntil:
            say("until= takes a time such as 2026-12-31T18:00:00Z or an interval such as 30min, not %:", &out)
        case .past: say("until= takes a time to come, and %: is over; write a later one", &out)
        case .untilOn: out.text("until= ends drain or off; leave it out with admin=on")
        case .badHealth: say("health= takes up or down, not %:", &out)
        case .badWeight: say("weight= takes a number from 1 to 1000, not %:", &out)
        case .noAdmin: out.text("by=, reason= and until= go with admin=; write admin=on, drain or off")
        case .nothing: out.text("nothing is to be changed; write admin=, health= or weight=")
        case .healthOfFarm: out.text("health= is a member's; write member=NAME")
        case .weightOfFarm: out.text("weight= is a member's; write member=NAME")
        case .wrongNonce:
            out.text("a form needs the nonce of this server's page, which changes at each start: load the page again; ")
            out.text("a program sends the header X-Farm-Manager: 1")
        case .unknownFarm: say("there is no farm %:; the status lists those that there are", &out)
        case .unknownMember:
            out.text("farm ")
            UpdateRefusal.echo(farm, to: &out)
            say(" has no member %:; the status lists those that it has", &out)
        case .locked:
            out.text("the lock of this state cannot be taken, and nothing was changed; the error log says more")
        case .outside:
            out.text(ProcessRefusal.reason)
            out.text(", and nothing was changed")
            out.text(ProcessRefusal.advice)
        }
    }

    /// Text with what was sent, in quotes, in the place of `%:`.
    private func say(_ text: StaticString, _ out: inout ByteWriter) {
        let bytes = UnsafeBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount)
        var at = 0
        while at < bytes.count {
            if bytes[at] == 0x25 && at + 1 < bytes.count && bytes[at + 1] == 0x3A {
                out.byte(0x27)
                UpdateRefusal.echo(value, to: &out)
                out.byte(0x27)
                at += 2
            } else {
                out.byte(bytes[at])
                at += 1
            }
        }
    }
}

/// What a process of httpd says that takes no part in the farms.
enum ProcessRefusal {
    static var reason: StaticString { "this process of httpd takes no part in the farms" }
    static var advice: StaticString { "; the error log says why (FARM00009, FARM00106); others may: ask again" }
}
