/// A row under its lock: the mark of who is at it, notes that belong together, repair after a death, and readers that take no lock.
///
/// Sources/FarmTables/RowWriting.swift, Sources/FarmCore/State/AdminNote.swift, Status/StatusSnapshot.swift, StateFile.swift.
public enum RowProtocol {
    /// What is changed against the code, so that something must break.
    public enum Mutation: CaseIterable, Sendable {
        case noLock, noMark, noRepair, noFenceAfterMark, noFenceBeforeLastLook, relaxedEnd, relaxedFirstLook
    }

    /// How a reader copies.
    public struct Reading {
        /// The state is read after the copy counts, as StateFile.writeMemberState once did, not within it.
        public var stateAfterwards = false
        /// A copy that could never be confirmed is believed unless it says that it is half, as the code once did.
        public var believesLast = false

        public init(stateAfterwards: Bool = false, believesLast: Bool = false) {
            self.stateAfterwards = stateAfterwards
            self.believesLast = believesLast
        }
    }

    public static let whole = "a note that is believed is one note, with the state that it explains"
    public static let repaired = "a row whose writer died is repaired before anything else is written"
    public static let alone = "one writer at a time"
    public static let kept = "no change of a state is lost"
    public static let even = "a row that nobody has is whole, or marked"

    public static let seen = "a row whose writer's end the parent has seen is not left marked"

    public static let oneReport = "a report that is believed is one report"

    /// A note that says that nothing is known: who, why and until are gone.
    private static let nobodys = 9

    struct Words {
        let sequence, writing, status, first, second: Word
        let lock: Lock
        /// A writer died at it, and nobody has repaired it since.
        let half: Note
        /// Writers between mark and end.
        let writers: Note
        let mutation: Mutation?
    }

    /// Two writers of notes or of health, and a reader. `parent`: it looks after who has died.
    public static func system(
        _ mutation: Mutation? = nil, relaxed: Bool, deaths: Int, secondIsMonitor: Bool = false,
        tries: Int = 2, reading: Reading = Reading(), parent: Bool = false
    ) -> System {
        let system = System(relaxed: relaxed)
        let words = Words(
            sequence: system.word(), writing: system.word(), status: system.word(), first: system.word(),
            second: system.word(), lock: system.lock(), half: system.note(), writers: system.note(),
            mutation: mutation)
        let writers = [
            system.process("A", mortal: true, [administrator(words, note: 1, "A")]),
            system.process(
                "B", mortal: true, [secondIsMonitor ? monitor(words, "B") : administrator(words, note: 2, "B")]),
        ]
        system.process("C", mortal: false, [reader(words, tries: tries, reading)])
        if parent { system.process("parent", mortal: false, [Self.parent(words, of: writers)]) }
        system.deaths = deaths
        system.whenDies = { turn, process in
            guard turn.holds(process, words.lock), turn.newest(words.sequence) % 2 == 1 else { return }
            turn[words.half] = 1
            turn[words.writers] = 0
        }
        system.atTheEnd = { turn in
            if secondIsMonitor && turn.deaths == 0 { turn.require(turn.newest(words.status) == 5, kept) }
            if turn.newest(words.sequence) % 2 == 0 {
                turn.require(turn.newest(words.writing) == 0, even)
                turn.require(turn.newest(words.first) == turn.newest(words.second), even)
            }
            turn.require(turn[words.half] == turn.newest(words.sequence) % 2, even)
            if parent { turn.require(turn.newest(words.sequence) % 2 == 0, seen) }
        }
        return system
    }

    /// Two reports of a member to two processes, or one and a monitor's word, and a reader: values under the lock and the mark,
    /// without the flag `writing`.
    public static func reports(
        _ mutation: Mutation? = nil, relaxed: Bool, deaths: Int, secondIsMonitor: Bool = false
    ) -> System {
        let system = System(relaxed: relaxed)
        let words = Words(
            sequence: system.word(), writing: system.word(), status: system.word(), first: system.word(),
            second: system.word(), lock: system.lock(), half: system.note(), writers: system.note(),
            mutation: mutation)
        if secondIsMonitor { system.process("B", mortal: true, [monitor(words, "B")]) }
        for (name, report) in secondIsMonitor ? [("A", 1)] : [("A", 1), ("B", 2)] {
            let program = Program("\(name) (report \(report))")
            write(program, words) {
                program.step("Engine.store: set a value") { $0.set(words.first, report) }
                program.step("Engine.store: set another value, and the load") { $0.set(words.second, report) }
            }
            system.process(name, mortal: true, [program])
        }
        let program = Program("C (reader)")
        let (before, first, second) = (program.register(), program.register(), program.register())
        program.step("RowWriting.read: read sequence") { $0[before] = $0.read(words.sequence) }
        program.step("StatusSnapshot.copy: get a value") { $0[first] = $0.get(words.first) }
        program.step("StatusSnapshot.copy: get another value") { $0[second] = $0.get(words.second) }
        program.step("RowWriting.read: farm_fence") { $0.fence() }
        program.step("RowWriting.read: get sequence again") { turn in
            guard turn.get(words.sequence) == turn[before], turn[before] % 2 == 0 else { return }
            turn.require(turn[first] == turn[second], oneReport)
        }
        system.process("C", mortal: false, [program])
        system.deaths = deaths
        system.whenDies = { turn, process in
            guard turn.holds(process, words.lock), turn.newest(words.sequence) % 2 == 1 else { return }
            turn[words.half] = 1
            turn[words.writers] = 0
        }
        return system
    }

    /// RowWriting.write around a body.
    private static func write(_ program: Program, _ words: Words, _ body: () -> Void) {
        let seen = program.register()
        let whole = program.label()
        if words.mutation != .noLock {
            program.step("RowWriting.write: apr_global_mutex_lock") { $0.take(words.lock) }
        }
        program.step("RowWriting.write: get sequence, odd is a dead writer's") { turn in
            turn[seen] = turn.get(words.sequence)
            if turn[seen] % 2 == 0 || words.mutation == .noRepair { turn.go(whole) }
        }
        repair(program, words)
        program.here(whole)
        mark(program, words, seen, body)
        if words.mutation != .noLock {
            program.step("RowWriting.write: apr_global_mutex_unlock") { $0.release(words.lock) }
        }
    }

    /// RowWriting.marked.
    private static func mark(_ program: Program, _ words: Words, _ seen: Register, _ body: () -> Void) {
        if words.mutation != .noMark {
            program.step("RowWriting.marked: set sequence odd") { turn in
                turn.require(turn[words.half] == 0, repaired)
                turn[words.writers] += 1
                turn.require(turn[words.writers] == 1, alone)
                turn.set(words.sequence, turn[seen] | 1)
            }
        }
        if words.mutation != .noFenceAfterMark { program.step("RowWriting.marked: farm_fence") { $0.fence() } }
        body()
        program.step("RowWriting.marked: publish sequence even") { turn in
            if words.mutation != .noMark { turn[words.writers] -= 1 }
            let even = words.mutation == .noMark ? turn[seen] : (turn[seen] | 1) + 1
            if words.mutation == .relaxedEnd {
                turn.set(words.sequence, even)
            } else {
                turn.publish(words.sequence, even)
            }
        }
    }

    /// RowWriting.repair, AdminNote.repair. The state is always one that some writer has left: it is a word.
    private static func repair(_ program: Program, _ words: Words) {
        let done = program.label()
        program.step("AdminNote.repair: get writing") { turn in
            guard turn.get(words.writing) == 0 else { return }
            turn[words.half] = 0
            turn.go(done)
        }
        setNote(program, words, nobodys) {}
        program.step("RowWriting.repair: the row is one that some writer could have left") { $0[words.half] = 0 }
        program.here(done)
    }

    /// Tables.repairRows, once for each process that is gone.
    private static func parent(_ words: Words, of children: [Int]) -> Program {
        let program = Program("parent")
        for child in children {
            let next = program.label()
            let unlock = program.label()
            let seen = program.register()
            program.step("processGone: a child is gone") { turn in
                if !turn.isOver(child) { turn.wait() } else if !turn.isDead(child) { turn.go(next) }
            }
            program.step("RowWriting.repairLeft: get sequence, is it odd") { turn in
                if turn.get(words.sequence) % 2 == 0 { turn.go(next) }
            }
            program.step("RowWriting.repairLeft: apr_global_mutex_trylock") { turn in
                if !turn.tryTake(words.lock) { turn.go(next) }
            }
            program.step("RowWriting.repairLeft: get sequence again, odd is a dead writer's") { turn in
                turn[seen] = turn.get(words.sequence)
                if turn[seen] % 2 == 0 { turn.go(unlock) }
            }
            repair(program, words)
            mark(program, words, seen) {}
            program.here(unlock)
            program.step("RowWriting.repairLeft: apr_global_mutex_unlock") { $0.release(words.lock) }
            program.here(next)
        }
        program.step("goes on") { $0.end() }
        return program
    }

    /// AdminNote.set.
    private static func setNote(_ program: Program, _ words: Words, _ note: Int, _ publish: () -> Void) {
        program.step("AdminNote.set: set writing 1") { $0.set(words.writing, 1) }
        program.step("AdminNote.set: farm_fence") { $0.fence() }
        program.step("AdminNote.set: copy by and reason") { $0.set(words.second, note) }
        program.step("AdminNote.set: set since and until") { $0.set(words.first, note) }
        publish()
        program.step("AdminNote.set: farm_fence after the state") { $0.fence() }
        program.step("AdminNote.set: set writing 0") { $0.set(words.writing, 0) }
    }

    /// Engine.changeMember: a state and the note that explains it. Of the status the low two bits are the administrator's.
    private static func administrator(_ words: Words, note: Int, _ name: String) -> Program {
        let program = Program("\(name) (administrator, note \(note))")
        let state = program.register()
        write(program, words) {
            setNote(program, words, note) {
                program.step("changeMember: read status") { $0[state] = $0.read(words.status) }
                program.step("changeMember: publish status") { turn in
                    turn.publish(words.status, turn[state] & ~3 | note)
                }
            }
        }
        return program
    }

    /// MonitoredHealth.note: a bit of the same word, and no note.
    private static func monitor(_ words: Words, _ name: String) -> Program {
        let program = Program("\(name) (monitor)")
        let state = program.register()
        write(program, words) {
            program.step("MonitoredHealth.note: read status") { $0[state] = $0.read(words.status) }
            program.step("MonitoredHealth.note: publish status") { $0.publish(words.status, $0[state] | 4) }
        }
        return program
    }

    /// RowWriting.read around StatusSnapshot.copyWords, which goes from the beginning of the row to its end.
    private static func reader(_ words: Words, tries: Int, _ reading: Reading) -> Program {
        let program = Program("C (reader)")
        let (before, status, first) = (program.register(), program.register(), program.register())
        let (writing, second, tried) = (program.register(), program.register(), program.register())
        let again = program.label()
        let done = program.label()
        func isWhole(_ turn: Turn) -> Bool {
            let note = turn[second]
            return turn[first] == note && (note == nobodys || turn[status] & 3 == note)
        }
        program.here(again)
        program.step("RowWriting.read: read sequence") { turn in
            turn[before] = words.mutation == .relaxedFirstLook ? turn.get(words.sequence) : turn.read(words.sequence)
        }
        if !reading.stateAfterwards { program.step("copyWords: get status") { $0[status] = $0.get(words.status) } }
        program.step("copyWords: get since and until") { $0[first] = $0.get(words.first) }
        program.step("copyWords: get writing") { $0[writing] = $0.get(words.writing) }
        program.step("copyWords: get by and reason") { $0[second] = $0.get(words.second) }
        if words.mutation != .noFenceBeforeLastLook { program.step("RowWriting.read: farm_fence") { $0.fence() } }
        program.step("RowWriting.read: get sequence again") { turn in
            if turn.get(words.sequence) == turn[before] && turn[before] % 2 == 0 {
                if reading.stateAfterwards { return turn.go(done) }
                turn.require(turn[writing] == 0 && isWhole(turn), whole)
                return turn.end()
            }
            turn[tried] += 1
            if turn[tried] < tries { return turn.go(again) }
            // RowWriting.forgetHalf: half a note is nobody's.
            if reading.believesLast { turn.require(turn[writing] != 0 || turn[first] == turn[second], whole) }
            turn.end()
        }
        program.here(done)
        if reading.stateAfterwards {
            program.step("StateFile.writeMemberState: read status") { turn in
                turn[status] = turn.read(words.status)
                turn.require(turn[writing] == 0 && isWhole(turn), whole)
            }
        }
        return program
    }
}
