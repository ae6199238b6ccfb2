/// Rows over configurations, and the slots that tell the parent which configurations are still in use.
///
/// Sources/FarmTables/CarryOver.swift (plan, bind, retireOthers, freeRetired), Processes.swift (claimSlot, isLate, generationsInUse,
/// releaseSlot). The parent is one thread and alone touches rows here, so a configuration is a few steps: only its reads of the
/// slots meet others. Of the order of memory one thing matters, which is a run of its own: a child writes to its slot and then looks
/// at the header, the parent the other way round.
public enum CarryOverProtocol {
    public enum Mutation: CaseIterable, Sendable {
        /// A retired row is free though a process of a configuration that had it lives.
        case liveIgnored
        /// It is free when only processes of the last configuration that had it are left.
        case oneTooEarly
        /// It is free when only processes of the first configuration that had it are left.
        case oneTooLate
        /// A name that comes back to its retired row begins it anew: the configurations that had it before are forgotten.
        case createdAnew
        /// It may be free in the configuration that retires it.
        case atOnce
        /// A name that comes back gets another row.
        case namesForgotten
        /// A slot is claimed by looking and then setting.
        case looseClaim
        /// A child looks at the header's number without a fence after its claim.
        case noFenceOfChild
        /// The parent looks at the slots without a fence after the header's number.
        case noFenceOfParent
    }

    /// How late a child may be: between fork and claimSlot no slot tells of it.
    public enum Patience {
        /// Its pid stands in a slot before the parent takes the next configuration.
        case claimed
        /// Its pid stands in a slot before the parent takes the next configuration but one.
        case oneBehind
        /// It may be as late as it likes.
        case none
    }

    /// How late children are kept from harm.
    public enum Remedy {
        case none
        /// A slot that is released forgets its configuration: until its next owner has set its own it counts as the oldest.
        case cleared
        /// That, and what the code does: a child that has claimed its slot serves only if at most one configuration has come since
        /// its own.
        case clearedAndLooksAgain
    }

    public static let unused = "a row is nobody else's while a process serves that knows it by its name"
    public static let returned = "a name that comes back while its row is retired gets its row"
    public static let own = "a slot is one process's"

    struct Words {
        let pids: [Word]
        let generations: [Word]
        /// header.config_generation.
        let generation: Word
        let use: [Word]
        let retiredIn: [Word]
        let createdIn: [Word]
        /// The name in each row: 0 none, 1 A, 2 B.
        let names: [Word]
        /// Of each configuration, when its child was forked: the row of its first name and 1.
        let bound: [Note]
        /// 2: the child is forked; 1: its pid stands in a slot, or it has given up, or died; 0: neither.
        let claimed: [Note]
        /// 1: the child serves requests.
        let serves: [Note]
        let configurations: [[Int]]
        /// A child without a slot chooses nobody, but goes on with updates and changes, as the code once did.
        let writesWithoutSlot: Bool
        let mutation: Mutation?
    }

    private static let free = 0
    private static let used = 1
    private static let retired = 2

    /// The parent takes the configurations, each with these names, one after the other, and forks a child in each.
    public static func system(
        _ mutation: Mutation? = nil, _ configurations: [[Int]], deaths: Int, patience: Patience = .none,
        remedy: Remedy = .clearedAndLooksAgain, slots: Int = 2, writesWithoutSlot: Bool = false, relaxed: Bool = false
    ) -> System {
        let system = System(relaxed: relaxed)
        let count = configurations.count
        let words = Words(
            pids: (0..<slots).map { _ in system.word() }, generations: (0..<slots).map { _ in system.word() },
            generation: system.word(), use: (0..<2).map { _ in system.word() },
            retiredIn: (0..<2).map { _ in system.word() }, createdIn: (0..<2).map { _ in system.word() },
            names: (0..<2).map { _ in system.word() },
            bound: (0..<count).map { _ in system.note() }, claimed: (0..<count).map { _ in system.note() },
            serves: (0..<count).map { _ in system.note() },
            configurations: configurations, writesWithoutSlot: writesWithoutSlot, mutation: mutation)
        var children: [Int] = []
        for at in 0..<count {
            children.append(system.process("child \(at + 1)", mortal: true, [child(words, at, remedy)]))
        }
        system.process(
            "parent", mortal: false, [parent(words, children: children, patience, clears: remedy != .none)])
        system.deaths = deaths
        system.whenDies = { turn, process in
            turn[words.claimed[process]] = 1
            turn[words.bound[process]] = 0
            turn[words.serves[process]] = 0
        }
        system.always = { turn in
            for at in 0..<count {
                let row = turn[words.bound[at]] - 1
                guard row >= 0, turn[words.serves[at]] == 1 else { continue }
                turn.require(turn.newest(words.names[row]) == configurations[at][0], unused)
            }
        }
        return system
    }

    /// A child from its fork to its end, at any time. It knows its row from the fork on.
    private static func child(_ words: Words, _ at: Int, _ remedy: Remedy) -> Program {
        let program = Program("child \(at + 1)")
        let slot = program.register()
        let next = program.label()
        let swap = program.label()
        let found = program.label()
        let working = program.label()
        let pid = at + 1
        func giveUp(_ turn: inout Turn) {
            turn[words.claimed[at]] = 1
            if words.writesWithoutSlot {
                turn[words.serves[at]] = 1
                return turn.go(working)
            }
            turn[words.bound[at]] = 0
            turn.end()
        }
        program.step("is forked") { turn in
            if turn[words.claimed[at]] != 2 { return turn.wait() }
            turn[words.claimed[at]] = 0
        }
        program.here(next)
        program.step("Tables.claimSlot: get pid, 0 is free") { turn in
            if turn.get(words.pids[turn[slot]]) == 0 { return turn.go(swap) }
            turn[slot] += 1
            if turn[slot] == words.pids.count { giveUp(&turn) } else { turn.go(next) }
        }
        program.here(swap)
        program.step("Tables.claimSlot: swap pid from 0") { turn in
            if words.mutation == .looseClaim {
                turn.require(turn.newest(words.pids[turn[slot]]) == 0, own)
                turn.set(words.pids[turn[slot]], pid)
                turn[words.claimed[at]] = 1
                return turn.go(found)
            }
            if turn.swap(words.pids[turn[slot]], 0, pid) {
                turn[words.claimed[at]] = 1
                return turn.go(found)
            }
            turn[slot] += 1
            if turn[slot] == words.pids.count { giveUp(&turn) } else { turn.go(next) }
        }
        program.here(found)
        program.step("Tables.claimSlot: set config_generation") { turn in
            turn.set(words.generations[turn[slot]], pid)
            if remedy != .clearedAndLooksAgain { turn[words.serves[at]] = 1 }
        }
        if remedy == .clearedAndLooksAgain {
            if words.mutation != .noFenceOfChild { program.step("Tables.isLate: farm_fence") { $0.fence() } }
            program.step("Tables.isLate: get the header's config_generation") { turn in
                if turn.get(words.generation) > at + 2 { giveUp(&turn) } else { turn[words.serves[at]] = 1 }
            }
        }
        program.here(working)
        program.step("serves, and ends") { turn in
            turn[words.bound[at]] = 0
            turn[words.serves[at]] = 0
            turn.end()
        }
        return program
    }

    private static func parent(
        _ words: Words, children: [Int], _ patience: Patience, clears: Bool
    ) -> Program {
        let program = Program("parent")
        let slots = words.pids.indices
        // What each slot said: the configuration and 1; 0: it is free.
        let seen = slots.map { _ in program.register() }
        for at in words.configurations.indices {
            let generation = at + 1
            program.step("configuration \(generation): farm_on_sweep") { turn in
                let known = patience == .claimed ? at : patience == .oneBehind ? at - 1 : 0
                for earlier in 0..<max(0, known) where turn[words.claimed[earlier]] != 1 { return turn.wait() }
            }
            for slot in slots { release(program, words, slot, children, clears) }
            program.step("Tables.plan, bind and retireOthers, generation \(generation)") { turn in
                bind(&turn, words, at)
                turn.set(words.generation, generation)
                for slot in slots { turn[seen[slot]] = 0 }
            }
            if words.mutation != .noFenceOfParent {
                program.step("generationsInUse: farm_fence") { $0.fence() }
            }
            for slot in slots {
                let skip = program.label()
                program.step("generationsInUse: get pid of slot \(slot)") { turn in
                    if turn.get(words.pids[slot]) == 0 { turn.go(skip) }
                }
                program.step("generationsInUse: get config_generation of slot \(slot)") { turn in
                    turn[seen[slot]] = turn.get(words.generations[slot]) + 1
                }
                program.here(skip)
            }
            program.step("Tables.freeRetired: retired rows that nobody knows") { turn in
                for row in words.use.indices where turn.newest(words.use[row]) == retired {
                    let since = turn.newest(words.retiredIn[row])
                    guard since < generation || words.mutation == .atOnce else { continue }
                    let first = turn.newest(words.createdIn[row]) + (words.mutation == .oneTooLate ? 1 : 0)
                    let end = words.mutation == .oneTooEarly ? since - 1 : since
                    let isKnown = slots.contains {
                        let of = turn[seen[$0]] - 1
                        return of == 0 || (of >= first && of < end)
                    }
                    guard !isKnown || words.mutation == .liveIgnored else { continue }
                    turn.set(words.use[row], free)
                }
            }
            program.step("forks child \(generation)") { turn in
                // One that is dead before it is born was never there.
                if turn.isDead(children[at]) { return }
                turn[words.claimed[at]] = 2
                guard let first = words.configurations[at].first else { return }
                let row = words.names.indices.first {
                    turn.newest(words.names[$0]) == first && turn.newest(words.use[$0]) == used
                }
                turn[words.bound[at]] = (row ?? -1) + 1
            }
            if at < words.configurations.count - 1 {
                for slot in slots { release(program, words, slot, children, clears) }
            }
        }
        return program
    }

    /// Tables.sweep and releaseSlot: the slot of a process that is gone, if the parent looks just now.
    private static func release(
        _ program: Program, _ words: Words, _ slot: Int, _ children: [Int], _ clears: Bool
    ) {
        let skip = program.label()
        program.step("sweep or processGone: get pid of slot \(slot), is it alive") { turn in
            let pid = turn.get(words.pids[slot])
            if pid == 0 || !turn.isOver(children[pid - 1]) { return turn.go(skip) }
        }
        if clears {
            program.step("releaseSlot: set config_generation 0") {
                $0.set(words.generations[slot], 0)
            }
        }
        program.step("releaseSlot: publish pid 0") { $0.publish(words.pids[slot], 0) }
        program.here(skip)
    }

    /// Tables.plan, bind and retireOthers.
    private static func bind(_ turn: inout Turn, _ words: Words, _ at: Int) {
        var taken: [Int] = []
        for name in words.configurations[at] {
            let known = words.names.indices.first {
                turn.newest(words.names[$0]) == name && turn.newest(words.use[$0]) != free
            }
            let isRetired = known.map { turn.newest(words.use[$0]) == retired } ?? false
            let kept = words.mutation == .namesForgotten && isRetired ? nil : known
            let fresh = words.use.indices.first { turn.newest(words.use[$0]) == free && !taken.contains($0) }
            // Without a row for it there would be another block.
            guard let row = kept ?? fresh else { continue }
            turn.require(known == nil || row == known, returned)
            if kept == nil || (words.mutation == .createdAnew && isRetired) { turn.set(words.createdIn[row], at + 1) }
            taken.append(row)
            turn.set(words.names[row], name)
            turn.set(words.use[row], used)
            turn.set(words.retiredIn[row], 0)
        }
        for row in words.use.indices where turn.newest(words.use[row]) == used && !taken.contains(row) {
            turn.set(words.use[row], retired)
            turn.set(words.retiredIn[row], at + 1)
        }
    }
}
