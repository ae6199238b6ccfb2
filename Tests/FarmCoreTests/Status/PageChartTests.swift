import CFarm
import FarmTestSupport
import Foundation
import Testing

@testable import FarmCore

@Suite struct PageChartTests {
    /// A history of the test's own: samples ten seconds apart, each with the requests and failures since the one before.
    private final class Past {
        let row = UnsafeMutablePointer<farm_history_row>.allocate(capacity: 1)
        private(set) var at: UInt64 = 1_000_000_000
        private var requests: UInt64 = 0
        private var failures: UInt64 = 0

        init(_ steps: [(requests: UInt64, failures: UInt64)], samples: Int? = nil) {
            row.initialize(to: farm_history_row())
            if samples != 0 { note() }
            for step in steps { add(step.requests, step.failures) }
        }

        deinit { row.deallocate() }

        func add(_ requests: UInt64, _ failures: UInt64, after: UInt64 = 10_000_000) {
            self.requests &+= requests
            self.failures &+= failures
            at += after
            note()
        }

        private func note() {
            History(row).note(History.Sample(at: at, requests: requests, failures: failures, inflight: 0))
        }

        func svg(points: Int = 61, now: UInt64? = nil, after filler: Int = 0) -> String {
            let pieces = Pieces()
            pieces.write { out in
                for _ in 0..<filler { out.byte(0x20) }
                PageChart(History(row), now: now ?? at, points: points).write(
                    to: &out, of: "Requests", failures: "errors")
            }
            return pieces.text.trimmingCharacters(in: .whitespaces)
        }
    }

    /// The points of a path, without the foot of an area; nil when there is no such path or it is not well formed.
    private static func points(_ svg: String, _ name: String) -> [[Int]]? {
        guard let start = svg.range(of: "<path class=\"\(name)\" d=\""),
            let end = svg[start.upperBound...].range(of: "\"/>")
        else { return nil }
        var path = svg[start.upperBound..<end.lowerBound]
        guard path.hasPrefix("M") else { return nil }
        path = path.dropFirst()
        let isArea = path.hasSuffix("Z")
        if isArea { path = path.dropLast() }
        var points: [[Int]] = []
        for text in path.split(separator: "L", omittingEmptySubsequences: false) {
            let numbers = text.split(separator: " ", omittingEmptySubsequences: false).map { Int($0) ?? -1 }
            guard numbers.count == 2 else { return nil }
            points.append(numbers)
        }
        guard isArea else { return points }
        // It begins and ends on the ground, below its first and its last point.
        guard points.count >= 3, points.first == [points[1][0], 24], points.last == [points[points.count - 2][0], 24]
        else { return nil }
        return Array(points.dropFirst().dropLast())
    }

    private static func isWithin(_ points: [[Int]]) -> Bool {
        let x = points.map { $0[0] }
        return x == x.sorted() && points.allSatisfy { (0...640).contains($0[0]) && (1...24).contains($0[1]) }
    }

    @Test func nothingIsDrawnOfNothing() {
        #expect(Past([], samples: 0).svg() == "", "no sample")
        #expect(Past([]).svg() == "", "one sample")
        #expect(Past([(0, 0)]).svg() == "")
        #expect(Past([(UInt64, UInt64)](repeating: (0, 0), count: 200)).svg() == "", "nobody asked for anything")
    }

    @Test func oneStep() throws {
        let svg = Past([(50, 0)]).svg()
        #expect(Self.points(svg, "area") == [[640, 1]])
        #expect(Self.points(svg, "bad") == nil)
        #expect(svg.contains("<title>Requests in the last 1 s, at most 5 per second; the line is errors</title>"))
    }

    @Test func whatIsConstantIsFlat() throws {
        let svg = Past([(UInt64, UInt64)](repeating: (1_000, 0), count: 100)).svg()
        let points = try #require(Self.points(svg, "area"))
        #expect(points.count == 60 && points.first?[0] == 0 && points.last?[0] == 640)
        #expect(points.allSatisfy { $0[1] == 1 })
        #expect(svg.contains("in the last 9 min, at most 100 per second"))
        #expect(Self.points(svg, "bad") == nil, "no line of failures where there are none")
    }

    @Test func heightIsThePartOfTheHighest() throws {
        let svg = Past([(100, 0), (50, 25), (0, 100), (0, 0)]).svg()
        #expect(Self.points(svg, "area")?.map { $0[1] } == [1, 13, 24, 24])
        #expect(Self.points(svg, "bad")?.map { $0[1] } == [24, 18, 1, 24])
        #expect(Self.points(svg, "area")?.map { $0[0] } == [0, 213, 427, 640])
    }

    /// Failovers may be more than requests: then the line is the higher one.
    @Test func failuresAlone() throws {
        let svg = Past([(0, 7), (0, 0)]).svg()
        #expect(Self.points(svg, "area")?.map { $0[1] } == [24, 24])
        #expect(Self.points(svg, "bad")?.map { $0[1] } == [1, 24])
    }

    /// As much as the words of a sample hold, and a counter that went back, which reads like it.
    @Test(arguments: [UInt64(UInt32.max), 1 << 31, UInt64.max]) func hugeRates(_ requests: UInt64) throws {
        let svg = Past([(3, 1), (requests, requests), (5, 0)]).svg()
        for name in ["area", "bad"] { #expect(Self.isWithin(try #require(Self.points(svg, name)))) }
        #expect(Self.points(svg, "area")?.map { $0[1] } == [24, 1, 24])
        let instant = Past([(1, 0)])
        instant.add(UInt64(UInt32.max), 0, after: 1_000)
        #expect(Self.points(instant.svg(), "area")?.last?[1] == 1, "all of it in a millisecond")
    }

    /// Whatever there was: every point is in the picture, from left to right, and no more of them than were asked for.
    @Test func anyHistoryIsWithinThePicture() throws {
        var numbers = Numbers(99)
        for round in 0..<2_000 {
            let past = Past([])
            for _ in 0..<Int(numbers.next() % 130) {
                let big = numbers.next() % 9 == 0
                past.add(
                    big ? numbers.next() : numbers.next() % 400, numbers.next() % 3 == 0 ? numbers.next() % 50 : 0,
                    after: [0, 5_000_000, 10_000_000, 90_000_000].randomElement(using: &numbers)!)
            }
            let wanted = [1, 2, 15, 61, 1_000].randomElement(using: &numbers)!
            let now = [0, past.at, past.at + 7_000_000, past.at - 12_000_000, .max].randomElement(using: &numbers)!
            let svg = past.svg(points: wanted, now: now)
            if svg.isEmpty { continue }
            for name in ["area", "bad"] {
                guard let points = Self.points(svg, name) else {
                    #expect(name == "bad" && !svg.contains("class=\"bad\""), "round \(round): \(svg)")
                    continue
                }
                #expect(Self.isWithin(points), "round \(round): \(svg)")
                #expect(points.count <= wanted, "round \(round): \(points.count) of \(wanted)")
            }
        }
    }

    /// A page with many charts stays small: steps are joined, and each point is their mean.
    @Test func stepsAreJoined() throws {
        let past = Past((0..<60).map { (UInt64($0 / 4 % 2 * 100 + 100), 0) })
        let points = try #require(Self.points(past.svg(points: 15), "area"))
        #expect(points.map { $0[1] } == (0..<15).map { $0 % 2 == 0 ? 13 : 1 })
        #expect(points.last?[0] == 640)
    }

    /// The parent takes a sample while a child draws, when it has looked for the highest already: the buffer is full just
    /// then. A trap would end the child.
    @Test func aSampleMayComeWhileItIsDrawn() async {
        await #expect(processExitsWith: .success) {
            let row = UnsafeMutablePointer<farm_history_row>.allocate(capacity: 1)
            defer { row.deallocate() }
            row.initialize(to: farm_history_row())
            let history = History(row)
            for at: UInt64 in 0..<5 {
                history.note(History.Sample(at: at * 10_000_000, requests: at * 10, failures: 1, inflight: 0))
            }
            var drawn: [UInt8] = []
            var out = ByteWriter { start, count in
                if drawn.isEmpty {
                    history.note(History.Sample(at: 50_000_000, requests: 900_000, failures: 90_000, inflight: 0))
                }
                drawn += Array(UnsafeBufferPointer(start: start, count: count))
            }
            for _ in 0..<4_090 { out.byte(0x20) }
            PageChart(history, now: 45_000_000, points: 61).write(to: &out, of: "Requests", failures: "errors")
            _ = consume out
            precondition(drawn.count > 4_200 && !drawn.contains(UInt8(ascii: "-")))
        }
    }
}
