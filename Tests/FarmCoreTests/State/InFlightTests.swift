import CFarm
import FarmTestSupport
import Testing

@testable import FarmCore

@Suite struct InFlightTests {
    @Test func takeAndGiveBack() {
        let rows = Rows(count: 1)
        for expected in 1...5 {
            #expect(InFlight.take(rows.members[0]))
            #expect(rows.inflight(0) == (Int32(expected), Int32(expected)))
        }
        for expected in (0...4).reversed() {
            InFlight.giveBack(rows.members[0])
            #expect(rows.inflight(0) == (Int32(expected), Int32(expected)))
        }
    }

    @Test(arguments: [1, 2, 7] as [UInt32]) func theLimitHolds(_ limit: UInt32) {
        let rows = Rows(count: 1)
        rows[0].pointee.max_inflight = limit
        for _ in 0..<limit { #expect(InFlight.take(rows.members[0])) }
        #expect(!InFlight.take(rows.members[0]))
        #expect(rows.inflight(0) == (Int32(limit), Int32(limit)), "a refusal leaves both counts alone")
        InFlight.giveBack(rows.members[0])
        #expect(InFlight.take(rows.members[0]))
    }

    /// The limit is over all processes: another one's places count, though this one's ledger knows nothing of them.
    @Test func anotherProcessHoldsPlaces() {
        let rows = Rows(count: 1)
        rows[0].pointee.max_inflight = 3
        rows[0].pointee.inflight = 3
        #expect(!InFlight.take(rows.members[0]))
        #expect(rows.inflight(0) == (3, 0))
    }

    @Test func aLimitThatWasLoweredStillHolds() {
        let rows = Rows(count: 1)
        rows[0].pointee.inflight = 9
        rows[0].pointee.max_inflight = 2
        #expect(!InFlight.take(rows.members[0]))
    }

    /// Four threads, as two processes with a ledger each, want three places: never more than three are out, and at the
    /// end none is.
    @Test func theLimitIsExactOverThreads() {
        let limit: UInt32 = 3
        let rows = Rows(count: 3)
        rows[0].pointee.max_inflight = limit
        // The second row lends its cell of the ledger, the third a place to count in.
        let processes = [rows.members[0], Member(row: rows[0], ledger: rows.members[1].ledger)]
        let shared = Shared((processes: processes, seen: rows[2]))
        onThreads(4) { number in
            let member = shared.value.processes[number % 2]
            let seen = shared.value.seen
            for _ in 0..<20_000 where InFlight.take(member) {
                if farm_add32(&seen.pointee.inflight, 1) >= limit { _ = farm_add32(&seen.pointee.fails, 1) }
                _ = farm_add64(&seen.pointee.requests, 1)
                _ = farm_add32(&seen.pointee.inflight, UInt32.max)
                InFlight.giveBack(member)
            }
        }
        #expect(rows[2].pointee.fails == 0, "more places out than the limit")
        #expect(rows[2].pointee.requests > 0)
        #expect(rows.inflight(0) == (0, 0))
        #expect(rows.inflight(1).ledger == 0)
    }

    @Test func forgetTakesTheCellOffTheRow() {
        let rows = Rows(count: 1)
        let dead = UnsafeMutablePointer<UInt32>.allocate(capacity: 1)
        defer { dead.deallocate() }
        dead.pointee = 0
        let other = Member(row: rows[0], ledger: dead)
        for _ in 0..<3 { _ = InFlight.take(other) }
        _ = InFlight.take(rows.members[0])
        InFlight.forget(dead, of: rows[0], farm: nil)
        #expect(dead.pointee == 0)
        #expect(rows.inflight(0) == (1, 1))
        InFlight.forget(dead, of: rows[0], farm: nil)
        #expect(rows.inflight(0) == (1, 1), "what was forgotten is not forgotten twice")
    }

    @Test(
        arguments: [(0, 0), (1, 1), (4_000_000, 4_000_000), (UInt32(bitPattern: -1), 0), (0x8000_0000, 0)]
            as [(UInt32, UInt32)])
    func count(_ stored: UInt32, reads count: UInt32) {
        let rows = Rows(count: 1)
        rows[0].pointee.inflight = stored
        #expect(InFlight.count(rows[0]) == count)
    }
}
