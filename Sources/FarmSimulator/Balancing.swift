import FarmCore

/// What a request is to be sent to.
public struct Pick: Equatable, Sendable {
    public var member: Int
    /// The one request by which a member that failures put down is tried.
    public var isTrial: Bool
    /// A trial while no member is available.
    public var isStranded: Bool
    /// The process of the balancer that picked it.
    public var process: Int

    public init(member: Int, isTrial: Bool = false, isStranded: Bool = false, process: Int = 0) {
        self.member = member
        self.isTrial = isTrial
        self.isStranded = isStranded
        self.process = process
    }
}

/// A balancer on a machine of its own, which knows nothing but what it sees. Called by one simulation, in the order of
/// time; `now` is in microseconds.
public protocol Balancer: AnyObject {
    /// Picks a member for the next attempt, and takes a place in flight there; nil when none will do. `client` numbers the
    /// client that asks, for algorithms that keep clients at members.
    func choose(tried: UnsafeBufferPointer<UInt32>, client: UInt32, now: Time) -> Pick?
    /// The first byte of a final answer came, `latency` microseconds after the choice.
    func answered(_ member: Int, latency: Time, isError: Bool, now: Time)
    /// The attempt is over: gives the place back, and charges the member. `answered` was called before if `wasAnswered`.
    func ended(_ pick: Pick, charge: Verdict.Charge, wasAnswered: Bool, took: Time, now: Time)
    /// Charges a member that broke a request, when it is known whether another member could answer it. `isOfRequest`: several
    /// members broke it.
    func blamed(_ pick: Pick, isDoubtful: Bool, isOfRequest: Bool, now: Time)
    /// Whether a member has answered since its last failure, as this balancer knows it.
    func isSound(_ member: Int) -> Bool
    /// A member becomes available.
    func join(_ member: Int, now: Time)
    /// A member's report reached this balancer.
    func report(_ member: Int, _ load: MemberReport, now: Time)
    /// The next member to ask how it is, after a choice; nil when there is no more to ask.
    func nextProbe() -> Int?
    /// The answer to a probe: `latency` is the member's own estimate, in microseconds.
    func probed(_ member: Int, inFlight: Int, latency: Double, now: Time)
    /// Requests in flight at a member, as this balancer counts them.
    func inFlight(_ member: Int) -> Int
}

extension Balancer {
    public func nextProbe() -> Int? { nil }
    public func probed(_ member: Int, inFlight: Int, latency: Double, now: Time) {}
}

/// A member's load as it reports it.
public struct MemberReport: Sendable {
    /// The part of its servers that was busy since the report before: 0 to 1. Of a member without a limit of servers, the
    /// mean number of requests in work.
    public var utilisation: Double
    /// Requests that wait at the moment.
    public var queued: Int
}
