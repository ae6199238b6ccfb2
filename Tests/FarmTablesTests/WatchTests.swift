import CFarm
import CFarmABI
import FarmCore
import FarmTestSupport
import Testing

@testable import FarmTables

/// What the log is told of farms: by children that renew views, by refusals, by the parent's tick, and by each once.
@Suite struct WatchTests {
    private let second: UInt64 = 1_000_000

    private func lines(_ farm: String, _ number: UInt32) -> [String] {
        HostLog.lines(naming: "farm \(farm)").filter { $0.number == number }.map(\.text)
    }

    private func put(_ row: MemberRow, down: Bool) { row.publish(MemberState(word: down ? FARM_DOWN_BY_MONITOR : 0)) }

    @Test func aChildTellsWhatItsViewsSee() throws {
        let world = World()
        let engine = try world.child([farm("watched", "a", "b")], pid: 1)
        engine.row(0).pointee.last_error = FARM_ERROR_REFUSED
        engine.row(0).pointee.last_error_at = 5
        for at in 0..<2 { put(engine.row(at), down: true) }
        engine.pointee.farms[0].changed()
        for tenth: UInt64 in 0...15 { #expect(engine.chosen(now: 100 * second + tenth * second / 10) == nil) }
        #expect(
            lines("watched", 140)
                == ["farm watched is down: 2 of 2 members down; member a failed last: connection refused"])
        for at in 0..<2 { put(engine.row(at), down: false) }
        engine.pointee.farms[0].changed()
        for tenth: UInt64 in 0...15 { #expect(engine.chosen(now: 143 * second + tenth * second / 10) != nil) }
        #expect(lines("watched", 143) == ["farm watched is ok again after 43 s"])
        #expect(lines("watched", 140).count == 1)
    }

    @Test func theParentTellsOfFarmsThatNobodyAsksFor() throws {
        let world = World()
        let parent = try #require(world.configure([farm("quiet", "a") { $0.expect = 60 * second }]))
        parent.row(0).pointee.known_since_us = 100 * second
        func tick(_ at: UInt64) { HostClock.$now.withValue(at * second) { parent.pointee.tick() } }
        tick(150)
        #expect(lines("quiet", 145).isEmpty)
        tick(161)
        tick(171)
        #expect(lines("quiet", 145) == ["farm quiet: member a is out: it has never reported (FarmExpectUpdate 60 s)"])
        #expect(lines("quiet", 140) == ["farm quiet is down: 1 of 1 member not reporting"])
        farm_set64(&parent.row(0).pointee.updated_us, 175 * second)
        tick(181)
        tick(191)
        #expect(lines("quiet", 146) == ["farm quiet: member a reports again"])
        #expect(lines("quiet", 143) == ["farm quiet is ok again after 20 s"])
        tick(240)
        #expect(
            lines("quiet", 145).last
                == "farm quiet: member a is out: it has not reported for 65 s (FarmExpectUpdate 60 s)")
    }

    /// A child of an older configuration may know other members: what it sees is not what is.
    @Test func anOldChildTellsNothing() throws {
        let world = World()
        let old = try world.child([farm("aged", "a")], pid: 1)
        _ = try world.child([farm("aged", "a", "b")], pid: 2)
        put(old.row(0), down: true)
        old.pointee.farms[0].changed()
        for tenth: UInt64 in 0...20 { #expect(old.chosen(now: 100 * second + tenth * second / 10) == nil) }
        #expect(lines("aged", 140).isEmpty)
    }

    @Test func refusalsSayWhy() throws {
        let world = World()
        let engine = try world.child([farm("closed", "a", "b") { $0.expect = 60 * second }], pid: 1)
        func why(_ condition: Condition, at: UInt64, named: UInt32? = nil) -> String? {
            var request = farm_request()
            request.named = named ?? 0
            request.flags = named == nil ? 0 : FARM_REQUEST_NAMED | FARM_REQUEST_STRICT
            var room = [UInt8](repeating: 0, count: 512)
            let length = HostClock.$now.withValue(at) {
                room.withUnsafeMutableBufferPointer { engine.pointee.refused(request, condition: condition, into: $0) }
            }
            return length == 0 ? nil : String(decoding: room[..<length], as: UTF8.self)
        }
        for at in 0..<2 { farm_set64(&engine.row(at).pointee.known_since_us, 1) }
        #expect(why(.full, at: 10 * second) == "every available member is at its maxinflight")
        #expect(why(.full, at: 10 * second + 5) == nil)
        #expect(
            why(.offline, at: 12 * second)
                == "it is administratively offline (2 requests refused since the last such line)")
        #expect(why(.ok, at: 14 * second) == "no member that it has not tried is available")
        #expect(
            why(.down, at: 16 * second, named: 1) == "the only member that an instruction allows, b, is down")
        #expect(why(.down, at: 200 * second) == "it is down: no member reports (FarmExpectUpdate)")
        put(engine.row(0), down: true)
        #expect(why(.down, at: 202 * second) == "it is down: no member is available")
        engine.row(0).pointee.last_error = FARM_ERROR_STATUS | 503 << 16
        engine.row(0).pointee.last_error_at = 5
        #expect(
            why(.down, at: 204 * second) == "it is down: no member is available; member a failed last: status 503")
        // No more than there is room for.
        var few = [UInt8](repeating: 7, count: 10)
        let length = HostClock.$now.withValue(206 * second) {
            few.withUnsafeMutableBufferPointer { room in
                engine.pointee.refused(
                    farm_request(), condition: .down, into: UnsafeMutableBufferPointer(rebasing: room[..<9]))
            }
        }
        #expect(length == 9 && few[9] == 7)
    }
}
