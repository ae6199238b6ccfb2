/// How a member that has become available again comes back to its full share: `FarmSet slowstart=`. Its share grows with
/// time in a straight line, from a tenth on: a request passes it by as if it were not there, with the part that is missing
/// as the probability.
public struct SlowStart: Sendable {
    /// Microseconds from becoming available to the full share; 0: at once.
    public let time: UInt64

    public init(time: UInt64) { self.time = time }

    public static let off = SlowStart(time: 0)

    /// The part of its share that a member begins with.
    static let least: Float = 0.1
    /// Steps in which a view follows.
    static let steps: UInt64 = 20

    /// The part of its share that a member gets, up to 1, which has been available `since` then; 0: from the start.
    func part(since: UInt64, now: UInt64) -> Float {
        guard time != 0, since != 0, now < since &+ time else { return 1 }
        // A reading of the clock may be older than the change.
        guard now > since else { return Self.least }
        return Self.least + (1 - Self.least) * Float(now - since) / Float(time)
    }

    /// Microseconds to the next step.
    var step: UInt64 { max(10_000, time / Self.steps) }
}
