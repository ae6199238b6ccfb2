import CFarm
import FarmTestSupport
import Testing

@testable import FarmCore

@Suite struct AdminNoteTests {
    /// A note of the test's own, zeroed as shared memory is.
    private final class Paper {
        let note = AdminNote.allocate(capacity: 1)
        init() { note.initialize(to: farm_admin_note()) }
        deinit { note.deallocate() }

        var by: String { String(cString: farm_note_by(note)) }
        var reason: String { String(cString: farm_note_reason(note)) }

        func set(_ by: [UInt8], _ reason: [UInt8], since: UInt64 = 1, until: UInt64 = 0, publish: () -> Void = {}) {
            by.withUnsafeBufferPointer { by in
                reason.withUnsafeBufferPointer { reason in
                    note.set(AdminWord(by: by, reason: reason, since: since, until: until), publish: publish)
                }
            }
        }

        func set(_ by: String, _ reason: String, since: UInt64 = 1, until: UInt64 = 0) {
            set(bytes(by), bytes(reason), since: since, until: until)
        }
    }

    @Test func aNoteIsKept() {
        let paper = Paper()
        paper.set("söphie", "neue Kühlung ❄", since: 17, until: 99)
        #expect(paper.by == "söphie" && paper.reason == "neue Kühlung ❄")
        #expect((paper.note.pointee.since_us, paper.note.pointee.until_us) == (17, 99))
        #expect(paper.note.pointee.writing == 0)
    }

    @Test func aShorterNoteLeavesNothingOfTheLongerOne() {
        let paper = Paper()
        paper.set(String(repeating: "b", count: 63), String(repeating: "r", count: 191), until: 5)
        paper.set("x", "")
        #expect(paper.by == "x" && paper.reason == "")
        let stored = withUnsafeBytes(of: paper.note.pointee) { Array($0) }
        #expect(!stored.contains(UInt8(ascii: "b")) && !stored.contains(UInt8(ascii: "r")))
        #expect(paper.note.pointee.until_us == 0)
    }

    /// Contract: who in at most 63 bytes, why in at most 191.
    @Test func theLongestFitAndNoMore() {
        let paper = Paper()
        for length in [62, 63, 64, 190, 191, 192, 1_000] {
            let text = String(repeating: "t", count: length)
            paper.set(text, text)
            #expect(paper.by.count == min(length, 63) && paper.reason.count == min(length, 191))
        }
    }

    /// A text that is cut is cut between characters: what is stored is UTF-8 as what was given.
    @Test(arguments: ["é", "€", "😀"]) func nothingIsCutInTwo(_ character: String) {
        let paper = Paper()
        for before in 0...4 {
            let text = String(repeating: "a", count: before) + String(repeating: character, count: 100)
            paper.set(text, text)
            for (stored, longest) in [(farm_note_by(paper.note)!, 63), (farm_note_reason(paper.note)!, 191)] {
                let kept = String(validatingCString: stored)
                #expect(kept != nil, "after \(before)")
                #expect(text.hasPrefix(kept ?? "-") && (kept ?? "").utf8.count > longest - 4)
            }
        }
    }

    /// Whatever name a client logs in with, the note is text that may be shown, and written to a file and read again.
    @Test(
        arguments: [
            [0xFF], [0x61, 0x0A, 0x62], [0xC3], [0x7F], [0x61, 0xC2, 0x85], [0x00, 0x61], [0xED, 0xA0, 0x80],
        ]
            as [[UInt8]])
    func whatIsNoTextIsMadeOne(_ name: [UInt8]) {
        let paper = Paper()
        paper.set(name, name)
        for stored in [farm_note_by(paper.note)!, farm_note_reason(paper.note)!] {
            let text = ByteWriter.bytes(of: stored, limit: 191)
            #expect(PlainText.isPlain(text) && !text.isEmpty)
        }
    }

    @Test func theStateIsPublishedWithinTheNote() {
        let paper = Paper()
        var seen: (UInt32, String, UInt64)?
        paper.set(bytes("me"), [], since: 3) {
            seen = (paper.note.pointee.writing, paper.by, paper.note.pointee.since_us)
        }
        #expect(seen?.0 == 1 && seen?.1 == "me" && seen?.2 == 3)
        #expect(paper.note.pointee.writing == 0)
    }

    @Test func nothingIsRepairedThatIsWhole() {
        let paper = Paper()
        paper.set("me", "why", since: 3, until: 4)
        paper.note.repair()
        #expect(paper.by == "me" && paper.reason == "why" && paper.note.pointee.until_us == 4)
    }

    /// Who and why are not known then, and nothing ends by itself.
    @Test func whatAWriterThatDiedLeftIsForgotten() {
        let paper = Paper()
        paper.set("me", "why", since: 3, until: 4)
        paper.note.pointee.writing = 1
        paper.note.repair()
        #expect(paper.by == "" && paper.reason == "")
        #expect((paper.note.pointee.since_us, paper.note.pointee.until_us, paper.note.pointee.writing) == (3, 0, 0))
    }

    @Test(
        arguments: [(0, 0, false), (0, .max, false), (5, 4, false), (5, 5, true), (5, 6, true)]
            as [(UInt64, UInt64, Bool)])
    func itsEnd(_ until: UInt64, _ now: UInt64, _ isOver: Bool) {
        let paper = Paper()
        paper.set("me", "", until: until)
        #expect(paper.note.isOver(wallClock: now) == isOver)
    }

    @Test func aCopyIsTheSame() {
        let paper = Paper()
        let copy = Paper()
        paper.set(String(repeating: "b", count: 63), String(repeating: "ä", count: 95), since: 1, until: 2)
        paper.note.copy(to: copy.note)
        #expect(
            withUnsafeBytes(of: paper.note.pointee) { Array($0) }
                == withUnsafeBytes(of: copy.note.pointee) { Array($0) })
    }
}
