/// What came of looking at every order of steps.
public struct Findings {
    public var states = 0
    public var steps = 0
    /// nil: everything held.
    public var counterexample: Counterexample?

    public init() {}
}

/// A shortest way to a broken property.
public struct Counterexample: CustomStringConvertible {
    public var property: String
    public var steps: [String]

    public var description: String {
        "broken: \(property)\n"
            + steps.enumerated().map { "  \($0.offset + 1). \($0.element)" }.joined(separator: "\n")
    }
}

extension System {
    public static let stuck = "nobody waits for ever"
    public static let tooMany = "the model is small enough"

    /// Goes through every order of the steps of all threads, every death and everything chance may bring; breadth first, so that
    /// what it finds is as short as can be. Each moment is looked at once.
    public func explore(atMost: Int = 3_000_000) -> Findings {
        let search = Search(self, first())
        while search.at < search.moments.count, search.findings.counterexample == nil {
            search.expand()
            if search.moments.count > atMost { search.found(Self.tooMany, at: search.at - 1, nil) }
        }
        search.findings.states = search.moments.count
        return search.findings
    }
}

private final class Search {
    /// Who did what to come to a moment.
    fileprivate struct Origin {
        var from: Int32
        var who: Int16
        var step: Int16
        var chances: [Int]
    }

    private let system: System
    private let first: Moment
    private(set) var moments: [PackedMoment] = []
    private var known: Set<PackedMoment> = []
    private var origins: [Origin] = []
    private(set) var at = 0
    var findings = Findings()

    init(_ system: System, _ first: Moment) {
        self.system = system
        self.first = first
        moments = [first.packed]
        known = [first.packed]
        origins = [Origin(from: -1, who: 0, step: 0, chances: [])]
    }

    /// Everything that may happen at the next moment.
    func expand() {
        let moment = Moment(moments[at], like: first)
        var goesOn = false
        var unfinished = false
        for who in system.threads.indices {
            let counter = moment.bytes[system.threads[who].base]
            guard counter >= 0 else { continue }
            unfinished = true
            if step(moment, who, Int(counter)) { goesOn = true }
        }
        if Int(moment.bytes[system.deathsAt]) < system.deaths { die(moment) }
        if !unfinished {
            var turn = Turn(system, moment, who: -1)
            system.atTheEnd(&turn)
            if let broken = turn.broken { found(broken, at: at, nil) }
        } else if !goesOn {
            found(System.stuck, at: at, nil)
        }
        at += 1
    }

    /// One step of a thread, with everything that chance may bring; whether it can be taken.
    private func step(_ moment: Moment, _ who: Int, _ counter: Int) -> Bool {
        let body = system.threads[who].program.steps[counter].body
        var chances: [Int] = []
        while true {
            var turn = Turn(system, moment, who: who, chances: chances)
            body(&turn)
            if turn.waits { return false }
            findings.steps += 1
            if turn.next >= turn.system.threads[who].program.steps.count { turn.next = System.ended }
            turn.moment.bytes[system.threads[who].base] = turn.next
            if turn.next == System.ended { forget(&turn.moment, who) }
            reach(&turn, Origin(from: Int32(at), who: Int16(who), step: Int16(counter), chances: chances))
            // The next combination, as a clock counts.
            var next = Array((chances + Array(repeating: 0, count: 16)).prefix(turn.asked.count))
            var digit = next.count - 1
            while digit >= 0, next[digit] == turn.asked[digit] - 1 {
                next[digit] = 0
                digit -= 1
            }
            guard digit >= 0 else { return true }
            next[digit] += 1
            chances = Array(next[...digit])
        }
    }

    /// A process is killed: all its threads stop where they are, and its locks are free.
    private func die(_ moment: Moment) {
        for process in system.processes.indices where system.processes[process].isMortal {
            var turn = Turn(system, moment, who: -1)
            guard !turn.isOver(process) else { continue }
            system.whenDies(&turn, process)
            for who in system.threads.indices where system.threads[who].process == process {
                for lock in 0..<system.lockCount where turn.moment.bytes[system.locksAt + lock] == who + 1 {
                    turn.moment.memory?.unlock(lock, who)
                    turn.moment.bytes[system.locksAt + lock] = 0
                }
                turn.moment.bytes[system.threads[who].base] = System.dead
                forget(&turn.moment, who)
            }
            turn.moment.bytes[system.deathsAt] += 1
            reach(&turn, Origin(from: Int32(at), who: Int16(-1 - process), step: 0, chances: []))
        }
    }

    /// What a thread that is over had in its registers is nothing any more.
    private func forget(_ moment: inout Moment, _ who: Int) {
        let thread = system.threads[who]
        for register in 0..<thread.program.registers { moment.bytes[thread.base + 1 + register] = 0 }
    }

    private func reach(_ turn: inout Turn, _ origin: Origin) {
        system.always(&turn)
        if turn.moment.memory != nil {
            let lives = system.threads.map { turn.moment.bytes[$0.base] >= 0 }
            turn.moment.memory!.tidy { lives[$0] }
        }
        if let broken = turn.broken { found(broken, at: at, origin) }
        let packed = turn.moment.packed
        guard known.insert(packed).inserted else { return }
        moments.append(packed)
        origins.append(origin)
    }

    fileprivate func found(_ property: String, at: Int, _ last: Origin?) {
        guard findings.counterexample == nil else { return }
        var steps = last.map { [line($0)] } ?? []
        var at = at
        while origins[at].from >= 0 {
            steps.append(line(origins[at]))
            at = Int(origins[at].from)
        }
        findings.counterexample = Counterexample(property: property, steps: steps.reversed())
    }

    private func line(_ origin: Origin) -> String {
        guard origin.who >= 0 else { return "\(system.processes[-1 - Int(origin.who)].name) is killed" }
        let program = system.threads[Int(origin.who)].program
        let chances = origin.chances.allSatisfy { $0 == 0 } ? "" : " (chance \(origin.chances))"
        return "\(program.name): \(program.steps[Int(origin.step)].name)\(chances)"
    }
}
