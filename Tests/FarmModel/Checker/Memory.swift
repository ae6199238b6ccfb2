/// How writes of one processor come to be seen by another.
///
/// In `ordered` memory there is one value of each word. In `relaxed` memory a word has a history, and each thread a view: how
/// far along each history it must have come. A relaxed load may find any value from there on; an acquiring one takes over
/// the view of who released it. That is the part of the C11 model that the code's atomics can show: stale reads, and
/// writes to different words seen in another order. Two writes to one word are seen in the order in which they were
/// executed here, and no load sees a write that comes later in the run.
struct RelaxedMemory {
    struct Message {
        var value: Int8
        /// What who acquires this value then knows.
        var view: [UInt8]
    }

    struct Knowledge {
        /// The oldest value of each word that the thread may still find.
        var now: [UInt8]
        /// What a fence will make of the relaxed loads before it.
        var pending: [UInt8]
        /// What relaxed stores after the last fence carry.
        var fenced: [UInt8]
    }

    var histories: [[Message]]
    var threads: [Knowledge]
    var locks: [[UInt8]]
    /// What fences have told each other.
    var fences: [UInt8]

    init(values: [Int8], threads: Int, locks: Int) {
        let nothing = [UInt8](repeating: 0, count: values.count)
        histories = values.map { [Message(value: $0, view: nothing)] }
        self.threads = Array(repeating: Knowledge(now: nothing, pending: nothing, fenced: nothing), count: threads)
        self.locks = Array(repeating: nothing, count: locks)
        fences = nothing
    }

    static func join(_ view: inout [UInt8], _ other: [UInt8]) {
        for at in 0..<view.count where other[at] > view[at] { view[at] = other[at] }
    }

    /// How many values a load may find.
    func choices(_ word: Int, _ thread: Int) -> Int { histories[word].count - Int(threads[thread].now[word]) }

    mutating func load(_ word: Int, _ thread: Int, choice: Int, acquires: Bool) -> Int8 {
        // The newest first, so that a run without surprises is the first one tried.
        let at = histories[word].count - 1 - choice
        let message = histories[word][at]
        threads[thread].now[word] = UInt8(at)
        if acquires { Self.join(&threads[thread].now, message.view) }
        Self.join(&threads[thread].pending, message.view)
        return message.value
    }

    mutating func store(_ word: Int, _ thread: Int, _ value: Int8, releases: Bool) {
        append(word, thread, value, carries: releases ? threads[thread].now : threads[thread].fenced)
    }

    private mutating func append(_ word: Int, _ thread: Int, _ value: Int8, carries: [UInt8]) {
        let at = UInt8(histories[word].count)
        threads[thread].now[word] = at
        var view = carries
        view[word] = at
        histories[word].append(Message(value: value, view: view))
    }

    func newest(_ word: Int) -> Int8 { histories[word][histories[word].count - 1].value }

    /// A read and a write in one, of the newest value; what that one carried is carried on.
    mutating func exchange(_ word: Int, _ thread: Int, _ value: Int8, acquires: Bool, releases: Bool) {
        let before = histories[word][histories[word].count - 1]
        threads[thread].now[word] = UInt8(histories[word].count - 1)
        if acquires { Self.join(&threads[thread].now, before.view) }
        Self.join(&threads[thread].pending, before.view)
        var carries = releases ? threads[thread].now : threads[thread].fenced
        Self.join(&carries, before.view)
        append(word, thread, value, carries: carries)
    }

    mutating func fence(_ thread: Int) {
        Self.join(&threads[thread].now, threads[thread].pending)
        Self.join(&threads[thread].now, fences)
        fences = threads[thread].now
        threads[thread].pending = fences
        threads[thread].fenced = fences
    }

    mutating func lock(_ lock: Int, _ thread: Int) { Self.join(&threads[thread].now, locks[lock]) }
    mutating func unlock(_ lock: Int, _ thread: Int) { Self.join(&locks[lock], threads[thread].now) }

    /// Forgets values that nobody can find any more, so that moments that differ in them alone are one.
    mutating func tidy(_ lives: (Int) -> Bool) {
        let living = threads.indices.filter(lives)
        for at in threads.indices where !lives(at) {
            for word in histories.indices {
                threads[at].now[word] = 0
                threads[at].pending[word] = 0
                threads[at].fenced[word] = 0
            }
        }
        for word in histories.indices {
            let last = UInt8(histories[word].count - 1)
            let oldest = living.map { threads[$0].now[word] }.min() ?? last
            guard oldest > 0 else { continue }
            histories[word].removeFirst(Int(oldest))
            func cut(_ view: inout [UInt8]) { view[word] = view[word] > oldest ? view[word] - oldest : 0 }
            for other in histories.indices {
                for at in histories[other].indices { cut(&histories[other][at].view) }
            }
            for at in threads.indices {
                cut(&threads[at].now)
                cut(&threads[at].pending)
                cut(&threads[at].fenced)
            }
            for at in locks.indices { cut(&locks[at]) }
            cut(&fences)
        }
    }

    // MARK: As bytes

    func pack(into bytes: inout [Int8]) {
        func add(_ view: [UInt8]) { for at in view { bytes.append(Int8(bitPattern: at)) } }
        for history in histories {
            bytes.append(Int8(history.count))
            for message in history {
                bytes.append(message.value)
                add(message.view)
            }
        }
        for thread in threads {
            add(thread.now)
            add(thread.pending)
            add(thread.fenced)
        }
        for lock in locks { add(lock) }
        add(fences)
    }

    init(_ bytes: ArraySlice<Int8>, like: RelaxedMemory) {
        var at = bytes.startIndex
        let words = like.histories.count
        func next() -> Int8 {
            at += 1
            return bytes[at - 1]
        }
        func view() -> [UInt8] { (0..<words).map { _ in UInt8(bitPattern: next()) } }
        histories = (0..<words).map { _ in
            let count = Int(next())
            return (0..<count).map { _ in
                let value = next()
                return Message(value: value, view: view())
            }
        }
        threads = like.threads.map { _ in
            let (now, pending) = (view(), view())
            return Knowledge(now: now, pending: pending, fenced: view())
        }
        locks = like.locks.map { _ in view() }
        fences = view()
    }
}
