import CFarm

/// Who set an administrator's state, why, since when and until when, in a row of shared memory.
public typealias AdminNote = UnsafeMutablePointer<farm_admin_note>

/// What goes with an administrator's state. Texts are UTF-8 without control characters, and the caller's.
public struct AdminWord {
    public var by: UnsafeBufferPointer<UInt8>
    public var reason: UnsafeBufferPointer<UInt8>
    /// Microseconds since 1970.
    public var since: UInt64
    /// The same; 0: it ends by another change only.
    public var until: UInt64
    /// How busy it was at the change, so that people see how far a drain has come; nil: not known.
    public var work: Work?

    /// What there was to be ended.
    public struct Work: Equatable {
        /// Requests in flight.
        public var inflight: UInt32
        /// Clients that were tied to it.
        public var clients: UInt32

        public init(inflight: UInt32, clients: UInt32) {
            self.inflight = inflight
            self.clients = clients
        }
    }

    public init(
        by: UnsafeBufferPointer<UInt8>, reason: UnsafeBufferPointer<UInt8>, since: UInt64, until: UInt64,
        work: Work? = nil
    ) {
        self.by = by
        self.reason = reason
        self.since = since
        self.until = until
        self.work = work
    }

    /// The configuration's, or nobody's: without a text or an end.
    public static func plain(since: UInt64) -> AdminWord {
        let none = UnsafeBufferPointer<UInt8>(start: nil, count: 0)
        return AdminWord(by: none, reason: none, since: since, until: 0)
    }

    public static let longestBy = Int(FARM_BY_MAX)
    public static let longestReason = Int(FARM_REASON_MAX)
}

extension UnsafeMutablePointer where Pointee == farm_admin_note {
    private static var words: Int { MemoryLayout<farm_admin_note>.size / MemoryLayout<UInt64>.size }

    /// Replaces the note, and publishes the state that it explains with `publish` before it counts as written. Under the
    /// lock of the row; a text that is longer, or no plain one, is cut where that begins.
    public func set(_ word: AdminWord, publish: () -> Void) {
        farm_set32(&pointee.writing, 1)
        farm_fence()
        Self.copy(word.by, to: farm_note_by(self), longest: AdminWord.longestBy)
        Self.copy(word.reason, to: farm_note_reason(self), longest: AdminWord.longestReason)
        farm_set64(&pointee.since_us, word.since)
        farm_set64(&pointee.until_us, word.until)
        farm_set32(&pointee.inflight, word.work.map { min($0.inflight, .max - 1) + 1 } ?? 0)
        farm_set32(&pointee.clients, word.work.map { min($0.clients, .max - 1) + 1 } ?? 0)
        publish()
        farm_fence()
        farm_set32(&pointee.writing, 0)
    }

    /// Undoes what a writer that died has begun: who and why are not known, and nothing ends by itself. Under the lock.
    public func repair() {
        guard farm_get32(&pointee.writing) != 0 else { return }
        set(.plain(since: farm_get64(&pointee.since_us))) {}
    }

    /// How busy the farm or member was when this state was set; nil: not known. Of a copy, or under the lock.
    public var work: AdminWord.Work? {
        guard pointee.inflight != 0, pointee.clients != 0 else { return nil }
        return AdminWord.Work(inflight: pointee.inflight - 1, clients: pointee.clients - 1)
    }

    /// Copies the note word by word: while the row is being written, of several notes.
    public func copy(to other: AdminNote) {
        self.withMemoryRebound(to: UInt64.self, capacity: Self.words) { from in
            other.withMemoryRebound(to: UInt64.self, capacity: Self.words) { to in
                for at in 0..<Self.words { to[at] = farm_get64(from + at) }
            }
        }
    }

    /// Whether the state has an end, and it has come. Any process, without a lock.
    public func isOver(wallClock: UInt64) -> Bool {
        let until = farm_get64(&pointee.until_us)
        return until != 0 && wallClock >= until
    }

    /// As much of a text as can be kept: a name may come in another encoding than UTF-8.
    private static func kept(_ text: UnsafeBufferPointer<UInt8>, _ longest: Int) -> UnsafeBufferPointer<UInt8> {
        let beginning = PlainText.beginning(of: text, longest: longest)
        let unknown: StaticString = "unknown"
        return beginning.isEmpty && !text.isEmpty
            ? UnsafeBufferPointer(start: unknown.utf8Start, count: unknown.utf8CodeUnitCount) : beginning
    }

    private static func copy(
        _ text: UnsafeBufferPointer<UInt8>, to stored: UnsafeMutablePointer<CChar>, longest: Int
    ) {
        let text = kept(text, longest)
        let count = text.count
        // Others may be copying the note at this moment: they will see that it has changed.
        stored.withMemoryRebound(to: UInt8.self, capacity: longest + 1) { stored in
            for at in 0..<count { farm_set8(stored + at, text[at]) }
            for at in count...longest { farm_set8(stored + at, 0) }
        }
    }
}
