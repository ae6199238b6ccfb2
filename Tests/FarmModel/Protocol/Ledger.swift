/// Requests in flight: the row's count, the cells of each process, what the parent does when a process dies, and slots.
///
/// Sources/FarmCore/State/InFlight.swift, Sources/FarmTables/Processes.swift. The memory is an ordered one. That is enough: a
/// count is changed by read-modify-writes alone, which find the newest value in any memory model; and what a killed process
/// leaves behind is what it did up to some instruction, since an interrupt is taken between two of them.
public enum LedgerProtocol {
    public enum Mutation: CaseIterable, Sendable {
        /// The row is written before the cell at the beginning, and after it at the end.
        case rowFirst
        /// The slot is free before its cells are cleared.
        case slotFirst
        /// What a cell held is taken off the row, and stays in the cell.
        case cellKept
        /// Nobody asks about a dead process.
        case notForgotten
        /// No differences are taken off.
        case noReconcile
        /// A place under a limit is taken by looking and then adding, not by compare-and-swap.
        case looseLimit
    }

    public struct Shape: Sendable {
        /// Threads of process A, each with one request; B and C have one.
        public var threads = 1
        public var hasB = true
        /// C begins when A is gone, and finds a slot.
        public var hasC = false
        public var deaths = 1
        public var limit = 1
        /// Readings that must be alike before a difference is taken off.
        public var readings = 2
        /// Whether a reading is made of single loads, between which others go on.
        public var readsWordByWord = false

        public init() {}
    }

    public static let limited = "unless a process died between its two writes, no more hold a place than may"
    public static let settled = "when all is over, a row, its cells and who holds a place agree"

    struct Words {
        let row: Word
        let pids: [Word]
        let cells: [Word]
        /// Places that living processes hold, from the end of take to the beginning of giveBack.
        let held: Note
        /// Of each thread: what it has in its cell, and what in the row.
        let inCell: [Note]
        let inRow: [Note]
        /// Some process died with a cell and a row that differed.
        let torn: Note
        let shape: Shape
        let mutation: Mutation?
    }

    public static func system(_ mutation: Mutation? = nil, _ shape: Shape = Shape()) -> System {
        let system = System()
        let count = shape.threads + (shape.hasB ? 1 : 0) + (shape.hasC ? 1 : 0)
        let words = Words(
            row: system.word(), pids: [system.word(1), system.word(shape.hasB ? 2 : 0)],
            cells: [system.word(), system.word()], held: system.note(),
            inCell: (0..<count).map { _ in system.note() }, inRow: (0..<count).map { _ in system.note() },
            torn: system.note(), shape: shape, mutation: mutation)
        var threads: [[Int]] = []
        var next = 0
        func take(_ count: Int) -> [Int] {
            next += count
            threads.append(Array(next - count..<next))
            return threads.last!
        }
        var pids = [1]
        let a = system.process(
            "A", mortal: true, take(shape.threads).map { child(words, $0, "A thread \($0)", pid: 1, slot: 0) })
        var children = [a]
        if shape.hasB {
            children.append(system.process("B", mortal: true, take(1).map { child(words, $0, "B", pid: 2, slot: 1) }))
            pids.append(2)
        }
        if shape.hasC {
            children.append(
                system.process("C", mortal: true, take(1).map { child(words, $0, "C", pid: 3, slot: nil, after: a) }))
            pids.append(3)
        }
        system.process("parent", mortal: false, [parent(words, children: children, pids: pids)])
        system.deaths = shape.deaths
        system.whenDies = { turn, process in
            for thread in threads[process] {
                if turn[words.inCell[thread]] != turn[words.inRow[thread]] { turn[words.torn] = 1 }
                if turn[words.inCell[thread]] == 1 && turn[words.inRow[thread]] == 1 { turn[words.held] -= 1 }
                turn[words.inCell[thread]] = 0
                turn[words.inRow[thread]] = 0
            }
        }
        system.always = { turn in
            if turn[words.torn] == 0 && shape.limit > 0 {
                turn.require(turn[words.held] <= shape.limit, limited)
            }
        }
        system.atTheEnd = { turn in
            let sum = words.cells.reduce(0) { $0 + turn.newest($1) }
            turn.require(turn.newest(words.row) == 0 && sum == 0 && turn[words.held] == 0, settled)
        }
        return system
    }

    /// A child with one request on one thread: InFlight.take and giveBack. `slot`: the one it has from the beginning; nil: it
    /// claims one, when process `after` is gone.
    private static func child(
        _ words: Words, _ thread: Int, _ name: String, pid: Int, slot: Int?, after: Int? = nil
    ) -> Program {
        let program = Program(name)
        let mine = program.register()
        let count = program.register()
        if let slot {
            program.step("chooses") { $0[mine] = slot }
        } else {
            claim(program, words, into: mine, pid: pid, after: after)
        }
        let cell = { (turn: inout Turn, value: Int) in
            turn.add(words.cells[turn[mine]], value)
            turn[words.inCell[thread]] += value
        }
        let rowAdded = { (turn: inout Turn) in
            turn[words.inRow[thread]] += 1
            turn[words.held] += 1
        }
        let refused = program.label()
        let again = program.label()
        let took = program.label()
        let isRowFirst = words.mutation == .rowFirst
        if !isRowFirst { program.step("InFlight.take: add 1 to the cell") { cell(&$0, 1) } }
        if words.shape.limit == 0 {
            program.step("InFlight.take: add 1 to the row") { turn in
                turn.add(words.row, 1)
                rowAdded(&turn)
            }
        } else {
            program.here(again)
            program.step("InFlight.take: get the row's count") { turn in
                turn[count] = turn.get(words.row)
                if turn[count] >= words.shape.limit { isRowFirst ? turn.end() : turn.go(refused) }
            }
            program.step("InFlight.take: swap the row's count") { turn in
                if words.mutation == .looseLimit {
                    turn.add(words.row, 1)
                } else if !turn.swap(words.row, turn[count], turn[count] + 1) {
                    return turn.go(again)
                }
                rowAdded(&turn)
                turn.go(took)
            }
            program.here(refused)
            if !isRowFirst {
                program.step("InFlight.take: at the limit, take 1 off the cell") { turn in
                    cell(&turn, -1)
                    turn.end()
                }
            }
        }
        program.here(took)
        if isRowFirst { program.step("take, the other way round: add 1 to the cell") { cell(&$0, 1) } }
        let rowOff = { (turn: inout Turn) in
            turn.add(words.row, -1)
            turn[words.inRow[thread]] -= 1
            turn[words.held] -= 1
        }
        if isRowFirst {
            program.step("giveBack, the other way round: take 1 off the cell") { cell(&$0, -1) }
            program.step("giveBack, the other way round: take 1 off the row") { rowOff(&$0) }
        } else {
            program.step("InFlight.giveBack: take 1 off the row") { rowOff(&$0) }
            program.step("InFlight.giveBack: take 1 off the cell") { cell(&$0, -1) }
        }
        return program
    }

    /// Tables.claimSlot.
    private static func claim(_ program: Program, _ words: Words, into mine: Register, pid: Int, after: Int?) {
        let next = program.label()
        let swap = program.label()
        let found = program.label()
        program.step("starts") { turn in if let after, !turn.isOver(after) { turn.wait() } }
        program.here(next)
        program.step("Tables.claimSlot: get pid, 0 is free") { turn in
            if turn.get(words.pids[turn[mine]]) == 0 { return turn.go(swap) }
            turn[mine] += 1
            // Without a slot a child serves nobody.
            if turn[mine] == words.pids.count { turn.end() } else { turn.go(next) }
        }
        program.here(swap)
        program.step("Tables.claimSlot: swap pid from 0") { turn in
            if turn.swap(words.pids[turn[mine]], 0, pid) { return turn.go(found) }
            turn[mine] += 1
            if turn[mine] == words.pids.count { turn.end() } else { turn.go(next) }
        }
        program.here(found)
    }

    /// A sweep at any time, one for each death, and one when all is over.
    private static func parent(_ words: Words, children: [Int], pids: [Int]) -> Program {
        let program = Program("parent")
        reconcile(program, words, "a sweep while all live: ")
        for round in 0..<max(1, words.shape.deaths) {
            program.step("Tables.processGone, or a sweep, number \(round + 1)") { turn in
                if !children.contains(where: { turn.isDead($0) }) && !children.allSatisfy({ turn.isOver($0) }) {
                    turn.wait()
                }
            }
            forget(program, words, children, pids)
            reconcile(program, words, "after it: ")
        }
        program.step("a last sweep when all is over") { turn in
            if !children.allSatisfy({ turn.isOver($0) }) { turn.wait() }
        }
        forget(program, words, children, pids)
        reconcile(program, words, "last: ")
        return program
    }

    /// Tables.sweep, processGone and releaseSlot: the slots of processes that are dead.
    private static func forget(_ program: Program, _ words: Words, _ children: [Int], _ pids: [Int]) {
        let left = program.register()
        for slot in words.pids.indices {
            let done = program.label()
            let cleared = program.label()
            program.step("Tables.sweep: get pid of slot \(slot), is it alive") { turn in
                let pid = turn.get(words.pids[slot])
                let isDead = pids.firstIndex(of: pid).map { turn.isDead(children[$0]) } ?? false
                if !isDead || words.mutation == .notForgotten { turn.go(done) }
            }
            let free = { program.step("releaseSlot: publish pid 0") { $0.publish(words.pids[slot], 0) } }
            if words.mutation == .slotFirst { free() }
            program.step("InFlight.forget: get the cell") { turn in
                turn[left] = turn.get(words.cells[slot])
                if turn[left] == 0 { turn.go(cleared) }
            }
            if words.mutation != .cellKept {
                program.step("InFlight.forget: set the cell 0") { $0.set(words.cells[slot], 0) }
            }
            program.step("InFlight.forget: take it off the row") { turn in
                turn.add(words.row, -turn[left])
                turn[left] = 0
            }
            program.here(cleared)
            if words.mutation != .slotFirst { free() }
            program.here(done)
        }
    }

    /// Tables.reconcile, settled and drift.
    private static func reconcile(_ program: Program, _ words: Words, _ when: String) {
        guard words.mutation != .noReconcile else { return }
        let (sum, last, seen) = (program.register(), program.register(), program.register())
        let again = program.label()
        let done = program.label()
        program.here(again)
        let weigh = { (turn: inout Turn, drift: Int) in
            turn[sum] = 0
            // One that moves is somebody at work; the next sweep looks again.
            guard drift != 0, turn[seen] == 0 || drift == turn[last] else {
                turn[seen] = 0
                turn[last] = 0
                return turn.go(done)
            }
            turn[last] = drift
            turn[seen] += 1
            if turn[seen] < words.shape.readings { turn.go(again) }
        }
        if words.shape.readsWordByWord {
            for slot in words.pids.indices {
                program.step("\(when)Tables.drift: get cell of slot \(slot), if it is in use") { turn in
                    if turn.newest(words.pids[slot]) != 0 { turn[sum] += turn.get(words.cells[slot]) }
                }
            }
            program.step("\(when)Tables.drift: get the row's count") { turn in
                weigh(&turn, turn.get(words.row) - turn[sum])
            }
        } else {
            program.step("\(when)Tables.drift: a reading") { turn in
                let used = words.pids.indices.filter { turn.newest(words.pids[$0]) != 0 }
                weigh(&turn, turn.get(words.row) - used.reduce(0) { $0 + turn.newest(words.cells[$1]) })
            }
        }
        program.step("\(when)Tables.reconcile: take the difference off the row") { turn in
            turn.add(words.row, -turn[last])
            turn[seen] = 0
            turn[last] = 0
        }
        program.here(done)
    }
}
