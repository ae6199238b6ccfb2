import CFarm

/// Which members of a farm may be chosen: the available ones; while too few of them are (`FarmSet panic=`), all that the
/// administrator has not taken out.
struct Admission {
    /// The bits of a member's status that must not be set.
    let mask: UInt32

    static let usual = Admission(mask: UInt32.max)
    static let panic = Admission(mask: UInt32(FARM_ADMIN_MASK))

    var isPanic: Bool { mask != UInt32.max }

    /// What holds for a farm now. Linear in the number of its members: not for the way of a request.
    static func of(
        _ members: UnsafeBufferPointer<Member>, freshness: Freshness, panic percent: UInt32, now: UInt64
    ) -> Admission {
        guard percent != 0 else { return .usual }
        var wanted: UInt64 = 0
        var available: UInt64 = 0
        for member in members where member.row.state.admin == .on {
            wanted += 1
            if freshness.isAvailable(member.row, now: now) { available += 1 }
        }
        return of(available: available, wanted: wanted, panic: percent)
    }

    /// What holds for a copy of a farm.
    static func of(_ members: UnsafeBufferPointer<MemberInput>, panic percent: UInt32) -> Admission {
        guard percent != 0 else { return .usual }
        var wanted: UInt64 = 0
        var available: UInt64 = 0
        for member in members where member.state.admin == .on {
            wanted += 1
            if member.isAvailable { available += 1 }
        }
        return of(available: available, wanted: wanted, panic: percent)
    }

    private static func of(available: UInt64, wanted: UInt64, panic percent: UInt32) -> Admission {
        available * 100 < wanted * UInt64(percent) ? .panic : .usual
    }

    func admits(_ row: MemberRow, _ freshness: Freshness, now: UInt64) -> Bool {
        row.state.word & mask == 0 && (isPanic || freshness.isIn(row, now: now))
    }
}
