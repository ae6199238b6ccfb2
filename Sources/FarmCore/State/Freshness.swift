import CFarm

/// Whether a member reports in time: `FarmExpectUpdate`. Decided from the clock when somebody asks, so that a member goes
/// out without a timer. All times are monotonic microseconds.
public struct Freshness: Sendable {
    /// The age of an update at which it is too old; 0: updates are not expected.
    public let expect: UInt64
    /// What is too old is disregarded, and the member stays in.
    public let ignores: Bool

    public init(expect: UInt64, ignores: Bool) {
        self.expect = expect
        self.ignores = ignores
    }

    public static let off = Freshness(expect: 0, ignores: false)

    /// When the member's last update becomes too old; one that has never reported has its time from when it was first
    /// configured. `UInt64.max`: never.
    @inline(__always)
    public func expiry(_ row: MemberRow) -> UInt64 {
        guard expect != 0 else { return UInt64.max }
        return expiry(
            updated: farm_get64(&row.pointee.updated_us), knownSince: farm_get64(&row.pointee.known_since_us))
    }

    /// The same of these words of its row, where updates are expected.
    @inline(__always)
    func expiry(updated: UInt64, knownSince: UInt64) -> UInt64 {
        let (end, overflow) = max(updated, knownSince).addingReportingOverflow(expect)
        return overflow ? UInt64.max : end
    }

    /// Whether the member is `in`.
    @inline(__always)
    public func isIn(_ row: MemberRow, now: UInt64) -> Bool { expect == 0 || ignores || now < expiry(row) }

    /// Admin is `on`, health is `up`, and it is `in`.
    @inline(__always)
    public func isAvailable(_ row: MemberRow, now: UInt64) -> Bool { row.state.isAvailable && isIn(row, now: now) }

    /// The member's load; NaN when it is unknown or its metrics are disregarded.
    public func load(_ row: MemberRow, now: UInt64) -> Double {
        expect == 0 || now < expiry(row) ? SharedDouble.value(farm_get64(&row.pointee.load)) : .nan
    }
}
