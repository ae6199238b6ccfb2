/// What httpd showed of an attempt. Raw values are those of FARM_SAW_* in the C interface.
public struct Evidence: OptionSet, Sendable {
    public let rawValue: UInt32
    public init(rawValue: UInt32) { self.rawValue = rawValue }

    /// The member may have begun to act on the request.
    public static let sent = Evidence(rawValue: 1)
    /// Its answer was passed on to the client.
    public static let answer = Evidence(rawValue: 2)
    /// Its answer was held back.
    public static let held = Evidence(rawValue: 4)
    /// The connection to it broke, or what it sent is no HTTP.
    public static let broke = Evidence(rawValue: 8)
    /// It took too long to answer.
    public static let timeout = Evidence(rawValue: 16)
    /// The client went away, or sent a bad or late body.
    public static let client = Evidence(rawValue: 32)
    /// This host had no connection, file or port left.
    public static let shortage = Evidence(rawValue: 64)
    /// No connection could be made.
    public static let unreachable = Evidence(rawValue: 128)
    /// No byte came, and the connection had been kept from before: the member may have closed it for its age just as the
    /// request was on its way.
    public static let stale = Evidence(rawValue: 256)
    /// With `broke`: the request's body was still being written.
    public static let writingBody = Evidence(rawValue: 512)
    /// With `broke`: the TLS handshake failed.
    public static let tls = Evidence(rawValue: 1024)
    /// With `broke`: what it sent is no HTTP.
    public static let noHTTP = Evidence(rawValue: 2048)
    /// With `unreachable`: its name does not resolve.
    public static let noHost = Evidence(rawValue: 4096)
    /// With `unreachable`: no connection was made in time.
    public static let connectTimeout = Evidence(rawValue: 8192)
}

/// `FarmSet`, as far as it judges requests.
public struct RequestPolicy {
    /// Attempts of one request in all; at least 1.
    public var maxAttempts: UInt32
    /// `retryon=safe`: failures after the request was sent are retried where that is safe.
    public var retrySafe: Bool
    /// `failontimeout=on`: waiting too long for an answer counts towards `fall`.
    public var failOnTimeout: Bool
    /// `failonstatus=`: bit N of the whole is status N.
    public let failOnStatus: InlineArray<10, UInt64>
    /// Most farms name no status, which is one load to see.
    private let failsOnSome: Bool

    public init(maxAttempts: UInt32, retrySafe: Bool, failOnTimeout: Bool, failOnStatus: InlineArray<10, UInt64>) {
        self.maxAttempts = maxAttempts
        self.retrySafe = retrySafe
        self.failOnTimeout = failOnTimeout
        self.failOnStatus = failOnStatus
        var some = false
        for at in failOnStatus.indices where failOnStatus[at] != 0 { some = true }
        failsOnSome = some
    }

    @inline(__always)
    public func fails(on status: UInt32) -> Bool {
        failsOnSome && status < 640 && failOnStatus[Int(status / 64)] >> UInt64(status % 64) & 1 != 0
    }

    /// Whether a request whose member failed after it had been sent may go to another one.
    @inline(__always)
    public func mayResend(idempotent: Bool, bodyCanBeResent: Bool, attempts: UInt32) -> Bool {
        retrySafe && idempotent && bodyCanBeResent && attempts < maxAttempts
    }
}

/// What an attempt means: for the member, and for the request.
public struct Verdict: Equatable {
    public enum Charge {
        /// Tells nothing about the member.
        case nothing
        /// Counted, but no step towards `down`.
        case error
        /// The member broke the request. Whether that is a certain failure or a doubtful one is known when another member has
        /// answered the request, or none has.
        case broken
        /// The member could not be reached: a certain failure.
        case unreachable
        case success
    }

    public var charge: Charge
    public var retry: Bool
    /// Whether the attempt is as if it had not been: it counts against no limit, and its member may be chosen again. Once
    /// for a request.
    public var afresh = false
    /// Whether the request broke two members in a row that had answered others since their last failure: the request is the
    /// common part, and no further member is asked.
    public var isSuspect = false

    public init(charge: Charge, retry: Bool, afresh: Bool = false, isSuspect: Bool = false) {
        self.charge = charge
        self.retry = retry
        self.afresh = afresh
        self.isSuspect = isSuspect
    }

    /// What has happened to the request before the attempt that is judged, and what is known of the member.
    public struct Circumstances {
        /// Attempts so far, the one that is judged included.
        public var attempts: UInt32
        public var isIdempotent: Bool
        public var bodyCanBeResent: Bool
        /// It met a kept connection that was closed just then, and began afresh.
        public var wasStaleBefore = false
        /// Attempts before this one whose answer did not come in time.
        public var waited: UInt32 = 0
        /// The member that it reached last broke it, and had answered others since its last failure.
        public var brokeBefore = false
        /// This member has answered since its last failure, or never failed.
        public var memberIsSound = true

        public init(
            attempts: UInt32, isIdempotent: Bool, bodyCanBeResent: Bool, wasStaleBefore: Bool = false,
            waited: UInt32 = 0,
            brokeBefore: Bool = false, memberIsSound: Bool = true
        ) {
            self.attempts = attempts
            self.isIdempotent = isIdempotent
            self.bodyCanBeResent = bodyCanBeResent
            self.wasStaleBefore = wasStaleBefore
            self.waited = waited
            self.brokeBefore = brokeBefore
            self.memberIsSound = memberIsSound
        }
    }

    /// Of one request at most so many members are waited for.
    static let mostWaited: UInt32 = 2

    /// Of an answer that was passed on whole, the usual case.
    @inline(__always)
    public static func ofAnswer(_ status: UInt32, policy: UnsafePointer<RequestPolicy>) -> Verdict {
        Verdict(charge: policy.pointee.fails(on: status) ? .broken : .success, retry: false)
    }

    /// Judges an attempt by the rules of "How a request finds its member" in the manual. `status` is that of its answer, 0
    /// when there was none.
    public static func of(
        _ saw: Evidence, status: UInt32, _ now: Circumstances, policy: RequestPolicy
    ) -> Verdict {
        let again = now.attempts < policy.maxAttempts
        let resend = policy.mayResend(
            idempotent: now.isIdempotent, bodyCanBeResent: now.bodyCanBeResent, attempts: now.attempts)
        if saw.contains(.answer) {
            // A cut is the member's unless it was the client who went; either way the client has had a part.
            if saw.contains(.broke) {
                let charge: Charge = saw.contains(.client) ? .nothing : saw.contains(.writingBody) ? .error : .broken
                return Verdict(charge: charge, retry: false)
            }
            return Verdict(charge: policy.fails(on: status) ? .broken : .success, retry: false)
        }
        if saw.contains(.held) { return Verdict(charge: .broken, retry: resend) }
        if saw.contains(.client) { return Verdict(charge: .nothing, retry: false) }
        let safely = saw.contains(.sent) ? resend : again
        if saw.contains(.shortage) { return Verdict(charge: .nothing, retry: safely) }
        if saw.contains(.unreachable) { return Verdict(charge: .unreachable, retry: safely) }
        if saw.contains(.timeout) {
            return Verdict(
                charge: policy.failOnTimeout ? .broken : .error, retry: resend && now.waited &+ 1 < mostWaited)
        }
        guard saw.contains(.broke) else {
            // Refused by this server before any member was asked: a blocked host, a header too large.
            return Verdict(charge: .nothing, retry: false)
        }
        if saw.contains(.stale) {
            let afresh = policy.retrySafe && now.isIdempotent && now.bodyCanBeResent && !now.wasStaleBefore
            return Verdict(charge: .error, retry: afresh || resend, afresh: afresh)
        }
        // A member may refuse an upload before it has read it, and its answer may be lost with the connection.
        if saw.contains(.writingBody) { return Verdict(charge: .error, retry: resend) }
        if isClose(saw) && now.brokeBefore && now.memberIsSound {
            return Verdict(charge: .broken, retry: false, isSuspect: true)
        }
        return Verdict(charge: .broken, retry: safely)
    }

    /// Whether the member closed or reset the connection before it answered, or sent what is no HTTP: what a request does that
    /// breaks members.
    public static func isClose(_ saw: Evidence) -> Bool {
        saw.contains(.broke) && saw.isDisjoint(with: [.answer, .held, .client, .stale, .writingBody, .tls])
    }

    /// Whether the request reached a member in this attempt, so that it is the last one that the request reached.
    public static func reached(_ saw: Evidence) -> Bool {
        saw.isDisjoint(with: [.unreachable, .shortage, .stale])
    }
}
