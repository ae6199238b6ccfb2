import FarmModel
import Testing

/// The checker itself: what it must find, and what the two kinds of memory must show and must not.
@Suite struct CheckerTests {
    private static let seen = "seen"

    @Test func anUpdateIsLostWithoutALockAndKeptWithIt() {
        func system(locked: Bool) -> System {
            let system = System()
            let (word, lock) = (system.word(), system.lock())
            for name in ["A", "B"] {
                let program = Program(name)
                let value = program.register()
                if locked { program.step("lock") { $0.take(lock) } }
                program.step("get") { $0[value] = $0.get(word) }
                program.step("set") { $0.set(word, $0[value] + 1) }
                if locked { program.step("unlock") { $0.release(lock) } }
                system.process(name, mortal: false, [program])
            }
            system.atTheEnd = { $0.require($0.newest(word) == 2, Self.seen) }
            return system
        }
        holds("an update under a lock", system(locked: true))
        let found = system(locked: false).explore().counterexample
        #expect(found?.property == Self.seen)
        #expect(found?.steps == ["A: get", "B: get", "A: set", "B: set"], "the shortest way, step by step")
    }

    @Test func waitingForEverIsFoundAndADeadOwnersLockIsFree() {
        func system(dies: Bool) -> System {
            let system = System()
            let lock = system.lock()
            for name in ["A", "B"] {
                let program = Program(name)
                program.step("lock") { $0.take(lock) }
                program.step("forget to unlock") { turn in if dies { turn.release(lock) } }
                system.process(name, mortal: dies, [program])
            }
            system.deaths = dies ? 2 : 0
            return system
        }
        breaks("a lock that is kept", System.stuck, system(dies: false))
        holds("a lock whose owner may die", system(dies: true))
    }

    @Test func everyChanceIsTaken() {
        let system = System()
        let program = Program("A")
        let sum = program.register()
        program.step("two dice") { turn in
            let first = turn.chance(3)
            turn[sum] = 3 * first + turn.chance(3)
            turn.require(turn[sum] != 8, Self.seen)
        }
        system.process("A", mortal: false, [program])
        let found = system.explore()
        #expect(found.counterexample?.steps == ["A: two dice (chance [2, 2])"])
        #expect(found.steps == 9)
    }

    /// Two words, one written after the other, read in the other order.
    private static func message(relaxed: Bool, releases: Bool, acquires: Bool, fences: Bool = false) -> System {
        let system = System(relaxed: relaxed)
        let (data, flag) = (system.word(), system.word())
        let writer = Program("writer")
        writer.step("data") { $0.set(data, 1) }
        if fences { writer.step("fence") { $0.fence() } }
        writer.step("flag") { releases ? $0.publish(flag, 1) : $0.set(flag, 1) }
        let reader = Program("reader")
        let found = reader.register()
        reader.step("flag") { $0[found] = acquires ? $0.read(flag) : $0.get(flag) }
        if fences { reader.step("fence") { $0.fence() } }
        reader.step("data") { $0.require($0.get(data) == 1 || $0[found] == 0, Self.seen) }
        system.process("writer", mortal: false, [writer])
        system.process("reader", mortal: false, [reader])
        return system
    }

    @Test func aMessageIsPassedByReleaseAndAcquireOnly() {
        holds("a message, ordered memory", Self.message(relaxed: false, releases: false, acquires: false))
        holds("a message, released and acquired", Self.message(relaxed: true, releases: true, acquires: true))
        holds("a message, fenced", Self.message(relaxed: true, releases: false, acquires: false, fences: true))
        breaks("a message, acquired", Self.seen, Self.message(relaxed: true, releases: false, acquires: true))
        breaks("a message, released", Self.seen, Self.message(relaxed: true, releases: true, acquires: false))
    }

    /// Each writes its own word and then looks at the other's: release and acquire do not keep both from seeing nothing.
    @Test func onlyFencesKeepStoresBeforeLoads() {
        func system(fences: Bool) -> System {
            let system = System(relaxed: true)
            let words = [system.word(), system.word()]
            let found = [system.note(1), system.note(1)]
            for at in 0...1 {
                let program = Program("\(at)")
                program.step("publish mine") { $0.publish(words[at], 1) }
                if fences { program.step("fence") { $0.fence() } }
                program.step("read the other's") { $0[found[at]] = $0.read(words[1 - at]) }
                system.process("\(at)", mortal: false, [program])
            }
            system.atTheEnd = { $0.require($0[found[0]] + $0[found[1]] > 0, Self.seen) }
            return system
        }
        breaks("stores before loads, released", Self.seen, system(fences: false))
        holds("stores before loads, fenced", system(fences: true))
    }

    /// An addition in between carries on what was released before it; an addition finds the newest value; a word never goes
    /// back for who has seen it.
    @Test func additionsAndOneWord() {
        let system = System(relaxed: true)
        let (data, count) = (system.word(), system.word())
        let writer = Program("writer")
        writer.step("data") { $0.set(data, 1) }
        writer.step("publish") { $0.publish(count, 1) }
        let adder = Program("adder")
        adder.step("add") { $0.add(count, 10) }
        let reader = Program("reader")
        let first = reader.register()
        let second = reader.register()
        reader.step("first") { $0[first] = $0.read(count) }
        reader.step("second") { $0[second] = $0.read(count) }
        reader.step("data") { turn in
            turn.require(turn[first] == 0 || turn[second] != 0, Self.seen)
            turn.require(turn.get(data) == 1 || turn[second] != 11, Self.seen)
        }
        for program in [writer, adder, reader] { system.process(program.name, mortal: false, [program]) }
        system.atTheEnd = { $0.require($0.newest(count) == 11 || $0.newest(count) == 1, Self.seen) }
        holds("additions and one word", system)
    }
}
