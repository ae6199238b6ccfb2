import CFarm
import CFarmABI
import FarmCore
import FarmTestSupport
import Testing

@testable import FarmTables

/// Real threads at one engine: what one process's threads do to the shared rows all day.
@Suite struct HammerTests {
    private static let threads = 8
    private static let rounds = 1_500

    /// Counted outside of the engine, in rows of the test's own.
    private struct Counters: @unchecked Sendable {
        let engine: UnsafeMutablePointer<Engine>
        let rows: Rows
        func note(_ member: Int, limit: UInt32) {
            let row = rows[member]
            if farm_add32(&row.pointee.inflight, 1) + 1 > limit && limit > 0 { _ = farm_add32(&row.pointee.fails, 1) }
            _ = farm_add64(&row.pointee.requests, 1)
        }
        func forget(_ member: Int) { _ = farm_add32(&rows[member].pointee.inflight, .max) }
    }

    @Test(arguments: Algorithm.allCases, [LockGranularity.row, .engine])
    func nothingIsLostOrLeft(_ algorithm: Algorithm, _ granularity: LockGranularity) throws {
        let world = World(granularity: granularity)
        let limits: [UInt32] = [2, 3, 0, 1, 2]
        var spec = FarmSpec(
            "hammer",
            limits.enumerated().map { at, limit in
                MemberSpec("m\(at)", weight: UInt32(at + 1), tier: at == 4 ? 1 : 0, maxInflight: limit)
            })
        spec.algorithm = algorithm.rawValue
        spec.fall = 2
        spec.retry = 50
        spec.failOnStatus = [503]
        let engine = try world.child([spec], pid: 1)
        let counters = Counters(engine: engine, rows: Rows(count: limits.count))
        let totals = Rows(count: 1)
        let shared = Shared(totals)
        onThreads(Self.threads) { number in
            var numbers = Numbers(UInt64(number + 1) * 1_000_003)
            for round in 0..<Self.rounds { Self.request(counters, shared.value[0], limits, UInt64(round), &numbers) }
        }
        #expect((0..<limits.count).allSatisfy { engine.inflight($0) == 0 })
        #expect(world.ledgerTotal() == 0)
        for at in limits.indices {
            #expect(counters.rows[at].pointee.fails == 0, "member \(at) was over its limit")
            #expect(engine.row(at).pointee.requests == counters.rows[at].pointee.requests)
            #expect(engine.row(at).pointee.bytes_in == counters.rows[at].pointee.requests * 3, "no byte lost")
            #expect(engine.row(at).pointee.sequence % 2 == 0)
        }
        let farmRow = engine.pointee.farms[0].row.pointee
        #expect(farmRow.requests == UInt64(Self.threads * Self.rounds))
        #expect(farmRow.failovers == totals[0].pointee.bytes_out)
        #expect(engine.row(0).pointee.requests > 0 && engine.row(2).pointee.requests > 0)
        #expect((0..<limits.count).reduce(0) { $0 + engine.row($1).pointee.errors } == totals[0].pointee.errors)
    }

    /// One request of a client, with what a network does to it at random. What it adds up stands in `totals`.
    private static func request(
        _ counters: Counters, _ totals: MemberRow, _ limits: [UInt32], _ now: UInt64,
        _ numbers: inout Numbers
    ) {
        let engine = counters.engine
        var request = farm_request()
        request.flags = FARM_REQUEST_BODY_READY | (numbers.next() % 4 == 0 ? 0 : FARM_REQUEST_IDEMPOTENT)
        var again = true
        while again, engine.choose(&request, now: now) {
            let member = Int(request.member)
            counters.note(member, limit: limits[member])
            if request.attempts > 1 { _ = farm_add64(&totals.pointee.bytes_out, 1) }
            var saw: Evidence = [.answer, .sent]
            var failed = false
            switch numbers.next() % 16 {
            case 0:
                (saw, failed) = ([.broke, .sent], true)
            case 1:
                (saw, failed) = ([.unreachable], true)
            case 2:
                saw = [.shortage]
            case 3:
                saw = [.client, .sent]
            case 4:
                failed = true
                if !engine.answered(&request, status: 503, mayResend: true, now: now + 5) { saw = [.held, .sent] }
            default:
                _ = engine.answered(&request, status: 200, mayResend: true, now: now + 5)
            }
            if failed { _ = farm_add64(&totals.pointee.errors, 1) }
            counters.forget(member)
            again = engine.end(&request, saw: saw, mayResend: true, bytesIn: 3, bytesOut: 0, now: now + 9)
        }
    }

    /// Every thread belongs to a child of its own; the parent meanwhile buries some of them and takes new ones in.
    @Test func childrenComeAndGo() throws {
        let world = World(slots: 6)
        let specs = [farm("f", "a", "b", "c")]
        let engines = try #require(world.copies(of: specs, 12))
        let shared = Shared((engines: engines, tables: world.tables))
        onThreads(4) { number in
            for life in 0..<3 {
                let engine = shared.value.engines[number * 3 + life]
                let pid = UInt32(number * 3 + life + 1)
                guard engine.start(pid: pid) else { continue }
                for round in 0..<300 {
                    guard var request = engine.chosen(now: UInt64(round)) else { continue }
                    // The last ones are left open, as by a child that is killed.
                    if round < 290 {
                        _ = engine.end(
                            &request, saw: [.answer, .sent], mayResend: true, bytesIn: 1, bytesOut: 1,
                            now: UInt64(round))
                    }
                }
            }
        }
        #expect((0..<3).reduce(0) { $0 + engines[0].inflight($1) } == world.ledgerTotal())
        for pid: UInt32 in 1...12 { world.tables.pointee.processGone(pid: pid) }
        #expect((0..<3).allSatisfy { engines[0].inflight($0) == 0 })
        #expect(world.ledgerTotal() == 0)
    }
}
