/// What an administrator wants changed, as text: `farm=app&member=app1&admin=drain&reason=new+kernel&until=2h`. Names and
/// texts are parts of the text that was parsed.
public struct Change {
    public private(set) var farm = UnsafeBufferPointer<UInt8>(start: nil, count: 0)
    /// Nil: the farm itself.
    public private(set) var member: UnsafeBufferPointer<UInt8>?
    public private(set) var admin: Admin?
    public private(set) var by: UnsafeBufferPointer<UInt8>?
    public private(set) var reason: UnsafeBufferPointer<UInt8>?
    /// Microseconds since 1970; with `admin` drain or off.
    public private(set) var until: UInt64?
    public private(set) var health: HealthVerdict?
    /// 1 to 1000.
    public private(set) var weight: UInt32?
    public private(set) var nonce: UnsafeBufferPointer<UInt8>?

    public enum Outcome {
        case change(Change)
        case refused(ChangeRefusal)
    }

    /// Parses form-encoded text, which is decoded in place. A browser sends the fields that were left empty too: with
    /// `isForm` they are as good as absent.
    public static func parse(
        _ text: UnsafeMutableBufferPointer<UInt8>, isForm: Bool, wallClock: UInt64
    ) -> Outcome {
        var change = Change()
        var seen: UInt32 = 0
        var reader = FormReader(text)
        while true {
            switch reader.next() {
            case .end:
                if let refusal = change.incompleteness(wallClock: wallClock) { return .refused(refusal) }
                return .change(change)
            case .badEscape(let part):
                return .refused(ChangeRefusal(.badEscape, value: part))
            case .pair(let name, let value, _):
                guard let field = Field(name) else { return .refused(ChangeRefusal(.unknownField, value: name)) }
                guard seen & field.bit == 0 else { return .refused(ChangeRefusal(.twice, value: name)) }
                seen |= field.bit
                if value.isEmpty && isForm { continue }
                if value.isEmpty && field != .reason { return .refused(ChangeRefusal(.empty, value: name)) }
                if let refusal = change.set(field, value, wallClock: wallClock) { return .refused(refusal) }
            }
        }
    }

    private enum Field: UInt32, CaseIterable {
        case farm, member, admin, by, reason, until, health, weight, nonce

        var bit: UInt32 { 1 << rawValue }

        var name: StaticString {
            switch self {
            case .farm: "farm"
            case .member: "member"
            case .admin: "admin"
            case .by: "by"
            case .reason: "reason"
            case .until: "until"
            case .health: "health"
            case .weight: "weight"
            case .nonce: "nonce"
            }
        }

        init?(_ name: UnsafeBufferPointer<UInt8>) {
            for field in Self.allCases where Names.isWord(name, field.name) {
                self = field
                return
            }
            return nil
        }
    }

    private mutating func set(
        _ field: Field, _ value: UnsafeBufferPointer<UInt8>, wallClock: UInt64
    ) -> ChangeRefusal? {
        switch field {
        case .farm:
            guard Names.isFarm(value) else { return ChangeRefusal(.badFarm, value: value) }
            farm = value
        case .member:
            guard Names.isMember(value) else { return ChangeRefusal(.badMember, value: value) }
            member = value
        case .admin:
            guard let state = Admin(word: value) else { return ChangeRefusal(.badAdmin, value: value) }
            admin = state
        case .by:
            guard value.count <= AdminWord.longestBy else { return ChangeRefusal(.longBy) }
            guard PlainText.isPlain(value) else { return ChangeRefusal(.unreadableBy) }
            by = value
        case .reason:
            guard value.count <= AdminWord.longestReason else { return ChangeRefusal(.longReason) }
            guard PlainText.isPlain(value) else { return ChangeRefusal(.unreadableReason) }
            reason = value
        case .until:
            switch MomentText.read(value) {
            case .at(let time):
                guard time > wallClock else { return ChangeRefusal(.past, value: value) }
                until = time
            case .after(let time):
                guard time > 0 else { return ChangeRefusal(.past, value: value) }
                until = wallClock &+ time
            case nil:
                return ChangeRefusal(.badUntil, value: value)
            }
            if let until, until - wallClock > MomentText.furthest { return ChangeRefusal(.badUntil, value: value) }
        case .health:
            if Names.isWord(value, "up") {
                health = .up
            } else if Names.isWord(value, "down") {
                health = .down
            } else {
                return ChangeRefusal(.badHealth, value: value)
            }
        case .weight:
            guard let number = Self.weight(value) else { return ChangeRefusal(.badWeight, value: value) }
            weight = number
        case .nonce:
            nonce = value
        }
        return nil
    }

    static func weight(_ text: UnsafeBufferPointer<UInt8>) -> UInt32? {
        var value: UInt32 = 0
        guard text.count <= 4 else { return nil }
        for byte in text {
            guard byte >= 0x30 && byte <= 0x39 else { return nil }
            value = value * 10 + UInt32(byte - 0x30)
        }
        return (1...1000).contains(value) ? value : nil
    }

    /// What the fields together lack, or say too much.
    private func incompleteness(wallClock: UInt64) -> ChangeRefusal? {
        if farm.isEmpty { return ChangeRefusal(.noFarm) }
        if admin == nil && (by != nil || reason != nil || until != nil) { return ChangeRefusal(.noAdmin) }
        if admin == .on && until != nil { return ChangeRefusal(.untilOn) }
        if admin == nil && health == nil && weight == nil { return ChangeRefusal(.nothing) }
        if member == nil && health != nil { return ChangeRefusal(.healthOfFarm) }
        if member == nil && weight != nil { return ChangeRefusal(.weightOfFarm) }
        return nil
    }
}

extension Admin {
    /// The state of that name.
    init?(word: UnsafeBufferPointer<UInt8>) {
        if Names.isWord(word, "on") {
            self = .on
        } else if Names.isWord(word, "drain") {
            self = .drain
        } else if Names.isWord(word, "off") {
            self = .off
        } else {
            return nil
        }
    }
}
