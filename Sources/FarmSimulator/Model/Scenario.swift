/// What is simulated: members, balancers, and the requests that come. Times are microseconds.
public struct Scenario: Sendable {
    public enum Arrivals: Sendable {
        /// Independent of each other, so many a second on average.
        case poisson(Double)
        /// Evenly spaced.
        case constant(Double)

        /// Requests a second.
        public var rate: Double {
            switch self {
            case .poisson(let rate), .constant(let rate): rate
            }
        }
    }

    /// How members tell balancers their load.
    public struct Reports: Sendable {
        public var every: Time
        /// From the moment a report describes to the moment all balancers know it.
        public var delay: Time

        public init(every: Time, delay: Time) {
            self.every = every
            self.delay = delay
        }
    }

    public var name: String
    public var summary: String
    public var members: [MemberModel]
    public var balancers: Int
    /// Processes of a balancer, which share its rows; the module's alone are more than one.
    public var processes: Int
    /// Whether a process draws from a part of a large farm at a time, as the module's children do.
    public var narrows: Bool
    public var arrivals: Arrivals
    /// Requests come until then.
    public var duration: Time
    /// Requests that come before are not counted.
    public var measuredFrom: Time
    /// After this a client has failed, whatever happens to its request.
    public var clientTimeout: Time
    /// After this a balancer gives an attempt up: httpd's ProxyTimeout.
    public var attemptTimeout: Time
    /// FarmSet maxattempts, fall and retry.
    public var maxAttempts: Int
    public var fall: UInt32
    public var retry: Time
    /// FarmSet recover; 0: off.
    public var recover: Time
    /// Whether an error page counts towards `fall`, and its request goes to another member: FarmSet failonstatus.
    public var failsOnErrors: Bool
    /// Members whose share of the attempts is shown.
    public var odd: [Int]
    public var reports: Reports?
    /// Whether an algorithm that trusts the last report alone is compared as well.
    public var comparesLeastReported: Bool

    public init(
        _ name: String, _ summary: String, members: [MemberModel], balancers: Int = 1, processes: Int = 1,
        narrows: Bool = false, arrivals: Arrivals,
        duration: Time, measuredFrom: Time = 0, clientTimeout: Time = seconds(1), attemptTimeout: Time = seconds(60),
        maxAttempts: Int = 3, fall: UInt32 = 1, retry: Time = seconds(10), recover: Time = 250_000,
        failsOnErrors: Bool = false,
        odd: [Int] = [], reports: Reports? = nil, comparesLeastReported: Bool = false
    ) {
        self.name = name
        self.summary = summary
        self.members = members
        self.balancers = balancers
        self.processes = processes
        self.narrows = narrows
        self.arrivals = arrivals
        self.duration = duration
        self.measuredFrom = measuredFrom
        self.clientTimeout = clientTimeout
        self.attemptTimeout = attemptTimeout
        self.maxAttempts = maxAttempts
        self.fall = fall
        self.retry = retry
        self.recover = recover
        self.failsOnErrors = failsOnErrors
        self.odd = odd
        self.reports = reports
        self.comparesLeastReported = comparesLeastReported
    }
}
