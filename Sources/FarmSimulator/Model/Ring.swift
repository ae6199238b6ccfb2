/// First in, first out.
struct Ring<Element> {
    private var places: ContiguousArray<Element?> = ContiguousArray(repeating: nil, count: 16)
    private var head = 0
    private(set) var count = 0

    var first: Element? { count == 0 ? nil : places[head] }

    mutating func append(_ element: Element) {
        if count == places.count { grow() }
        places[(head + count) & (places.count - 1)] = element
        count += 1
    }

    mutating func removeFirst() -> Element? {
        guard count > 0 else { return nil }
        let element = places[head]
        places[head] = nil
        head = (head + 1) & (places.count - 1)
        count -= 1
        return element
    }

    private mutating func grow() {
        let old = places
        places = ContiguousArray(repeating: nil, count: old.count * 2)
        for at in 0..<count { places[at] = old[(head + at) & (old.count - 1)] }
        head = 0
    }
}

/// Things that are used again when they are no longer needed, by number.
struct Slab<Element> {
    private(set) var places: ContiguousArray<Element> = []
    private var free: ContiguousArray<Int> = []

    mutating func add(_ element: Element) -> Int {
        if let at = free.popLast() {
            places[at] = element
            return at
        }
        places.append(element)
        return places.count - 1
    }

    mutating func remove(_ at: Int) { free.append(at) }

    subscript(at: Int) -> Element {
        @inline(__always) get { places[at] }
        @inline(__always) _modify { yield &places[at] }
    }

    /// How many are in use.
    var count: Int { places.count - free.count }
}
