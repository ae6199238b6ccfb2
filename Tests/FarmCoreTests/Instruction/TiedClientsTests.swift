import CFarm
import FarmTestSupport
import Testing

@testable import FarmCore

/// Contract: about how many instructions that name a member are alive, "within 5 % at 100,000 clients".
@Suite struct TiedClientsTests {
    private final class Room {
        let row = UnsafeMutablePointer<farm_tied_row>.allocate(capacity: 1)
        init() { row.initialize(to: farm_tied_row()) }
        deinit { row.deallocate() }
        /// Of a row that lives as long as the room: keep the room while they are asked.
        var clients: TiedClients { TiedClients(row) }
    }

    private static let now: UInt64 = 1_800_000_000

    private func make(lifetime: UInt64 = 3600) -> Room {
        let room = Room()
        room.clients.prepare(lifetime: lifetime)
        return room
    }

    private func isNear(_ value: Double, _ expected: Double, _ part: Double) -> Bool {
        (value - expected).magnitude <= expected * part
    }

    @Test(arguments: [1, 2, 10, 100, 1_000, 10_000, 100_000, 300_000]) func countsDifferentOnes(_ count: Int) {
        let room = make()
        for seed in 0..<UInt64(count) {
            let hash = RandomSource.mixed(seed &* RandomSource.gamma &+ 7)
            // Each is seen again and again.
            for _ in 0..<2 { room.clients.note(hash, expires: Self.now + 3000 + seed % 500, now: Self.now) }
        }
        // Five standard errors would be 8 %; a small count is exact but for collisions.
        #expect(isNear(room.clients.count(now: Self.now), Double(count), count < 20 ? 0.01 : 0.05))
    }

    @Test func nobodyAtFirst() {
        let room = make()
        #expect(room.clients.count(now: Self.now) == 0)
        #expect(room.clients.until(now: Self.now) == nil)
        let unprepared = Room()
        #expect(unprepared.clients.count(now: Self.now) == 0)
    }

    /// They die by their time, spread over a lifetime; what is dead is not counted, but for a part of one span.
    @Test func theDeadAreForgotten() {
        let room = make()
        for client in 0..<36_000 as Range<UInt64> {
            room.clients.note(RandomSource.mixed(client), expires: Self.now + client / 10, now: Self.now)
        }
        for minute in stride(from: 0, to: 60, by: 7) as StrideTo<UInt64> {
            let alive = Double(36_000 - minute * 600)
            #expect((room.clients.count(now: Self.now + minute * 60) - alive).magnitude < 2_000, "minute \(minute)")
        }
        #expect(room.clients.until(now: Self.now + 3_000) == Self.now + 3_599)
        #expect(room.clients.until(now: Self.now + 3_599) == Self.now + 3_599)
        #expect(room.clients.until(now: Self.now + 3_600) == nil)
        #expect(room.clients.count(now: Self.now + 4_600) == 0)
    }

    /// A span that is over is used again.
    @Test func theSketchesGoRound() {
        let room = make()
        for hour in 0..<40 as Range<UInt64> {
            let now = Self.now + hour * 3600
            for client in 0..<1_000 as Range<UInt64> {
                room.clients.note(RandomSource.mixed(hour << 32 | client), expires: now + 3_599, now: now)
            }
            #expect(isNear(room.clients.count(now: now), 1_000, 0.12), "hour \(hour)")
        }
    }

    /// One that lives for a month is counted, in the last span that there is.
    @Test func longLives() {
        let room = make()
        for client in 0..<500 as Range<UInt64> {
            room.clients.note(RandomSource.mixed(client), expires: Self.now + 2_600_000, now: Self.now)
        }
        #expect(isNear(room.clients.count(now: Self.now), 500, 0.05))
        #expect(room.clients.until(now: Self.now) == Self.now + 2_600_000)
    }

    @Test func theDeadAreNotNoted() {
        let room = make()
        room.clients.note(1, expires: Self.now - 1, now: Self.now)
        #expect(room.clients.count(now: Self.now) == 0 && room.clients.until(now: Self.now) == nil)
    }

    /// Another lifetime begins anew, the same one does not.
    @Test func anotherLifetime() {
        let room = make()
        room.clients.note(RandomSource.mixed(1), expires: Self.now + 9, now: Self.now)
        room.clients.prepare(lifetime: 3600)
        #expect(room.clients.count(now: Self.now).rounded() == 1)
        room.clients.prepare(lifetime: 60)
        #expect(room.clients.count(now: Self.now) == 0)
        room.clients.forget()
        #expect(room.clients.until(now: Self.now) == nil)
    }
}
