import FarmTestSupport
import Testing

@testable import FarmCore

/// Every way an attempt can end, with every policy and every kind of request, against a model of the contract: "a failure
/// is the member's when …" and the rules of when a request may go to another member.
@Suite struct VerdictTests {
    /// What farm_evidence.c can put together.
    static let evidence: [(Evidence, Ending)] = [
        ([.answer, .sent], .answered),
        ([.answer], .answered),
        ([.answer, .sent, .client], .answered),
        ([.answer, .sent, .broke], .cut),
        ([.answer, .sent, .broke, .client], .clientLeft),
        ([.held, .sent], .held),
        ([.broke, .sent], .brokeAfterSending),
        ([.broke], .brokeBeforeSending),
        ([.broke, .sent, .client], .clientLeft),
        ([.broke, .sent, .stale], .staleConnection),
        ([.broke, .sent, .stale, .client], .clientLeft),
        ([.client], .clientLeft),
        ([.client, .sent], .clientLeft),
        ([.timeout, .sent], .timedOut),
        ([.shortage], .shortage),
        ([.unreachable], .unreachable),
        ([], .refusedHere),
        ([.sent], .refusedHere),
    ]

    enum Ending {
        case answered, cut, held, brokeAfterSending, brokeBeforeSending, staleConnection, clientLeft, timedOut,
            shortage,
            unreachable, refusedHere
    }

    struct Situation: CustomStringConvertible {
        var evidence: Evidence
        var ending: Ending
        var idempotent, bodyCanBeResent, retrySafe, failOnTimeout, failingStatus: Bool
        var attempts, maxAttempts: UInt32

        var policy: RequestPolicy {
            var statuses = InlineArray<10, UInt64>(repeating: 0)
            statuses[502 / 64] = 1 << (502 % 64)
            return RequestPolicy(
                maxAttempts: maxAttempts, retrySafe: retrySafe, failOnTimeout: failOnTimeout,
                failOnStatus: statuses)
        }

        var verdict: Verdict {
            Verdict.of(
                evidence, status: failingStatus ? 502 : 200, attempts: attempts, idempotent: idempotent,
                bodyCanBeResent: bodyCanBeResent, policy: policy)
        }

        var description: String {
            "\(ending) idempotent=\(idempotent) body=\(bodyCanBeResent) safe=\(retrySafe) \(attempts)/\(maxAttempts)"
        }
    }

    /// Every request and policy: five switches, and attempts up to and beyond the most there may be.
    static func situations(_ evidence: Evidence, _ ending: Ending) -> [Situation] {
        (0..<32).flatMap { switches in
            [(1, 3), (2, 3), (3, 3), (1, 1), (2, 1), (3, 1)].map { attempts, most in
                Situation(
                    evidence: evidence, ending: ending, idempotent: switches & 1 != 0,
                    bodyCanBeResent: switches & 2 != 0,
                    retrySafe: switches & 4 != 0, failOnTimeout: switches & 8 != 0, failingStatus: switches & 16 != 0,
                    attempts: attempts, maxAttempts: most)
            }
        }
    }

    static func charge(_ situation: Situation) -> Verdict.Charge {
        switch situation.ending {
        // "refuses, resets, ... answers what is no HTTP, cuts an answer short, or answers a failonstatus"
        case .cut, .held, .brokeAfterSending, .brokeBeforeSending, .unreachable: .failure
        // "failontimeout off: a timeout while waiting for an answer is retried and counted in errors but not towards fall"
        case .timedOut: situation.failOnTimeout ? .failure : .error
        // A kept connection that is closed just as a request is on its way: counted, but no sign of a member that is down.
        case .staleConnection: .error
        case .answered: situation.failingStatus ? .failure : .success
        // "Never charged to it: a client that goes away or sends a bad or late body; this host's own shortage"
        case .clientLeft, .shortage, .refusedHere: .nothing
        }
    }

    static func retry(_ situation: Situation) -> Bool {
        // It counts against no limit.
        if situation.ending == .staleConnection {
            return situation.retrySafe && situation.idempotent && situation.bodyCanBeResent
        }
        guard situation.attempts < situation.maxAttempts else { return false }
        switch situation.ending {
        // "If a member cannot be reached, the request goes to another", whatever retryon says and whatever it is.
        case .unreachable, .shortage, .brokeBeforeSending: return true
        // "when the member fails later (closes, resets, times out, ...): the method is idempotent and the body can be
        // sent again"
        case .brokeAfterSending, .staleConnection, .timedOut, .held:
            return situation.retrySafe && situation.idempotent && situation.bodyCanBeResent
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
                afresh: ending == .staleConnection && Self.retry(situation))
            #expect(situation.verdict == expected, "\(situation)")
        }
    }

    // MARK: What must hold whatever was seen, also together with what should exclude it

    static let everything: [Situation] = (0..<512).flatMap { situations(Evidence(rawValue: $0), .answered) }

    /// "A POST that a member may have begun to act on is never sent twice."
    @Test func whatWasSentAndMayNotBeRepeatedIsNot() {
        let wrong = Self.everything.filter {
            $0.evidence.contains(.sent) && !($0.idempotent && $0.bodyCanBeResent && $0.retrySafe) && $0.verdict.retry
        }
        #expect(wrong.isEmpty, "\(Set(wrong.map(\.evidence.rawValue)).sorted())")
    }

    /// "as long as no byte of an answer has gone to the client"
    @Test func nothingIsRepeatedOnceAnAnswerWentOut() {
        let wrong = Self.everything.filter { $0.evidence.contains(.answer) && $0.verdict.retry }
        #expect(wrong.isEmpty, "\(Set(wrong.map(\.evidence.rawValue)).sorted())")
    }

    /// A request begins afresh once: the second kept connection that breaks is an attempt like others.
    @Test func afreshOnlyOnce() {
        let policy = RequestPolicy(
            maxAttempts: 1, retrySafe: true, failOnTimeout: false, failOnStatus: InlineArray(repeating: 0))
        for before in [false, true] {
            let verdict = Verdict.of(
                [.broke, .sent, .stale], status: 0, attempts: 1, idempotent: true, bodyCanBeResent: true,
                wasStaleBefore: before, policy: policy)
            #expect(verdict == Verdict(charge: .error, retry: !before, afresh: !before))
        }
    }

    @Test func attemptsAreLimited() {
        #expect(
            Self.everything.filter { $0.attempts >= $0.maxAttempts && $0.verdict.retry && !$0.verdict.afresh }.isEmpty)
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
        let all: [Evidence] = [.sent, .answer, .held, .broke, .timeout, .client, .shortage, .unreachable, .stale]
        #expect(all.map(\.rawValue) == [1, 2, 4, 8, 16, 32, 64, 128, 256])
    }
}
