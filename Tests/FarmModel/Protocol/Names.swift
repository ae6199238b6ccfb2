/// Names of metrics: added under one lock, published one by one, found without a lock.
///
/// Sources/FarmTables/MetricNames.swift. Two processes add a name each, which may be the same; a third looks one up.
public enum NamesProtocol {
    public enum Mutation: CaseIterable, Sendable {
        /// The index is published before the row is written.
        case indexFirst
        /// The index is a relaxed store.
        case relaxedIndex
        case noLock
    }

    public static let whole = "a number that is found is that of the name"
    public static let different = "no number has two names"
    public static let once = "a name has one number, unless a process died"

    public static func system(
        _ mutation: Mutation? = nil, same: Bool, deaths: Int, relaxed: Bool = true
    ) -> System {
        let system = System(relaxed: relaxed)
        let count = system.word()
        let rows = [system.word(), system.word(), system.word()]
        // Both names have the same hash, and so the same first place.
        let index = [system.word(), system.word(), system.word()]
        let lock = system.lock()
        /// The name that a number was published with.
        let given = rows.map { _ in system.note() }

        /// Tables.metric: the number and 1 in a register, 0 when it has none; then `done`.
        func find(_ program: Program, _ name: Int, _ number: Register, _ done: Label) {
            for at in index.indices {
                program.step("Tables.metric: read place \(at) of the index") { turn in
                    turn[number] = turn.read(index[at])
                    if turn[number] == 0 { turn.go(done) }
                }
                program.step("Tables.isName: the name's row") { turn in
                    if turn.get(rows[turn[number] - 1]) == name { turn.go(done) } else { turn[number] = 0 }
                }
            }
        }

        func writer(_ name: Int, _ who: String) -> Program {
            let program = Program(who)
            let (number, place, known) = (program.register(), program.register(), program.register())
            let looked = program.label()
            let search = program.label()
            let over = program.label()
            if mutation != .noLock { program.step("Tables.addMetrics: apr_global_mutex_lock") { $0.take(lock) } }
            find(program, name, known, looked)
            program.here(looked)
            program.step("Tables.addMetric: read metric_count") { turn in
                if turn[known] != 0 { return turn.go(over) }
                turn[number] = turn.read(count)
                if turn[number] == rows.count { turn.go(over) }
            }
            let write = { program.step("Tables.addMetric: the name's row") { $0.set(rows[$0[number]], name) } }
            if mutation != .indexFirst { write() }
            program.step("Tables.addMetric: publish metric_count") { turn in
                turn.require(turn[given[turn[number]]] == 0, different)
                turn[given[turn[number]]] = name
                turn.publish(count, turn[number] + 1)
            }
            program.here(search)
            program.step("Tables.addMetric: get a place of the index") { turn in
                if turn.get(index[turn[place]]) == 0 { return }
                turn[place] += 1
                turn.go(search)
            }
            program.step("Tables.addMetric: publish the place") { turn in
                if mutation == .relaxedIndex {
                    turn.set(index[turn[place]], turn[number] + 1)
                } else {
                    turn.publish(index[turn[place]], turn[number] + 1)
                }
            }
            if mutation == .indexFirst { write() }
            program.here(over)
            if mutation != .noLock { program.step("Tables.addMetrics: apr_global_mutex_unlock") { $0.release(lock) } }
            return program
        }

        let reader = Program("C (looks for name 1)")
        let number = reader.register()
        let done = reader.label()
        // What the row of a number that it finds holds must be a name already: a mismatch would look like another name.
        for at in index.indices {
            reader.step("Tables.metric: read place \(at) of the index") { turn in
                turn[number] = turn.read(index[at])
                if turn[number] == 0 { turn.go(done) }
            }
            reader.step("Tables.isName: the name's row") { turn in
                let name = turn.get(rows[turn[number] - 1])
                turn.require(name == turn[given[turn[number] - 1]], whole)
                if name == 1 { turn.go(done) }
            }
        }
        reader.here(done)
        reader.step("it has a number, or none") { $0.end() }
        system.process("A", mortal: true, [writer(1, "A (adds name 1)")])
        system.process("B", mortal: true, [writer(same ? 1 : 2, "B (adds name \(same ? 1 : 2))")])
        system.process("C", mortal: false, [reader])
        system.deaths = deaths
        system.atTheEnd = { turn in
            let names = given.map { turn[$0] }.filter { $0 != 0 }
            turn.require(turn.deaths > 0 || Set(names).count == names.count, once)
        }
        return system
    }
}
