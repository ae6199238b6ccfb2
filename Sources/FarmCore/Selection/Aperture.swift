import CFarm

/// Which part of a large farm one process draws from at a time, so that it meets the same members again while their
/// connections are warm: a connection that is used once a minute costs more than the whole choice.
///
/// The available members of a tier stand on a ring, each with an arc as long as its weight. A process has a window on it,
/// and draws by weight from what the window covers, the members at its ends for the part that it covers. Windows of all
/// processes are equally wide while the processes have equally much to do, begin at places that are spread evenly over the
/// ring (van der Corput's sequence of the slots, so that a process that comes or goes moves nobody else's), and go round
/// together, once in `lap`. So each process gives every member its share of a lap, however unequally the processes are
/// asked, and at each moment all of them together cover the ring evenly.
///
/// Spreading clients over subsets by their number is known as deterministic aperture (Twitter, Finagle, 2019), which fits
/// the subsets to the number of clients; here they rotate instead, since httpd's processes come and go and are not asked
/// equally.
struct Aperture {
    /// A farm with no more available members in a tier is used whole.
    static let whole = 32
    /// No window is narrower.
    static let narrowest = 16
    /// Microseconds in which a window goes round.
    static let lap: UInt64 = 256_000_000
    /// Microseconds after which a window is moved on and its width looked at.
    static let step: UInt64 = 1_000_000
    /// Microseconds in which the memory of a larger number of requests in flight is gone.
    static let memory: UInt64 = 8_000_000

    /// Where the window begins at time 0, in 2^32ths of the ring; nil: the process uses the whole farm.
    private var place: UInt32?
    /// The largest number of requests in flight not long ago, and when that was looked at.
    private var demand: Float = 0
    private var lookedAt: UInt64 = 0

    init() {}

    /// For the process in a slot of the ledger.
    init(slot: UInt32) { place = Self.reversed(slot) }

    /// The bits the other way round.
    private static func reversed(_ slot: UInt32) -> UInt32 {
        var result: UInt32 = 0
        for bit in 0..<32 where slot >> UInt32(bit) & 1 != 0 { result |= 1 << UInt32(31 - bit) }
        return result
    }

    /// Members stand on the ring in steps of so many of the configuration, so that a window is a fair sample of them: what
    /// stands together there is often alike. Near the golden section, and without a common divisor.
    static func stride(_ members: Int) -> Int {
        guard members > whole else { return 1 }
        var stride = Int(Double(members) * 0.6180339887498949)
        while divisor(stride, members) != 1 { stride += 1 }
        return stride
    }

    private static func divisor(_ a: Int, _ b: Int) -> Int {
        var (a, b) = (a, b)
        while b != 0 { (a, b) = (b, a % b) }
        return a
    }

    /// How many members the process wants to draw from, with so many requests of its own in flight and so many members for
    /// each; nil: all.
    mutating func width(inFlight: UInt32, each members: Int, now: UInt64) -> Int? {
        guard place != nil else { return nil }
        let since = now > lookedAt ? now - lookedAt : 0
        let kept = demand * max(0, 1 - Float(min(since, Self.memory)) / Float(Self.memory))
        demand = max(kept, Float(min(inFlight, 1 << 20)))
        lookedAt = now
        return max(Self.narrowest, Int(demand) * members)
    }

    /// Where the window begins now, in 2^32ths of the ring.
    func start(now: UInt64) -> UInt32 {
        (place ?? 0) &+ UInt32(truncatingIfNeeded: ((now % Self.lap) << 32) / Self.lap)
    }
}

/// The part of a ring that a window covers, by positions: `count` of them from `first` on.
struct Window: Equatable {
    var first: Int
    var count: Int
    /// How much of the first and of the last one it covers, 0 to 1.
    var firstPart: Double
    var lastPart: Double

    /// Units of an alias table that a weight of 1 has: parts are told apart by as much, and the largest weight's fit into 32
    /// bits.
    private static let unit = 1_000_000.0

    /// How much of a position, counted from the first one on, it covers.
    func part(_ at: Int) -> Double { at == 0 ? firstPart : at == count - 1 ? lastPart : 1 }

    /// The units of an alias table that a position of this weight has. A weight of shared memory may be any number.
    func units(_ at: Int, of weight: UInt32) -> UInt32 {
        UInt32(max(1, min(Double(UInt32.max), Double(weight) * part(at) * Self.unit)))
    }
}

extension Window {
    /// The window of a ring that begins at `start` (2^32ths) and touches at least `members` positions wherever it begins;
    /// nil: that is the whole ring.
    init?(count all: Int, members: Int, start: UInt32, weights: UnsafePointer<UInt32>) {
        guard members < all else { return nil }
        // As wide as the heaviest run of so many: wherever it begins it then reaches into as many at least.
        var total: UInt64 = 0
        var run: UInt64 = 0
        for at in 0..<members { run &+= UInt64(weights[at]) }
        var width = run
        for at in 0..<all {
            total &+= UInt64(weights[at])
            run &+= UInt64(weights[(at + members) % all])
            run &-= UInt64(weights[at])
            width = max(width, run)
        }
        guard width < total else { return nil }
        let begin = Double(total) * (Double(start) / 0x1p32)
        var passed = 0.0
        var at = 0
        while at < all - 1, passed + Double(weights[at]) <= begin {
            passed += Double(weights[at])
            at += 1
        }
        first = at
        let firstWeight = Double(weights[at])
        let covered = max(0, passed + firstWeight - begin)
        firstPart = covered / firstWeight
        var left = Double(width) - covered
        count = 1
        lastPart = firstPart
        while left > 0 && count < all {
            let next = Double(weights[(first + count) % all])
            lastPart = min(1, left / next)
            left -= next
            count += 1
        }
        if count == all && left > 0 { return nil }
    }
}
