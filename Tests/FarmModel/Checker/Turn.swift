/// One step of one thread, as its program sees it: what it may do to memory, its registers and the notes.
public struct Turn {
    let system: System
    var moment: Moment
    let who: Int
    /// What chance brings, one number after the other; those that are missing are 0.
    var chances: [Int]
    var asked: [Int] = []
    private(set) var waits = false
    private(set) var broken: String?
    /// Where the thread goes on.
    var next: Int8

    init(_ system: System, _ moment: Moment, who: Int, chances: [Int] = []) {
        self.system = system
        self.moment = moment
        self.who = who
        self.chances = chances
        next = who < 0 ? 0 : moment.bytes[system.threads[who].base] + 1
    }

    // MARK: Memory, by the names of farm_table.h

    /// farm_get32, farm_get64: relaxed.
    public mutating func get(_ word: Word) -> Int { load(word, acquires: false) }

    /// farm_read32, farm_read64: acquires.
    public mutating func read(_ word: Word) -> Int { load(word, acquires: true) }

    private mutating func load(_ word: Word, acquires: Bool) -> Int {
        guard let choices = moment.memory?.choices(word.at, who) else { return Int(moment.bytes[word.at]) }
        let choice = chance(choices)
        return Int(moment.memory!.load(word.at, who, choice: choice, acquires: acquires))
    }

    /// farm_set32, farm_set64, and plain stores: relaxed.
    public mutating func set(_ word: Word, _ value: Int) { store(word, value, releases: false) }

    /// farm_publish32, farm_publish64: releases.
    public mutating func publish(_ word: Word, _ value: Int) { store(word, value, releases: true) }

    private mutating func store(_ word: Word, _ value: Int, releases: Bool) {
        if moment.memory == nil {
            moment.bytes[word.at] = Int8(value)
        } else {
            moment.memory!.store(word.at, who, Int8(value), releases: releases)
        }
    }

    /// farm_add32, farm_add64: relaxed, unless `releases`. The value before.
    @discardableResult
    public mutating func add(_ word: Word, _ value: Int, releases: Bool = false) -> Int {
        let before = newest(word)
        if moment.memory == nil {
            moment.bytes[word.at] = Int8(before + value)
        } else {
            moment.memory!.exchange(word.at, who, Int8(before + value), acquires: false, releases: releases)
        }
        return before
    }

    /// farm_swap32, farm_swap64: acquires and releases.
    public mutating func swap(_ word: Word, _ old: Int, _ new: Int) -> Bool {
        guard newest(word) == old else { return false }
        if moment.memory == nil {
            moment.bytes[word.at] = Int8(new)
        } else {
            moment.memory!.exchange(word.at, who, Int8(new), acquires: true, releases: true)
        }
        return true
    }

    /// farm_fence.
    public mutating func fence() { moment.memory?.fence(who) }

    /// What stands in a word in the end: for properties.
    public func newest(_ word: Word) -> Int { Int(moment.memory?.newest(word.at) ?? moment.bytes[word.at]) }

    // MARK: Locks

    /// apr_global_mutex_lock; the thread waits while somebody has it.
    public mutating func take(_ lock: Lock) {
        if moment.bytes[system.locksAt + lock.at] != 0 { return wait() }
        moment.bytes[system.locksAt + lock.at] = Int8(who + 1)
        moment.memory?.lock(lock.at, who)
    }

    /// apr_global_mutex_trylock: whether the thread has it now.
    public mutating func tryTake(_ lock: Lock) -> Bool {
        guard moment.bytes[system.locksAt + lock.at] == 0 else { return false }
        take(lock)
        return true
    }

    /// apr_global_mutex_unlock.
    public mutating func release(_ lock: Lock) {
        moment.bytes[system.locksAt + lock.at] = 0
        moment.memory?.unlock(lock.at, who)
    }

    /// Whether a thread of a process has the lock.
    public func holds(_ process: Int, _ lock: Lock) -> Bool {
        let owner = Int(moment.bytes[system.locksAt + lock.at]) - 1
        return owner >= 0 && system.threads[owner].process == process
    }

    // MARK: The thread itself

    public subscript(_ register: Register) -> Int {
        get { Int(moment.bytes[system.threads[who].base + 1 + register.at]) }
        set { moment.bytes[system.threads[who].base + 1 + register.at] = Int8(newValue) }
    }

    public mutating func go(_ label: Label) { next = Int8(system.threads[who].program.targets[label.at]) }
    public mutating func end() { next = System.ended }
    /// The step is not taken now.
    public mutating func wait() { waits = true }

    /// A number below `count`: each is tried.
    public mutating func chance(_ count: Int) -> Int {
        let at = asked.count
        asked.append(count)
        return at < chances.count ? chances[at] : 0
    }

    // MARK: What the properties ask

    public subscript(_ note: Note) -> Int {
        get { Int(moment.bytes[system.notesAt + note.at]) }
        set { moment.bytes[system.notesAt + note.at] = Int8(newValue) }
    }

    public var deaths: Int { Int(moment.bytes[system.deathsAt]) }

    public func isDead(_ process: Int) -> Bool {
        system.threads.contains { $0.process == process && moment.bytes[$0.base] == System.dead }
    }

    /// Whether no thread of a process will do anything any more.
    public func isOver(_ process: Int) -> Bool {
        system.threads.allSatisfy { $0.process != process || moment.bytes[$0.base] < 0 }
    }

    /// What must hold here.
    public mutating func require(_ holds: Bool, _ property: String) {
        if !holds && broken == nil { broken = property }
    }
}
