import CFarm

/// What the rebuild of a view asks of one member: its row's words, read once.
struct MemberInput {
    var state = MemberState(word: 0)
    /// At least 1.
    var weight: UInt32 = 1
    var tier: UInt32 = 0
    /// The most requests in flight at it; 0: no limit.
    var limit: UInt32 = 0
    var inFlight: UInt32 = 0
    /// The part of its share that it gets (`SlowStart`).
    var part: Float = 1
    /// When a request that may be repeated may be the next trial of a member that failures put down.
    var nextTrial: UInt64 = 0
    /// When its last update becomes too old (`Freshness.expiry`).
    var expiry = UInt64.max
    /// NaN when it is unknown or its metrics are disregarded.
    var load = Double.nan
    /// `RequestKey.hash` of its name; 0 where the algorithm does not ask for it.
    var name: UInt64 = 0
    var isIn = true

    /// Admin is `on`, health is `up`, and it is `in`.
    var isAvailable: Bool { state.isAvailable && isIn }
}

/// A copy of what the rebuild of a view asks of a farm's rows, which any process may change at any time. All that builds
/// a view reads the copy, and never a row, so that it sees one value of each word however often it looks.
struct ViewInput {
    let algorithm: Algorithm
    let slowStart: SlowStart
    /// Whether members are expected to report (`FarmExpectUpdate`).
    let expectsUpdates: Bool
    let now: UInt64
    /// By farm-local index. The memory is the caller's.
    let members: UnsafeMutableBufferPointer<MemberInput>
    let admission: Admission
    /// The part of the farm that the process wants to draw from; nil: all of it.
    var window: (width: Int, start: UInt32)?

    /// Reads each word of each row once. `room` has place for as many members as the farm has.
    init(_ farm: Farm, now: UInt64, into room: UnsafeMutablePointer<MemberInput>) {
        var words = SharedWords()
        self.init(farm, now: now, into: room, words: &words)
    }

    init<Words: WordReader>(
        _ farm: Farm, now: UInt64, into room: UnsafeMutablePointer<MemberInput>, words: inout Words
    ) {
        algorithm = farm.algorithm
        slowStart = farm.slowStart
        let freshness = farm.freshness
        let health = farm.health
        expectsUpdates = freshness.expect != 0
        self.now = now
        members = UnsafeMutableBufferPointer(start: room, count: farm.members.count)
        for index in 0..<farm.members.count {
            let row = farm.members[index].row
            var input = MemberInput()
            // First, since it acquires: what was written before a change of state is seen with it.
            input.state = MemberState(word: words.read32(&row.pointee.status))
            input.weight = max(1, words.get32(&row.pointee.weight))
            input.tier = words.get32(&row.pointee.tier)
            input.limit = words.get32(&row.pointee.max_inflight)
            input.inFlight = InFlight.count(word: words.get32(&row.pointee.inflight))
            input.nextTrial = health.nextTrial(
                retryAt: words.get64(&row.pointee.retry_at), triedAt: words.get64(&row.pointee.tried_at),
                failedTrials: words.get32(&row.pointee.failed_trials), for: .repeatable)
            if slowStart.time != 0 {
                input.part = slowStart.part(since: words.get64(&row.pointee.available_since), now: now)
            }
            if expectsUpdates {
                input.expiry = freshness.expiry(
                    updated: words.get64(&row.pointee.updated_us), knownSince: words.get64(&row.pointee.known_since_us))
            }
            let isReported = !expectsUpdates || now < input.expiry
            input.isIn = isReported || freshness.ignores
            if algorithm.asksForLoads && isReported {
                input.load = SharedDouble.value(words.get64(&row.pointee.load))
            }
            // The parent has written it before the first process uses the row.
            if algorithm == .hash { input.name = RequestKey.hash(ByteWriter.bytes(of: farm_member_row_name(row))) }
            (room + index).initialize(to: input)
        }
        admission = .of(UnsafeBufferPointer(members), panic: farm.panic)
    }

    /// Whether a member may be chosen.
    func admits(_ member: MemberInput) -> Bool {
        member.state.word & admission.mask == 0 && (admission.isPanic || member.isIn)
    }
}

/// How a `ViewInput` reads the words of rows. A test has one whose words change between two reads.
protocol WordReader {
    mutating func get32(_ word: UnsafePointer<UInt32>) -> UInt32
    mutating func get64(_ word: UnsafePointer<UInt64>) -> UInt64
    /// The same, and acquires.
    mutating func read32(_ word: UnsafePointer<UInt32>) -> UInt32
}

/// Reads them as they are.
struct SharedWords: WordReader {
    @inline(__always)
    func get32(_ word: UnsafePointer<UInt32>) -> UInt32 { farm_get32(word) }
    @inline(__always)
    func get64(_ word: UnsafePointer<UInt64>) -> UInt64 { farm_get64(word) }
    @inline(__always)
    func read32(_ word: UnsafePointer<UInt32>) -> UInt32 { farm_read32(word) }
}

/// Scratch for one rebuild at a time, with room for every member of a farm: a rebuild allocates nothing.
struct ViewScratch {
    let inputs: UnsafeMutablePointer<MemberInput>
    /// By position in a span: the members' weights, and the units of an alias table where those are others.
    let weights: UnsafeMutablePointer<UInt32>
    let units: UnsafeMutablePointer<UInt32>
    let loads: UnsafeMutablePointer<Double>
    let words: UnsafeMutablePointer<UInt64>
    let numbers: UnsafeMutablePointer<UInt32>

    init(memberCount: Int) {
        let room = max(1, memberCount)
        inputs = .allocate(capacity: room)
        weights = .allocate(capacity: room)
        units = .allocate(capacity: room)
        loads = .allocate(capacity: room)
        words = .allocate(capacity: room)
        numbers = .allocate(capacity: room)
    }

    func deallocate() {
        inputs.deallocate()
        weights.deallocate()
        units.deallocate()
        loads.deallocate()
        words.deallocate()
        numbers.deallocate()
    }
}
