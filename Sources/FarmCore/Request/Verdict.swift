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
        /// Says nothing about the member.
        case nothing
        /// Counted, but no step towards `down`.
        case error
        /// Counted, and a step towards `down`.
        case failure
        case success
    }

    public var charge: Charge
    public var retry: Bool
    /// Whether the attempt is as if it had not been: it counts against no limit, and its member may be chosen again. Once
    /// for a request.
    public var afresh = false

    /// Of an answer that was passed on whole, the usual case.
    @inline(__always)
    public static func ofAnswer(_ status: UInt32, policy: UnsafePointer<RequestPolicy>) -> Verdict {
        Verdict(charge: policy.pointee.fails(on: status) ? .failure : .success, retry: false)
    }

    /// Judges an attempt by the rules of "how a request finds its member" in docs/: `attempts` includes it, and
    /// `status` is that of its answer, 0 when there was none.
    public static func of(
        _ saw: Evidence, status: UInt32, attempts: UInt32, idempotent: Bool, bodyCanBeResent: Bool,
        wasStaleBefore: Bool = false, policy: RequestPolicy
    ) -> Verdict {
        let again = attempts < policy.maxAttempts
        let resend = policy.mayResend(idempotent: idempotent, bodyCanBeResent: bodyCanBeResent, attempts: attempts)
        if saw.contains(.answer) {
            // A cut is the member's unless it was the client who went; either way the client has had a part.
            if saw.contains(.broke) {
                let charge: Charge = saw.contains(.client) ? .nothing : saw.contains(.writingBody) ? .error : .failure
                return Verdict(charge: charge, retry: false)
            }
            return Verdict(charge: policy.fails(on: status) ? .failure : .success, retry: false)
        }
        if saw.contains(.held) { return Verdict(charge: .failure, retry: resend) }
        if saw.contains(.client) { return Verdict(charge: .nothing, retry: false) }
        let safely = saw.contains(.sent) ? resend : again
        if saw.contains(.shortage) { return Verdict(charge: .nothing, retry: safely) }
        if saw.contains(.unreachable) { return Verdict(charge: .failure, retry: safely) }
        if saw.contains(.timeout) {
            return Verdict(charge: policy.failOnTimeout ? .failure : .error, retry: resend)
        }
        if saw.contains([.broke, .stale]) {
            let afresh = policy.retrySafe && idempotent && bodyCanBeResent && !wasStaleBefore
            return Verdict(charge: .error, retry: afresh || resend, afresh: afresh)
        }
        // A member may refuse an upload before it has read it, and its answer may be lost with the connection.
        if saw.contains([.broke, .writingBody]) { return Verdict(charge: .error, retry: resend) }
        if saw.contains(.broke) {
            return Verdict(charge: .failure, retry: safely)
        }
        // Refused by this server before any member was asked: a blocked host, a header too large, no handler.
        return Verdict(charge: .nothing, retry: false)
    }
}
