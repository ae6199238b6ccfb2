import CFarm

/// How a request of a client ended. Each request has exactly one outcome. Raw values are those of FARM_OUTCOME_*.
public enum RequestOutcome: UInt32, CaseIterable, Sendable {
    /// A member's final status, and its whole answer.
    case served = 0
    /// Members were tried and none answered, or the answer was cut short.
    case failed = 1
    /// No member was tried.
    case refused = 2
    case redirected = 3
    case forwarded = 4
    /// The client left first, or did not send its body as it should.
    case aborted = 5

    public var name: StaticString {
        switch self {
        case .served: "served"
        case .failed: "failed"
        case .refused: "refused"
        case .redirected: "redirected"
        case .forwarded: "forwarded"
        case .aborted: "aborted"
        }
    }

    /// What one attempt came to, if the request ends with it.
    public static func of(_ saw: Evidence) -> RequestOutcome {
        if saw.contains(.client) { return .aborted }
        return saw.contains(.answer) && !saw.contains(.broke) ? .served : .failed
    }

    /// The outcome of a request that has ended. `last`: what it came to last, nil: no attempt has ended and the farm has sent it
    /// nowhere. `wasForwarded`: to another farm, whatever became of it there. `attempts`: members that were chosen for it.
    /// `clientLeft`: its client has closed the connection.
    public static func of(last: RequestOutcome?, wasForwarded: Bool, attempts: UInt32, clientLeft: Bool)
        -> RequestOutcome
    {
        if wasForwarded { return .forwarded }
        switch last {
        // The farm had answered before the client's connection was found closed, but not all of a member's answer had gone.
        case .served?: return clientLeft ? .aborted : .served
        case let last?: return last
        case nil: return attempts == 0 ? .refused : clientLeft ? .aborted : .failed
        }
    }
}

/// The class of a status, as the status of the module shows it. Raw values are those of the row.
public enum AnswerClass: UInt32, CaseIterable, Sendable {
    /// 101 only: any other status of this class is not the last of its request.
    case informational = 0
    case successful = 1
    case redirection = 2
    case clientError = 3
    /// Also what is no status.
    case serverError = 4

    public init(status: UInt32) {
        switch status {
        case 101: self = .informational
        case 200..<300: self = .successful
        case 300..<400: self = .redirection
        case 400..<500: self = .clientError
        default: self = .serverError
        }
    }

    public var name: StaticString {
        switch self {
        case .informational: "1xx"
        case .successful: "2xx"
        case .redirection: "3xx"
        case .clientError: "4xx"
        case .serverError: "5xx"
        }
    }
}

/// How a request that was addressed to another farm came to the one that served it. Raw values are those of FARM_CAME_*.
public enum Arrival: UInt32, CaseIterable, Sendable {
    case to = 0
    case forward = 1
    case split = 2
    case handOn = 3

    public var name: StaticString {
        switch self {
        case .to: "to"
        case .forward: "forward"
        case .split: "split"
        case .handOn: "hand-on"
        }
    }
}

/// The counts of a farm's row, or of a copy of it.
extension UnsafeMutablePointer where Pointee == farm_farm_row {
    /// Counts a request that has ended. Who sees it sees too that the request was counted when it began.
    @inline(__always)
    public func count(_ outcome: RequestOutcome, _ answer: AnswerClass) {
        _ = farm_add64_publish(farm_row_ended(self) + Int(outcome.rawValue * FARM_CLASSES + answer.rawValue), 1)
    }

    public func count(of outcome: RequestOutcome) -> UInt64 {
        AnswerClass.allCases.reduce(0) { $0 &+ cell(outcome, $1) }
    }

    public func count(of answer: AnswerClass) -> UInt64 {
        RequestOutcome.allCases.reduce(0) { $0 &+ cell($1, answer) }
    }

    private func cell(_ outcome: RequestOutcome, _ answer: AnswerClass) -> UInt64 {
        farm_get64(farm_row_ended(self) + Int(outcome.rawValue * FARM_CLASSES + answer.rawValue))
    }

    public func count(of arrival: Arrival) -> UInt64 { farm_get64(farm_row_came(self) + Int(arrival.rawValue)) }

    @inline(never)
    public func count(_ arrival: Arrival) { _ = farm_add64(farm_row_came(self) + Int(arrival.rawValue), 1) }
}
