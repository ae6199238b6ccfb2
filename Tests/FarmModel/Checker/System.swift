/// A word of shared memory.
public struct Word { let at: Int }
/// A robust lock: it is free again when its owner has died.
public struct Lock { let at: Int }
/// A number that no process can see: what really happened, for the properties.
public struct Note { let at: Int }
/// A number that one thread keeps to itself.
public struct Register { let at: Int }
/// A place in a program.
public struct Label { let at: Int }

/// What one thread does, step by step. A step makes one access to shared memory and what follows from it: whatever happens
/// between two accesses nobody else can see. A process can die before each step.
public final class Program {
    struct Step {
        public let name: String
        let body: (inout Turn) -> Void
    }

    public let name: String
    private(set) var steps: [Step] = []
    private(set) var targets: [Int] = []
    private(set) var registers = 0

    public init(_ name: String) { self.name = name }

    public func register() -> Register {
        registers += 1
        return Register(at: registers - 1)
    }

    public func label() -> Label {
        targets.append(-1)
        return Label(at: targets.count - 1)
    }

    /// The next step is where the label leads.
    public func here(_ label: Label) { targets[label.at] = steps.count }

    /// The name says which line of the module the step stands for.
    public func step(_ name: String, _ body: @escaping (inout Turn) -> Void) {
        precondition(steps.count < 120, "a program counter is a byte")
        steps.append(Step(name: name, body: body))
    }
}

/// What a run begins with: memory, locks, processes with their threads, and what must hold.
public final class System {
    struct Thread {
        let program: Program
        let process: Int
        /// Where its program counter and registers stand.
        let base: Int
    }

    struct Process {
        public let name: String
        let isMortal: Bool
    }

    let isRelaxed: Bool
    private(set) var values: [Int8] = []
    private var initialNotes: [Int8] = []
    private(set) var lockCount = 0
    private(set) var threads: [Thread] = []
    private(set) var processes: [Process] = []
    /// How many processes may die.
    public var deaths = 0
    /// What is noted when a process dies, before its locks are free.
    public var whenDies: (inout Turn, _ process: Int) -> Void = { _, _ in }
    /// What must hold whenever everybody has ended.
    public var atTheEnd: (inout Turn) -> Void = { _ in }
    /// What must hold at every moment.
    public var always: (inout Turn) -> Void = { _ in }

    public init(relaxed: Bool = false) { isRelaxed = relaxed }

    public func word(_ value: Int = 0) -> Word {
        values.append(Int8(value))
        return Word(at: values.count - 1)
    }

    public func lock() -> Lock {
        lockCount += 1
        return Lock(at: lockCount - 1)
    }

    public func note(_ value: Int = 0) -> Note {
        initialNotes.append(Int8(value))
        return Note(at: initialNotes.count - 1)
    }

    /// A process of these threads; its number.
    @discardableResult
    public func process(_ name: String, mortal: Bool, _ programs: [Program]) -> Int {
        processes.append(Process(name: name, isMortal: mortal))
        for program in programs { threads.append(Thread(program: program, process: processes.count - 1, base: 0)) }
        return processes.count - 1
    }

    // A moment is one array of bytes: words, locks, notes, the number of deaths, then each thread's counter and registers.
    private(set) var locksAt = 0
    private(set) var notesAt = 0
    private(set) var deathsAt = 0

    func first() -> Moment {
        locksAt = values.count
        notesAt = locksAt + lockCount
        deathsAt = notesAt + initialNotes.count
        var bytes = values + Array(repeating: 0, count: lockCount) + initialNotes + [0]
        for at in threads.indices {
            threads[at] = Thread(program: threads[at].program, process: threads[at].process, base: bytes.count)
            bytes += Array(repeating: 0, count: 1 + threads[at].program.registers)
        }
        let memory = isRelaxed ? RelaxedMemory(values: values, threads: threads.count, locks: lockCount) : nil
        return Moment(bytes: bytes, memory: memory)
    }

    static let ended: Int8 = -1
    static let dead: Int8 = -2
}

/// Everything that there is at one moment.
struct Moment {
    var bytes: [Int8]
    var memory: RelaxedMemory?

    init(bytes: [Int8], memory: RelaxedMemory?) {
        self.bytes = bytes
        self.memory = memory
    }

    /// As one array, which is all that is kept of it.
    var packed: PackedMoment {
        var bytes = bytes
        memory?.pack(into: &bytes)
        return PackedMoment(bytes: bytes)
    }

    /// `like`: any moment of the same system.
    init(_ packed: PackedMoment, like: Moment) {
        bytes = Array(packed.bytes[..<like.bytes.count])
        memory = like.memory.map { RelaxedMemory(packed.bytes[like.bytes.count...], like: $0) }
    }
}

struct PackedMoment: Hashable {
    let bytes: [Int8]

    func hash(into hasher: inout Hasher) { bytes.withUnsafeBytes { hasher.combine(bytes: $0) } }

    static func == (a: PackedMoment, b: PackedMoment) -> Bool {
        guard a.bytes.count == b.bytes.count else { return false }
        return a.bytes.withUnsafeBytes { a in
            b.bytes.withUnsafeBytes { b in a.elementsEqual(b) }
        }
    }
}
