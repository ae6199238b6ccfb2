/// The trials of a member that failures put down: who tries it, when the next may begin, and what a trial leaves behind.
///
/// Sources/FarmCore/State/PassiveHealth.swift (nextTrial, claimTrial, connected, didNotConnect, failed, trialHeld),
/// Sources/FarmTables/RequestLife.swift (charge, noteFailure, noteSuccess). Time is a word that a clock moves on; its unit is
/// `recover`. Memory is ordered: a claim is a compare-and-swap of `tried_at`, which finds the newest word in any memory model,
/// and fails if what was read before it is old. `retry_at` is written under the lock; an old one lets a request that may be
/// repeated try the member `retry` after the last trial, and not after twice that time.
public enum TrialProtocol {
    /// Who asks: as PassiveHealth.Asker, without the one that waits longest.
    public enum Asker: Sendable {
        case repeatable, stranded
    }

    public enum Mutation: CaseIterable, Sendable {
        /// The claim is a look and a store.
        case looseClaim
        /// A claim leaves the moment of the last one.
        case notMovedOn
        /// Whether it is due is not asked.
        case notDue
        /// Whether the last trial has connected is not asked.
        case unconnectedForgotten
        /// The next trial waits until the last one has connected or failed, however long that takes.
        case endedByHandOnly
        /// That a trial has connected is stored, whoever has claimed another one meanwhile.
        case connectedByStore
        /// A trial that has not connected leaves its moment, however long it took.
        case notPostponed
        /// A trial that has failed leaves `retry_at`.
        case notDoubled
    }

    public static let apart =
        "two trials begin `recover` apart, and two while others serve `retry` apart, by the clocks of who claimed them"
    public static let alone = "no trial begins while another has not connected, unless that one has had its time"
    public static let postponed = "after a trial that did not connect the next one waits as long as that took"
    public static let doubled =
        "after a trial that failed while others served the next one waits for twice `retry`, if it can know"
    public static let again = "a member that is down is due again, whoever died"

    private static let recover = 1
    private static let limit = 2
    private static let never = 100

    /// Processes with a request each, that may try the member. Each may lose its processor anywhere, for as long as time goes on.
    /// `clockBeforeLock`: a failure looked at the clock before it had the lock.
    public static func system(
        _ mutation: Mutation? = nil, _ askers: [Asker] = [.stranded, .stranded, .repeatable], retry: Int = 2,
        deaths: Int = 1, hours: Int = 4, clockBeforeLock: Bool = false
    ) -> System {
        let system = System()
        // It went down at 0.
        let (status, triedAt, retryAt, clock) = (system.word(1), system.word(), system.word(retry), system.word())
        let lock = system.lock()
        // Moments, by the clock of who did it, and 1; 0: never. The last claim; that of a trial which has not connected;
        // the end of the last wait for one that did not; the last failure of a trial while others served.
        let (last, open, waited, failed) = (system.note(), system.note(), system.note(), system.note())

        for (number, asker) in askers.enumerated() {
            let program = Program("request \(number + 1), \(asker)")
            let (now, tried, due, known) = (
                program.register(), program.register(), program.register(), program.register()
            )
            let (unreachable, breaks, over) = (program.label(), program.label(), program.label())
            let isStranded = asker == .stranded ? 2 : 0
            program.step("Engine.choose: the clock") { $0[now] = $0.get(clock) }
            program.step("PassiveHealth.claimTrial: read tried_at") { $0[tried] = $0.read(triedAt) }
            program.step("PassiveHealth.claimTrial: get retry_at, when is it due") { turn in
                let began = turn[tried] >> 2
                let serves = max(turn.get(retryAt), began + (turn[tried] & 2 != 0 ? recover : retry))
                let pause = asker == .stranded ? began + recover : serves
                let waits = turn[tried] & 1 != 0 && mutation != .unconnectedForgotten
                turn[known] = turn[failed]
                turn[due] = !waits ? pause : mutation == .endedByHandOnly ? never : max(pause, began + limit)
            }
            program.step("PassiveHealth.claimTrial: read status, is it down and due") { turn in
                if turn.read(status) != 1 || (turn[now] < turn[due] && mutation != .notDue) { turn.end() }
            }
            program.step("PassiveHealth.claimTrial: swap tried_at") { turn in
                let next = mutation == .notMovedOn ? turn[tried] | 1 : turn[now] << 2 | isStranded | 1
                if mutation == .looseClaim {
                    turn.set(triedAt, next)
                } else if !turn.swap(triedAt, turn[tried], next) {
                    return turn.end()
                }
                let pause = asker == .stranded ? recover : turn[tried] & 2 != 0 ? recover : retry
                turn.require(turn[last] == 0 || turn[now] - (turn[last] - 1) >= pause, apart)
                turn.require(turn[open] == 0 || turn[now] - (turn[open] - 1) >= limit, alone)
                turn.require(turn[now] >= turn[waited] - 1, postponed)
                turn.require(
                    asker == .stranded || turn[known] == 0 || turn[now] >= turn[known] - 1 + 2 * retry, doubled)
                turn[last] = turn[now] + 1
                turn[open] = turn[now] + 1
            }
            program.step("it connects, or not") { if $0.chance(2) == 0 { $0.go(unreachable) } }
            program.step("PassiveHealth.connected: swap tried_at") { turn in
                if mutation == .connectedByStore {
                    turn.set(triedAt, turn[now] << 2 | isStranded)
                } else {
                    _ = turn.swap(triedAt, turn[now] << 2 | isStranded | 1, turn[now] << 2 | isStranded)
                }
                if turn[open] == turn[now] + 1 { turn[open] = 0 }
            }
            program.step("the member answers, or not") { if $0.chance(2) == 0 { $0.go(breaks) } }
            program.step("RowWriting.write: apr_global_mutex_lock") { $0.take(lock) }
            program.step("PassiveHealth.trialHeld: read status") { if $0.read(status) != 1 { $0.go(over) } }
            program.step("PassiveHealth.trialHeld: set retry_at 0") { turn in
                turn.set(retryAt, 0)
                turn[failed] = 0
            }
            program.step("PassiveHealth.trialHeld: publish status") { turn in
                turn.publish(status, 0)
                turn.go(over)
            }
            program.here(unreachable)
            program.step("RequestLife.charge: the clock") { $0[due] = $0.get(clock) }
            program.step("PassiveHealth.didNotConnect: swap tried_at") { turn in
                let took = turn[due] - turn[now]
                let next = took > recover && mutation != .notPostponed ? turn[due] + took - recover : turn[now]
                if turn.swap(triedAt, turn[now] << 2 | isStranded | 1, next << 2 | isStranded), took > recover {
                    turn[waited] = turn[due] + took + 1
                }
                if turn[open] == turn[now] + 1 { turn[open] = 0 }
            }
            program.here(breaks)
            program.step("RequestLife.noteFailure: was nobody available") { turn in
                if asker == .stranded { turn.end() }
            }
            func clockOfFailure() {
                program.step("RequestLife.noteFailure: the clock") { $0[due] = $0.get(clock) }
            }
            if clockBeforeLock { clockOfFailure() }
            program.step("RowWriting.write: apr_global_mutex_lock") { $0.take(lock) }
            program.step("PassiveHealth.failed: read status") { if $0.read(status) != 1 { $0.go(over) } }
            if !clockBeforeLock { clockOfFailure() }
            program.step("PassiveHealth.failed: set retry_at") { turn in
                if mutation != .notDoubled { turn.set(retryAt, turn[due] + 2 * retry) }
                turn[failed] = max(turn[failed], turn[due] + 1)
            }
            program.here(over)
            program.step("RowWriting.write: apr_global_mutex_unlock") { $0.release(lock) }
            system.process("process \(number + 1)", mortal: true, [program])
        }
        let time = Program("time")
        for hour in 1...hours {
            time.step("it is \(hour)") { $0.set(clock, hour) }
        }
        system.process("time", mortal: false, [time])
        system.deaths = deaths
        system.atTheEnd = { turn in
            guard turn.newest(status) == 1 else { return }
            let (tried, now) = (turn.newest(triedAt), turn.newest(clock))
            // A trial that was waited for all the time postpones the next by as much.
            let isOpenForEver = mutation == .endedByHandOnly && tried & 1 != 0
            turn.require(!isOpenForEver && tried >> 2 <= 2 * now, again)
            turn.require(turn.newest(retryAt) <= now + 16 * retry, again)
        }
        return system
    }
}
