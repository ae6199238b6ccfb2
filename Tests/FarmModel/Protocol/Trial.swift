/// The trial of a member that failures put down: who tries it, and when the next may.
///
/// Sources/FarmCore/State/PassiveHealth.swift (claimTrial, failed, postpone, succeeded), Sources/FarmTables/RequestLife.swift (noteFailure).
/// Time is a word that a clock moves on. Memory is ordered: a claim is a compare-and-swap, which finds the newest word in any
/// memory model, and fails if what was read before it is old.
public enum TrialProtocol {
    public enum Mutation: CaseIterable, Sendable {
        /// The claim is a look and a store.
        case looseClaim
        /// A claim leaves `retry_at` where it was.
        case notMovedOn
        /// A claim makes the member due again only when somebody ends the trial.
        case endedByHandOnly
        /// Whether it is due is not asked.
        case notDue
    }

    /// What a trial that failed writes, and by which look at the clock.
    public enum Failure: CaseIterable, Sendable {
        /// What the code did: it looked before it had the lock, and wrote over what there was.
        case clockBeforeLock
        /// It looks when it has the lock, and writes over what there is.
        case overwrites
        /// What the code does: it looks when it has the lock, and writes nothing that is earlier than what there is.
        case neverEarlier
    }

    public static let one =
        "two trials begin `retry` apart, by the clocks of who claimed them, unless the first has ended"
    public static let again = "a member that is down is due again, whoever died"

    private static let retry = 1
    private static let never = 100

    /// Processes with a request each, that may try the member. Each may lose its processor anywhere, for as long as time goes on.
    public static func system(
        _ mutation: Mutation? = nil, requests: Int = 3, deaths: Int = 1, hours: Int = 3,
        failure: Failure = .neverEarlier
    ) -> System {
        let system = System()
        // It has been down, and is due at 1.
        let (status, retryAt, clock) = (system.word(1), system.word(1), system.word())
        let lock = system.lock()
        // When the last trial was claimed, by the clock of who did, and 1; 0: it has ended, or there was none.
        let last = system.note()
        for request in 0..<requests {
            let program = Program("request \(request + 1)")
            let (now, due, seen) = (program.register(), program.register(), program.register())
            let skip = program.label()
            program.step("Engine.choose: the clock") { $0[now] = $0.get(clock) }
            program.step("PassiveHealth.claimTrial: get retry_at") { $0[due] = $0.get(retryAt) }
            program.step("PassiveHealth.claimTrial: read status, is it down and due") { turn in
                let isDue = turn[now] >= turn[due] || mutation == .notDue
                if turn.read(status) != 1 || !isDue { turn.end() }
            }
            program.step("PassiveHealth.claimTrial: swap retry_at") { turn in
                let next =
                    switch mutation {
                    case .endedByHandOnly: never
                    case .notMovedOn: turn[due]
                    default: turn[now] + retry
                    }
                if mutation == .looseClaim {
                    turn.set(retryAt, next)
                } else if !turn.swap(retryAt, turn[due], next) {
                    return turn.end()
                }
                let before = turn[last] - 1
                turn.require(before < 0 || turn[now] - before >= retry, one)
                turn[last] = turn[now] + 1
            }
            program.step("the member answers, or not") { turn in
                if turn.chance(2) == 0 { return turn.go(skip) }
                turn[now] = -1
            }
            program.here(skip)
            func clockOfFailure() {
                program.step("RequestLife.noteFailure: the clock") { $0[due] = $0.get(clock) + 2 * retry }
            }
            if failure == .clockBeforeLock { clockOfFailure() }
            program.step("RowWriting.write: apr_global_mutex_lock") { $0.take(lock) }
            let up = program.label()
            let again = program.label()
            let over = program.label()
            program.step("failed or succeeded: read status") { turn in
                if turn.read(status) != 1 { return turn.go(over) }
                if turn[now] == -1 { turn.go(up) }
            }
            if failure != .clockBeforeLock { clockOfFailure() }
            if failure == .neverEarlier {
                program.here(again)
                program.step("PassiveHealth.postpone: get retry_at, is it earlier") { turn in
                    turn[seen] = turn.get(retryAt)
                    if turn[seen] >= turn[due] { turn.go(over) }
                }
                program.step("PassiveHealth.postpone: swap retry_at") { turn in
                    turn.go(turn.swap(retryAt, turn[seen], turn[due]) ? over : again)
                }
            } else {
                program.step("PassiveHealth.failed: set retry_at") { turn in
                    turn.set(retryAt, turn[due])
                    turn.go(over)
                }
            }
            program.here(up)
            program.step("PassiveHealth.succeeded: set retry_at 0") { turn in
                turn.set(retryAt, 0)
                turn[last] = 0
            }
            program.step("PassiveHealth.succeeded: publish status") { $0.publish(status, 0) }
            program.here(over)
            program.step("RowWriting.write: apr_global_mutex_unlock") { $0.release(lock) }
            system.process("process \(request + 1)", mortal: true, [program])
        }
        let time = Program("time")
        for hour in 1...hours {
            time.step("it is \(hour)") { $0.set(clock, hour) }
        }
        system.process("time", mortal: false, [time])
        system.deaths = deaths
        system.atTheEnd = { turn in
            guard turn.newest(status) == 1 else { return }
            turn.require(turn.newest(retryAt) <= turn.newest(clock) + 16 * retry, again)
        }
        return system
    }
}
