import CFarm
import FarmTestSupport
import Testing

@testable import FarmCore

/// What there was to be ended when a state was set, beside who set it and why.
@Suite struct AdminWorkTests {
    /// A note of the test's own, zeroed as shared memory is.
    private final class Paper {
        let note = AdminNote.allocate(capacity: 1)
        init() { note.initialize(to: farm_admin_note()) }
        deinit { note.deallocate() }

        func set(_ work: AdminWord.Work?, publish: () -> Void = {}) {
            var word = AdminWord.plain(since: 1)
            word.work = work
            note.set(word, publish: publish)
        }
    }

    private static func work(_ inflight: UInt32, _ clients: UInt32) -> AdminWord.Work {
        AdminWord.Work(inflight: inflight, clients: clients)
    }

    @Test func nothingIsKnownAtFirst() {
        let paper = Paper()
        #expect(paper.note.work == nil)
        #expect(AdminWord.plain(since: 5).work == nil, "nor when the configuration sets it")
        paper.set(nil)
        #expect(paper.note.work == nil)
    }

    /// Nothing in flight is known to be nothing, which is not the same as not known.
    @Test(arguments: [(0, 0), (0, 7), (3, 0), (3, 7), (.max - 1, .max - 1)] as [(UInt32, UInt32)])
    func itIsKept(_ inflight: UInt32, _ clients: UInt32) {
        let paper = Paper()
        paper.set(Self.work(inflight, clients))
        #expect(paper.note.work == Self.work(inflight, clients))
    }

    /// As the table's layout has it: a count and 1, so that fresh memory is "not known".
    @Test func itIsStoredAsACountAndOne() {
        let paper = Paper()
        paper.set(Self.work(0, 41))
        #expect(paper.note.pointee.inflight == 1 && paper.note.pointee.clients == 42)
        paper.set(nil)
        #expect(paper.note.pointee.inflight == 0 && paper.note.pointee.clients == 0)
    }

    @Test func whatIsTooLargeIsTheLargest() {
        let paper = Paper()
        paper.set(Self.work(.max, .max))
        #expect(paper.note.work == Self.work(.max - 1, .max - 1))
    }

    @Test func theNextOneReplacesIt() {
        let paper = Paper()
        paper.set(Self.work(9, 9))
        paper.set(Self.work(1, 0))
        #expect(paper.note.work == Self.work(1, 0))
        paper.set(nil)
        #expect(paper.note.work == nil)
    }

    /// A reader who sees the new state finds what belongs to it.
    @Test func itIsThereWhenTheStateIsPublished() {
        let paper = Paper()
        paper.set(Self.work(9, 9))
        var seen: AdminWord.Work?
        paper.set(Self.work(4, 5)) { seen = paper.note.work }
        #expect(seen == Self.work(4, 5))
    }

    @Test func halfOfItIsNothing() {
        let paper = Paper()
        for (inflight, clients) in [(3, 0), (0, 3)] as [(UInt32, UInt32)] {
            paper.note.pointee.inflight = inflight
            paper.note.pointee.clients = clients
            #expect(paper.note.work == nil)
        }
    }

    @Test func whatAWriterThatDiedLeftIsForgotten() {
        let paper = Paper()
        paper.set(Self.work(3, 4))
        paper.note.repair()
        #expect(paper.note.work == Self.work(3, 4), "nobody has died")
        paper.note.pointee.writing = 1
        paper.note.repair()
        #expect(paper.note.work == nil)
    }

    @Test func itIsCopied() {
        let (paper, copy) = (Paper(), Paper())
        paper.set(Self.work(3, 4))
        paper.note.copy(to: copy.note)
        #expect(copy.note.work == Self.work(3, 4))
    }
}
