import FarmTestSupport
import Testing

@testable import FarmCore

/// Every way an attempt can end, with every policy, every kind of request and all that can have happened to it before, against
/// a model of the contract: what is charged to the member, and when a request may go to another one.
@Suite struct VerdictTests {
    /// What farm_evidence.c can put together.
    static let evidence: [(Evidence, Ending)] = [
        ([.answer, .sent], .answered),
        ([.answer], .answered),
        ([.answer, .sent, .client], .answered),
        ([.answer, .sent, .broke], .cut),
        ([.answer, .sent, .broke, .client], .clientLeft),
        ([.held, .sent], .held),
        ([.broke, .sent], .closedAfterSending),
        ([.broke, .sent, .noHTTP], .closedAfterSending),
        ([.broke], .closedBeforeSending),
        ([.broke, .sent, .writingBody], .writingBody),
        ([.broke, .tls], .tlsFailed),
        ([.broke, .sent, .client], .clientLeft),
        ([.broke, .sent, .stale], .staleConnection),
        ([.broke, .sent, .stale, .client], .clientLeft),
        ([.client], .clientLeft),
        ([.client, .sent], .clientLeft),
        ([.timeout, .sent], .timedOut),
        ([.shortage], .shortage),
        ([.unreachable], .unreachable),
        ([.unreachable, .noHost], .unreachable),
        ([.unreachable, .connectTimeout], .unreachable),
        ([], .refusedHere),
        ([.sent], .refusedHere),
    ]

    enum Ending {
        case answered, cut, held, closedAfterSending, closedBeforeSending, writingBody, tlsFailed, staleConnection,
            clientLeft, timedOut, shortage, unreachable, refusedHere
    }

    struct Situation: CustomStringConvertible {
        var evidence: Evidence
        var ending: Ending
        var idempotent, bodyCanBeResent, retrySafe, failOnTimeout, failingStatus: Bool
        var brokeBefore, memberIsSound: Bool
        var waited, attempts, maxAttempts: UInt32

        var policy: RequestPolicy {
            var statuses = InlineArray<10, UInt64>(repeating: 0)
            statuses[502 / 64] = 1 << (502 % 64)
            return RequestPolicy(
                maxAttempts: maxAttempts, retrySafe: retrySafe, failOnTimeout: failOnTimeout,
                failOnStatus: statuses)
        }

        var verdict: Verdict {
            Verdict.of(
                evidence, status: failingStatus ? 502 : 200,
                .init(
                    attempts: attempts, isIdempotent: idempotent, bodyCanBeResent: bodyCanBeResent, waited: waited,
                    brokeBefore: brokeBefore, memberIsSound: memberIsSound),
                policy: policy)
        }

        var description: String {
            """
            \(ending) \(evidence.rawValue) idempotent=\(idempotent) body=\(bodyCanBeResent) safe=\(retrySafe) \
            broke=\(brokeBefore) sound=\(memberIsSound) waited=\(waited) \(attempts)/\(maxAttempts)
            """
        }
    }

    /// Every request and policy: seven switches, the members waited for, and attempts up to and beyond the most there may be.
    static func situations(_ evidence: Evidence, _ ending: Ending) -> [Situation] {
        var all: [Situation] = []
        for switches in 0..<128 as Range<Int> {
            func on(_ bit: Int) -> Bool { switches >> bit & 1 == 1 }
            for (attempts, most) in [(1, 3), (2, 3), (3, 3), (1, 1), (2, 1), (3, 1)] as [(UInt32, UInt32)] {
                for waited in 0...2 as ClosedRange<UInt32> {
                    let situation = Situation(
                        evidence: evidence, ending: ending, idempotent: on(0),
                        bodyCanBeResent: on(1), retrySafe: on(2),
                        failOnTimeout: on(3), failingStatus: on(4),
                        brokeBefore: on(5), memberIsSound: on(6), waited: waited,
                        attempts: attempts, maxAttempts: most)
                    all.append(situation)
                }
            }
        }
        return all
    }

    /// "When two members in a row close, reset or send what is no HTTP on one request, and each had answered since its last
    /// failure"
    static func isSuspect(_ situation: Situation) -> Bool {
        (situation.ending == .closedAfterSending || situation.ending == .closedBeforeSending) && situation.brokeBefore
            && situation.memberIsSound
    }

    static func charge(_ situation: Situation) -> Verdict.Charge {
        switch situation.ending {
        // "when the member cannot be reached (refused, connect timeout, unknown host)"
        case .unreachable: .unreachable
        // "to close, reset, fail the TLS handshake, answer what is no HTTP, cut the answer short, answer a failonstatus"
        case .cut, .held, .closedAfterSending, .closedBeforeSending, .tlsFailed: .broken
        // "or, with failontimeout=on, time out"; otherwise "a timeout while waiting for an answer is an error and never a
        // failure"
        case .timedOut: situation.failOnTimeout ? .broken : .error
        // "A kept connection that its member closes just as a request goes out, before any byte, is an error but no failure";
        // "a break while the request's body is still being written (an error)"
        case .staleConnection, .writingBody: .error
        case .answered: situation.failingStatus ? .broken : .success
        // "Never charged: a client that goes away or sends a bad or late body; this host's own shortage"
        case .clientLeft, .shortage, .refusedHere: .nothing
        }
    }

    static func retry(_ situation: Situation) -> Bool {
        let safe = situation.retrySafe && situation.idempotent && situation.bodyCanBeResent
        // It uses up no attempt.
        if situation.ending == .staleConnection { return safe }
        guard situation.attempts < situation.maxAttempts, !isSuspect(situation) else { return false }
        switch situation.ending {
        // "If a member cannot be reached, the request goes to another", whatever retryon says and whatever it is. "after a
        // TLS handshake that failed nothing was sent, so it may go on"
        case .unreachable, .shortage, .closedBeforeSending, .tlsFailed: return true
        // "when the member fails later (closes, resets, times out, ...): the method is idempotent and the body can be
        // sent again"
        case .closedAfterSending, .writingBody, .staleConnection, .held: return safe
        // "of one request at most two members are waited for"
        case .timedOut: return safe && situation.waited < 1
        // A byte has gone to the client, the client has gone, or no member would do better.
        case .answered, .cut, .clientLeft, .refusedHere: return false
        }
    }

    @Test(arguments: evidence.indices) func everySituation(_ number: Int) {
        let (evidence, ending) = Self.evidence[number]
        for situation in Self.situations(evidence, ending) {
            // A member with a stale connection may well answer on a new one.
            let expected = Verdict(
                charge: Self.charge(situation), retry: Self.retry(situation),
                afresh: ending == .staleConnection && Self.retry(situation), isSuspect: Self.isSuspect(situation))
            guard situation.verdict != expected else { continue }
            Issue.record("\(situation): \(situation.verdict)")
        }
    }

    /// A good answer that was passed on whole has a way of its own, which must come to the same.
    @Test func theShortWayIsTheSame() {
        for situation in Self.situations([.answer, .sent], .answered) {
            let policy = [situation.policy]
            let short = policy.withUnsafeBufferPointer {
                Verdict.ofAnswer(situation.failingStatus ? 502 : 200, policy: $0.baseAddress!)
            }
            if short != situation.verdict { Issue.record("\(situation): \(short)") }
        }
    }

    // MARK: What must hold whatever was seen, also together with what should exclude it

    enum Property: CaseIterable {
        /// "A POST that a member may have begun to act on is never sent twice."
        case whatMayNotBeRepeatedIsNot
        /// "as long as no byte of an answer has gone to the client"
        case nothingIsRepeatedOnceAnAnswerWentOut
        case attemptsAreLimited
        /// A suspect request is sent to nobody else, and the member is charged for it.
        case aSuspectRequestEnds

        func holds(_ situation: Situation, _ verdict: Verdict) -> Bool {
            let saw = situation.evidence
            switch self {
            case .whatMayNotBeRepeatedIsNot:
                return !verdict.retry || !saw.contains(.sent)
                    || (situation.idempotent && situation.bodyCanBeResent && situation.retrySafe)
            case .nothingIsRepeatedOnceAnAnswerWentOut: return !(saw.contains(.answer) && verdict.retry)
            case .attemptsAreLimited:
                return !verdict.retry || verdict.afresh || situation.attempts < situation.maxAttempts
            case .aSuspectRequestEnds: return !verdict.isSuspect || (!verdict.retry && verdict.charge == .broken)
            }
        }
    }

    /// Evidence for which a property does not hold. The words that only tell of a detail are all there, or none is.
    static let violations: [Property: Set<UInt32>] = {
        var found: [Property: Set<UInt32>] = [:]
        let all = situations([], .answered).filter { $0.waited != 1 && $0.attempts != 2 }
        for word in 0..<UInt32(1024) {
            for details in [0, 0x3C00] as [UInt32] {
                for var situation in all {
                    situation.evidence = Evidence(rawValue: word | details)
                    let verdict = situation.verdict
                    for property in Property.allCases where !property.holds(situation, verdict) {
                        found[property, default: []].insert(word | details)
                    }
                }
            }
        }
        return found
    }()

    @Test(arguments: Property.allCases) func always(_ property: Property) {
        #expect(Self.violations[property, default: []].sorted() == [])
    }

    /// A request begins afresh once: the second kept connection that breaks is an attempt like others.
    @Test func afreshOnlyOnce() {
        let policy = RequestPolicy(
            maxAttempts: 1, retrySafe: true, failOnTimeout: false, failOnStatus: InlineArray(repeating: 0))
        for before in [false, true] {
            let verdict = Verdict.of(
                [.broke, .sent, .stale], status: 0,
                .init(attempts: 1, isIdempotent: true, bodyCanBeResent: true, wasStaleBefore: before), policy: policy)
            #expect(verdict == Verdict(charge: .error, retry: !before, afresh: !before))
        }
    }

    // MARK: What a request met before

    /// What makes the next member that closes the second in a row: a sound member that closed, whatever could not be reached
    /// in between.
    @Test(arguments: evidence.indices) func whatCountsForTheRow(_ number: Int) {
        let (evidence, ending) = Self.evidence[number]
        let closes = ending == .closedAfterSending || ending == .closedBeforeSending
        #expect(Verdict.isClose(evidence) == closes)
        #expect(
            Verdict.reached(evidence) == ![.unreachable, .shortage, .staleConnection].contains(ending)
                || ending == .clientLeft)
    }

    // MARK: Parts

    @Test(
        arguments: [
            (0, false), (200, false), (501, false), (502, true), (503, true), (599, true), (639, true),
            (640, false), (64, true), (.max, false),
        ] as [(UInt32, Bool)])
    func failingStatuses(_ status: UInt32, _ fails: Bool) {
        var statuses = InlineArray<10, UInt64>(repeating: 0)
        for status in [64, 502, 503, 599, 639] { statuses[status / 64] |= 1 << UInt64(status % 64) }
        let policy = RequestPolicy(maxAttempts: 1, retrySafe: true, failOnTimeout: false, failOnStatus: statuses)
        #expect(policy.fails(on: status) == fails)
    }

    @Test func rawValuesAreTheInterfaces() {
        let all: [Evidence] = [
            .sent, .answer, .held, .broke, .timeout, .client, .shortage, .unreachable, .stale, .writingBody, .tls,
            .noHTTP, .noHost, .connectTimeout,
        ]
        #expect(all.map(\.rawValue) == (0..<14).map { 1 << $0 })
    }
}
