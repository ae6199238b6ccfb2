/// A member as a scenario describes it.
public struct MemberModel: Sendable {
    /// What a request takes at speed 1, in microseconds.
    public var service: Distribution
    /// Requests worked on at the same time; the others wait in the order they came. `nil`: all at once, without a queue.
    public var servers: Int?
    /// Requests that may wait; more are refused.
    public var backlog: Int
    /// Twice the speed is half the time.
    public var speed: Double
    /// The weight the administrator gave it, 1 to 1000.
    public var weight: UInt32
    /// When it becomes available; before that it is administratively off.
    public var joins: Time
    /// A member that joins has the part `coldSpeed` (above 0, to 1) of its speed, which rises evenly over `warmUp`.
    public var coldSpeed: Double
    public var warmUp: Time
    public var disturbances: [Disturbance]

    public init(
        service: Distribution, servers: Int? = nil, backlog: Int = 1_000, speed: Double = 1, weight: UInt32 = 1,
        joins: Time = 0, coldSpeed: Double = 1, warmUp: Time = 0, disturbances: [Disturbance] = []
    ) {
        self.service = service
        self.servers = servers
        self.backlog = backlog
        self.speed = speed
        self.weight = weight
        self.joins = joins
        self.coldSpeed = coldSpeed
        self.warmUp = warmUp
        self.disturbances = disturbances
    }
}

/// What befalls a member for a while.
public struct Disturbance: Sendable {
    public enum Effect: Sendable, Equatable {
        /// Its speed is this many times what it was: a noisy neighbour.
        case speed(Double)
        /// Requests take this instead, whatever its speed.
        case service(Distribution)
        /// Connections are refused.
        case refuse
        /// Every request is answered with an error page after so many microseconds, past the queue.
        case error(after: Time)
        /// Every connection is closed without an answer after so many microseconds, past the queue.
        case close(after: Time)
        /// Requests are taken and never answered.
        case hang
    }

    public var from: Time
    public var until: Time
    /// With a period it comes again and again, so long after it began; 0 is once.
    public var period: Time
    public var effect: Effect

    public init(from: Time, until: Time, every period: Time = 0, _ effect: Effect) {
        self.from = from
        self.until = until
        self.period = period
        self.effect = effect
    }

    /// Whether it is on at this time.
    public func isOn(at now: Time) -> Bool {
        guard now >= from else { return false }
        let into = period == 0 ? now - from : (now - from) % period
        return into < until - from
    }
}
