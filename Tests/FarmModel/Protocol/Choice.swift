/// A choice: the two views of a process, their rebuilding and swapping, what of them a delayed thread may still read, and the
/// row, which has the last word.
///
/// Sources/FarmCore/Selection/Farm.swift (freshView, goodView, renewedView, changed), ViewInput.swift (init), View.swift (rebuild),
/// Choice.swift (chosen, pick, lookThrough, lastLook, admit). Two members of one tier without a limit, an algorithm that draws one position.
/// Another process changes their states: first member 1 comes up, then member 0 goes down.
public enum ChoiceProtocol {
    public enum Mutation: CaseIterable, Sendable {
        /// The generation is read after the rows.
        case stampedLate
        /// The generation is moved before the state is published.
        case changedFirst
        /// A draw is believed without asking the row.
        case viewBelieved
        /// A request is refused without a last look at the rows.
        case noLastLook
        /// The builder makes the order empty before it fills it.
        case orderEmptied
        /// Two threads may rebuild at once.
        case twoBuilders
        /// While the next view is made, the old one is used also if it is one of a panic, as the code once did.
        case oldPanicGoesOn
    }

    public struct Shape: Sendable {
        /// Choices of each thread of the process.
        public var choices = [1, 2]
        public var changes = 2
        public var isRelaxed = false
        /// `Farm.changed` adds with release.
        public var changedReleases = true
        /// A fence stands between a state and `Farm.changed`, as AdminNote.set has one; health is published without.
        public var isFenced = false
        /// The process that changes states may die.
        public var deaths = 0
        /// The parent calls `Farm.changed` when a process is gone, as `releaseSlot` has it; for runs in which one dies.
        public var parentChanges = false
        /// A view's deadline may pass at any time.
        public var expires = false
        /// There is a third member, which stays down, and `panic=60`: member 1 comes up and ends the panic.
        public var panic = false

        public init() {}
    }

    public static let members = "a view never yields an index that is no member"
    public static let asked = "no member is admitted whose row says no at that moment"
    public static let admitted = "no choice that began after a change was complete gets a member that it took out"
    public static let refused = "no choice that began after a member had come up is refused"
    public static let known = "a view that bears a generation knows every change that the generation counts"
    public static let calm = "no choice that began after a panic was over gets a member that is down"
    public static let swapped = "a view in use that seems fresh is as the rows are, when all is over"

    private static let noGeneration = -1
    private static let empty = 9

    struct ViewWords {
        let generation, spanCount, count: Word
        /// 1: of the status only what the administrator wants is asked.
        let mask: Word
        let order: [Word]
    }

    struct Words {
        /// 0: available.
        let status: [Word]
        let generation: Word
        /// How many changes are complete: what a choice that begins knows of, as somebody may have told the client.
        let complete: Word
        let views: [ViewWords]
        let current, rebuilding: Word
        /// Of each generation, how many of the other process's changes it counts.
        let counted: [Note]
        let mutation: Mutation?
        let shape: Shape

        /// Without `panic=` no view is one of a panic.
        var looksAtMask: Bool { shape.panic && mutation != .oldPanicGoesOn }
    }

    public static func system(_ mutation: Mutation? = nil, _ shape: Shape = Shape()) -> System {
        let system = System(relaxed: shape.isRelaxed)
        let count = shape.panic ? 3 : 2
        func view(_ generation: Int) -> ViewWords {
            let isBuilt = generation >= 0
            return ViewWords(
                generation: system.word(generation), spanCount: system.word(isBuilt ? 1 : 0),
                count: system.word(!isBuilt ? 0 : shape.panic ? count : 1),
                mask: system.word(isBuilt && shape.panic ? 1 : 0),
                order: (0..<count).map { system.word(shape.panic ? $0 : 0) })
        }
        // Member 0 is available and the view in use knows it; the others are down.
        let words = Words(
            status: (0..<count).map { system.word($0 == 0 ? 0 : 1) }, generation: system.word(0),
            complete: system.word(0), views: [view(0), view(noGeneration)], current: system.word(0),
            rebuilding: system.word(0), counted: (0...shape.changes + 1).map { _ in system.note() },
            mutation: mutation, shape: shape)
        system.process(
            "child", mortal: false, shape.choices.enumerated().map { thread(words, $0.offset, choices: $0.element) })
        system.process("other", mortal: true, [changer(words)])
        if shape.parentChanges { system.process("parent", mortal: false, [parent(words, of: 1)]) }
        system.deaths = shape.deaths
        system.atTheEnd = { turn in
            let view = words.views[turn.newest(words.current)]
            guard turn.newest(view.generation) == turn.newest(words.generation) else { return }
            let available = words.status.indices.filter { turn.newest(words.status[$0]) == 0 }
            turn.require(content(turn, view) == available, swapped)
        }
        return system
    }

    private static func content(_ turn: Turn, _ view: ViewWords) -> [Int] {
        guard turn.newest(view.spanCount) > 0 else { return [] }
        return (0..<turn.newest(view.count)).map { turn.newest(view.order[$0]) }
    }

    /// A change under the row's lock, and Farm.changed after it.
    private static func changer(_ words: Words) -> Program {
        let program = Program("other process")
        for change in 0..<words.shape.changes {
            let (member, state) = change == 0 ? (1, 0) : (0, 1)
            let publish = {
                program.step("row.publish: member \(member) \(state == 0 ? "comes up" : "goes down")") {
                    $0.publish(words.status[member], state)
                }
            }
            if words.mutation != .changedFirst { publish() }
            if words.shape.isFenced { program.step("AdminNote.set: farm_fence after the state") { $0.fence() } }
            program.step("Farm.changed: add to generation") { turn in
                let before = turn.add(words.generation, 1, releases: words.shape.changedReleases)
                turn[words.counted[before + 1]] = change + 1
            }
            if words.mutation == .changedFirst { publish() }
            program.step("the change is complete") { $0.publish(words.complete, change + 1) }
        }
        return program
    }

    private static func parent(_ words: Words, of other: Int) -> Program {
        let program = Program("parent")
        program.step("processGone: the other process is gone") { turn in
            if !turn.isOver(other) { return turn.wait() }
            if !turn.isDead(other) { turn.end() }
        }
        program.step("releaseSlot, changedAll: add to generation") { turn in
            let before = turn.add(words.generation, 1)
            turn[words.counted[before + 1]] = turn[words.counted[before]]
        }
        return program
    }

    private struct Registers {
        let after, view, generation, index, filled, round, isPanic: Register
        /// The members that a rebuild has read as available, one bit each.
        let seen: Register
    }

    private static func thread(_ words: Words, _ number: Int, choices: Int) -> Program {
        let program = Program("thread \(number + 1)")
        let registers = Registers(
            after: program.register(), view: program.register(), generation: program.register(),
            index: program.register(), filled: program.register(), round: program.register(),
            isPanic: program.register(), seen: program.register())
        let begin = program.label()
        let end = program.label()
        let refuse = program.label()
        let pick = program.label()
        let rows = program.label()
        program.here(begin)
        program.step("a choice begins") { $0[registers.after] = $0.read(words.complete) }
        findView(program, words, registers, pick, rows)
        program.here(pick)
        draw(program, words, registers, lastLook: rows, end: end)
        program.here(refuse)
        program.step("the request is refused") { turn in
            turn.require(turn[registers.after] == 0, refused)
        }
        program.here(end)
        program.step("the choice ends") { turn in
            turn[registers.round] += 1
            let round = turn[registers.round]
            // What it had in hand is gone.
            turn[registers.after] = 0
            turn[registers.view] = 0
            turn[registers.generation] = 0
            turn[registers.index] = 0
            turn[registers.filled] = 0
            turn[registers.seen] = 0
            turn[registers.isPanic] = 0
            if round < choices { turn.go(begin) } else { turn.end() }
        }
        return program
    }

    /// Farm.freshView, goodView and renewedView: the view's number in a register, or to the rows.
    private static func findView(_ program: Program, _ words: Words, _ r: Registers, _ pick: Label, _ rows: Label) {
        let renew = program.label()
        let rebuild = program.label()
        program.step("Farm.freshView: read current") { $0[r.view] = $0.read(words.current) }
        program.step("Farm.freshView: read the view's generation") { turn in
            turn[r.generation] = turn.read(words.views[turn[r.view]].generation)
        }
        program.step("Farm.freshView: read the row's generation") { turn in
            let isFresh = turn.read(words.generation) == turn[r.generation]
            if isFresh && !(words.shape.expires && turn.chance(2) == 1) { turn.go(pick) }
        }
        program.step("Farm.goodView: read current") { $0[r.view] = $0.read(words.current) }
        program.step("Farm.goodView: get rebuilding") { turn in
            // All changes here move the generation's high half, so what goodView compares then says no.
            if turn.get(words.rebuilding) == 0 { turn.go(renew) } else if !words.looksAtMask { turn.go(pick) }
        }
        if words.looksAtMask {
            // In panic what goodView compares then says no, and renewedView is asked.
            program.step("Farm.goodView: get the view's mask") { turn in
                if turn.get(words.views[turn[r.view]].mask) == 0 { turn.go(pick) }
            }
        }
        program.here(renew)
        program.step("Farm.renewedView: swap rebuilding") { turn in
            if words.mutation == .twoBuilders || turn.swap(words.rebuilding, 0, 1) { turn.go(rebuild) }
        }
        program.step("Farm.renewedView: read current, the old one will do") { turn in
            turn[r.view] = turn.read(words.current)
            if !words.looksAtMask { turn.go(pick) }
        }
        if words.looksAtMask {
            program.step("Farm.renewedView: get the old view's mask, in panic the rows are asked") { turn in
                turn.go(turn.get(words.views[turn[r.view]].mask) == 0 ? pick : rows)
            }
        }
        program.here(rebuild)
        build(program, words, r)
    }

    /// Farm.renewedView by who rebuilds, ViewInput.init, and View.rebuild from what it has read.
    private static func build(_ program: Program, _ words: Words, _ r: Registers) {
        // Admission.of: with 60 percent of three members, panic while fewer than two are available.
        func isPanic(_ turn: Turn) -> Bool { words.shape.panic && turn[r.seen].nonzeroBitCount < 2 }
        program.step("Farm.renewedView: read current, the other is next") { $0[r.view] = $0.read(words.current) ^ 1 }
        let readGeneration = {
            program.step("Farm.renewedView: read the row's generation") { $0[r.generation] = $0.read(words.generation) }
        }
        if words.mutation != .stampedLate { readGeneration() }
        for member in words.status.indices {
            program.step("ViewInput.init: read status of member \(member)") { turn in
                if turn.read(words.status[member]) == 0 { turn[r.seen] |= 1 << member }
            }
        }
        program.step("View.rebuild: publish that the view is none") { turn in
            turn.publish(words.views[turn[r.view]].generation, noGeneration)
        }
        if words.shape.panic {
            program.step("View.rebuild: set mask") { turn in
                turn.set(words.views[turn[r.view]].mask, isPanic(turn) ? 1 : 0)
            }
        }
        program.step("View.rebuild: spanCount 0") { $0.set(words.views[$0[r.view]].spanCount, 0) }
        if words.mutation == .orderEmptied {
            program.step("rebuild, the other way: an empty order") { $0.set(words.views[$0[r.view]].order[0], empty) }
        }
        for member in words.status.indices {
            program.step("View.rebuild: set order, member \(member)") { turn in
                guard isPanic(turn) || turn[r.seen] >> member & 1 != 0 else { return }
                turn.set(words.views[turn[r.view]].order[turn[r.filled]], member)
                turn[r.filled] += 1
            }
        }
        program.step("View.rebuild: the span") { turn in
            turn.set(words.views[turn[r.view]].count, turn[r.filled])
        }
        program.step("View.rebuild: spanCount") { turn in
            turn.set(words.views[turn[r.view]].spanCount, turn[r.filled] > 0 ? 1 : 0)
            turn[r.filled] = 0
            turn[r.seen] = 0
        }
        if words.mutation == .stampedLate { readGeneration() }
        program.step("View.rebuild: publish the view's generation") { turn in
            let view = words.views[turn[r.view]]
            turn.publish(view.generation, turn[r.generation])
            let inside = content(turn, view)
            let changes = turn[words.counted[turn[r.generation]]]
            turn.require(changes < 1 || inside.contains(1), known)
            turn.require(changes < 2 || !inside.contains(0), known)
        }
        program.step("Farm.renewedView: publish current") { $0.publish(words.current, $0[r.view]) }
        program.step("Farm.renewedView: publish rebuilding 0") { $0.publish(words.rebuilding, 0) }
    }

    /// Farm.chosen, pick, lookThrough and lastLook with admit.
    private static func draw(_ program: Program, _ words: Words, _ r: Registers, lastLook: Label, end: Label) {
        func admit(_ turn: inout Turn, _ index: Int) -> Bool {
            turn.require(words.status.indices.contains(index), members)
            guard words.status.indices.contains(index) else { return false }
            if turn[r.isPanic] == 1 {
                turn.require(turn[r.after] == 0 || turn.newest(words.status[index]) == 0, calm)
                return true
            }
            if words.mutation != .viewBelieved && turn.read(words.status[index]) != 0 { return false }
            // In relaxed memory a row may have said no for a while before everybody sees it.
            turn.require(words.shape.isRelaxed || turn.newest(words.status[index]) == 0, asked)
            turn.require(turn[r.after] < 2 || index != 0, admitted)
            return true
        }
        program.step("Farm.chosen: spanCount") { turn in
            if turn.get(words.views[turn[r.view]].spanCount) == 0 { turn.go(lastLook) }
        }
        program.step("Farm.pick: the span") { turn in
            turn[r.filled] = turn.get(words.views[turn[r.view]].count)
            if turn[r.filled] == 0 || turn[r.filled] > words.status.count { turn.go(lastLook) }
        }
        if words.shape.panic {
            program.step("Farm.pick: the mask") { $0[r.isPanic] = $0.get(words.views[$0[r.view]].mask) }
        }
        let look = { (name: String, position: @escaping (inout Turn) -> Int) in
            program.step("\(name): get order") { turn in
                let at = min(position(&turn), words.status.count - 1)
                turn[r.index] = turn.get(words.views[turn[r.view]].order[at])
            }
            program.step("\(name): admit, read status") { turn in
                if admit(&turn, turn[r.index]) { turn.go(end) }
            }
        }
        look("Farm.pick, a draw") { $0.chance(max(1, $0[r.filled])) }
        look("Farm.lookThrough, first") { _ in 0 }
        program.step("Farm.lookThrough, is there a second") { turn in
            if turn[r.filled] < 2 { turn.go(lastLook) }
        }
        look("Farm.lookThrough, second") { _ in 1 }
        program.here(lastLook)
        if words.mutation != .noLastLook {
            program.step("Farm.lastLook: the rows are asked") { $0[r.isPanic] = 0 }
            for member in [0, 1] {
                program.step("Farm.lastLook: admit member \(member)") { turn in
                    if admit(&turn, member) { turn.go(end) }
                }
            }
        }
    }
}
