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
        let later = estimate { $0 > current }
        let all = estimate { $0 >= current }
        // Of those that die within this span a part is dead, and about as large a part as of the span.
        return later + max(0, all - later) * (1 - Double(now % width) / Double(width))
    }

    private func estimate(_ counts: (UInt64) -> Bool) -> Double {
        let ends = farm_tied_row_ends(row)!
        let registers = farm_tied_row_registers(row)!
        return withUnsafeTemporaryAllocation(of: Int.self, capacity: Self.mostRank + 1) { ranks in
            ranks.initialize(repeating: 0)
            var isEmpty = true
            for register in 0..<Self.registers {
                var rank = 0
                for span in 0..<Int(Self.spans) {
                    let end = farm_get64(ends + span)
                    guard end != 0, counts(end - 1) else { continue }
                    rank = max(rank, Int(farm_get8(registers + span * Self.registers + register)))
                }
                if rank > 0 { isEmpty = false }
                ranks[min(rank, Self.mostRank)] += 1
            }
            return isEmpty ? 0 : Self.cardinality(ranks)
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
