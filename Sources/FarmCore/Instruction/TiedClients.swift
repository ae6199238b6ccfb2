import CFarm

/// How many clients are tied to a member by instructions that are still alive, estimated: HyperLogLog (Flajolet, Fusy,
/// Gandouet, Meunier, AofA 2007) over the instructions that have been seen or set, with the estimator of Ertl (New cardinality
/// estimation algorithms for HyperLogLog sketches, arXiv 1702.01284, 2017), which needs no correction of its bias. With 4,096
/// registers its standard error is 1.6 %.
///
/// Instructions die by their time. So there are eight sketches, each for those that die within the same span of time; the
/// sketch of a span that is over is used again. What dies later than all spans is counted in the last one.
///
/// Any process may note and read at any time. Two that note in the same instant may lose one to a register, which the
/// client's next request mends.
public struct TiedClients {
    private let row: UnsafeMutablePointer<farm_tied_row>

    public init(_ row: UnsafeMutablePointer<farm_tied_row>) { self.row = row }

    private static var spans: UInt64 { UInt64(FARM_TIED_SPANS) }
    private static var registers: Int { Int(FARM_TIED_REGISTERS) }
    private static var indexBits: UInt64 { 12 }
    private static var mostRank: Int { 64 - Int(indexBits) + 1 }

    /// Seconds of a span, where clients' instructions live so long at the most, as far as is known.
    static func width(lifetime: UInt64) -> UInt64 { max(15, lifetime / 4) }

    /// Prepares for instructions of this lifetime, in seconds; forgets all when it was another one. Before it is used by a
    /// configuration; the parent.
    public func prepare(lifetime: UInt64) {
        let width = UInt32(clamping: Self.width(lifetime: lifetime))
        guard farm_get32(&row.pointee.width) != width else { return }
        farm_set32(&row.pointee.width, width)
        for span in 0..<Int(Self.spans) { farm_set64(farm_tied_row_ends(row) + span, 0) }
    }

    /// Forgets all; the parent, when the row is another member's from now on.
    public func forget() {
        farm_set32(&row.pointee.width, 0)
        farm_set64(&row.pointee.until, 0)
    }

    /// Notes an instruction: a hash of what makes it one of its own, and when it dies, in Unix time.
    public func note(_ hash: UInt64, expires: UInt64, now: UInt64) {
        let width = UInt64(farm_get32(&row.pointee.width))
        guard width > 0, expires >= now else { return }
        if expires > farm_get64(&row.pointee.until) { farm_set64(&row.pointee.until, expires) }
        let current = now / width
        let span = min(expires / width, current + Self.spans - 1)
        let at = Int(span % Self.spans)
        let end = farm_tied_row_ends(row) + at
        let registers = farm_tied_row_registers(row) + at * Self.registers
        // Numbered from 1, for 0 is a sketch without a span.
        let before = farm_get64(end)
        if before != span + 1 && farm_swap64(end, before, span + 1) != 0 {
            for register in 0..<Self.registers { farm_set8(registers + register, 0) }
        }
        let register = registers + Int(hash >> (64 - Self.indexBits))
        let rank = UInt8(
            min(Self.mostRank, (hash << Self.indexBits | 1 << (Self.indexBits - 1)).leadingZeroBitCount + 1))
        if farm_get8(register) < rank { farm_set8(register, rank) }
    }

    /// Unix time in seconds at which the last of them dies; nil: none is known to be alive.
    public func until(now: UInt64) -> UInt64? {
        let until = farm_get64(&row.pointee.until)
        return until >= now ? until : nil
    }

    /// How many are alive, about.
    public func count(now: UInt64) -> Double {
        let width = UInt64(farm_get32(&row.pointee.width))
        guard width > 0, until(now: now) != nil else { return 0 }
        let current = now / width
        return withUnsafeTemporaryAllocation(of: UInt64.self, capacity: Self.words) { union in
            union.initialize(repeating: 0)
            join(into: union) { $0 > current }
            let later = Self.estimate(union)
            join(into: union) { $0 == current }
            let all = Self.estimate(union)
            // Of those that die within this span a part is dead, and about as large a part as of the span.
            return later + max(0, all - later) * (1 - Double(now % width) / Double(width))
        }
    }

    /// Eight registers each.
    private static var words: Int { registers / 8 }

    /// Joins the sketches of some spans to one that counts what any of them has seen.
    @inline(__always)
    private func join(into union: UnsafeMutableBufferPointer<UInt64>, _ counts: (UInt64) -> Bool) {
        for span in 0..<Int(Self.spans) {
            let end = farm_get64(farm_tied_row_ends(row) + span)
            guard end != 0, counts(end - 1) else { continue }
            let start = UnsafeMutableRawPointer(farm_tied_row_registers(row) + span * Self.registers)
            let sketch = start.assumingMemoryBound(to: UInt64.self)
            for at in 0..<Self.words {
                let eight = farm_get64(sketch + at)
                if eight != 0 { union[at] = Self.larger(union[at], eight) }
            }
        }
    }

    /// Of each of eight registers the larger rank; all are below 128.
    @inline(__always)
    private static func larger(_ a: UInt64, _ b: UInt64) -> UInt64 {
        let highs: UInt64 = 0x8080_8080_8080_8080
        // The high bit of a byte stays where a's is not less than b's; then it becomes the byte of ones.
        let keep = (((a | highs) &- b) & highs) >> 7
        let mask = keep &* 0xFF
        return (a & mask) | (b & ~mask)
    }

    private static func estimate(_ union: UnsafeMutableBufferPointer<UInt64>) -> Double {
        withUnsafeTemporaryAllocation(of: Int.self, capacity: mostRank + 1) { ranks in
            ranks.initialize(repeating: 0)
            for eight in union {
                guard eight != 0 else {
                    ranks[0] += 8
                    continue
                }
                var left = eight
                for _ in 0..<8 {
                    ranks[min(Int(left & 0xFF), mostRank)] += 1
                    left >>= 8
                }
            }
            // Of registers that are all at their end it is infinite, and those who ask make it a whole number.
            return ranks[0] == registers ? 0 : min(cardinality(ranks), 1e15)
        }
    }

    /// From how many registers have each rank: algorithm 6 of Ertl's paper.
    static func cardinality(_ ranks: UnsafeMutableBufferPointer<Int>) -> Double {
        let m = Double(registers)
        var sum = m * tau(1 - Double(ranks[mostRank]) / m)
        for rank in stride(from: mostRank - 1, to: 0, by: -1) { sum = 0.5 * (sum + Double(ranks[rank])) }
        sum += m * sigma(Double(ranks[0]) / m)
        // 1 / (2 ln 2)
        return 0.7213475204444817 * m * m / sum
    }

    private static func sigma(_ start: Double) -> Double {
        guard start < 1 else { return .infinity }
        var x = start
        var y = 1.0
        var z = x
        while true {
            x *= x
            let before = z
            z += x * y
            y += y
            if z == before { return z }
        }
    }

    private static func tau(_ start: Double) -> Double {
        guard start > 0, start < 1 else { return 0 }
        var x = start
        var y = 1.0
        var z = 1 - x
        while true {
            x.formSquareRoot()
            let before = z
            y *= 0.5
            z -= (1 - x) * (1 - x) * y
            if z == before { return z / 3 }
        }
    }
}
