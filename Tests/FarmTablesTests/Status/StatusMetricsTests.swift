import CFarm
import CFarmABI
import FarmCore
import FarmTestSupport
import Foundation
import Testing

@testable import FarmTables

@Suite struct StatusMetricsTests {
    /// Members of every kind in two farms and one that is empty.
    private func make(_ world: World) throws -> UnsafeMutablePointer<Engine> {
        try HostClock.$now.withValue(Self.now - 10_000_000) { try makeNow(world) }
    }

    private static let now: UInt64 = 5_000_000_000

    private func makeNow(_ world: World) throws -> UnsafeMutablePointer<Engine> {
        var specs = [farm("f", "a", "b", "c", "10.0.0.1:8080"), farm("g", "a"), farm("empty")]
        specs[0].expect = 60_000_000
        let engine = try world.child(specs, pid: 1)
        var numbers = Numbers(8)
        for at in 0..<5 {
            let row = engine.row(at)
            row.pointee.requests = numbers.next() % 1_000
            row.pointee.errors = numbers.next() % 100
            row.pointee.bytes_in = numbers.next()
            row.pointee.bytes_out = numbers.next() % 10_000
            row.pointee.inflight = UInt32(at)
        }
        engine.row(1).publish(MemberState(word: FARM_DOWN_BY_MONITOR))
        engine.row(2).publish(MemberState(word: FARM_ADMIN_DRAIN))
        engine.row(3).publish(MemberState(word: FARM_ADMIN_OFF | FARM_DOWN_BY_FAILURES))
        engine.pointee.farms[0].row.pointee.requests = 77
        engine.pointee.farms[0].row.pointee.failovers = 5
        for (at, outcome) in RequestOutcome.allCases.enumerated() {
            for _ in 0...at { engine.pointee.farms[0].row.count(outcome, at % 2 == 0 ? .successful : .serverError) }
        }
        engine.pointee.farms[0].row.pointee.suspects = 2
        engine.pointee.farms[0].row.pointee.handed_on = 3
        engine.pointee.farms[0].row.pointee.retries_held_back = 4
        var text = bytes("farm=f&member=a&cpu=0.5&io.wait=-2e10")
        text.withUnsafeMutableBufferPointer { engine.pointee.update($0, caller: nil, out: nil) }
        return engine
    }

    private func read(_ engine: UnsafeMutablePointer<Engine>) throws -> OpenMetrics {
        try HostClock.$now.withValue(Self.now) { try OpenMetrics(engine.text(.openMetrics)) }
    }

    private func values(_ metrics: OpenMetrics, _ family: String, _ labels: [String] = ["farm", "member"]) throws
        -> [String: Double]
    {
        var values: [String: Double] = [:]
        for sample in try #require(metrics[family]).samples {
            values[labels.map { sample[$0] ?? "?" }.joined(separator: " ")] = sample.number
        }
        return values
    }

    private static let members = ["f a", "f b", "f c", "f 10.0.0.1:8080", "g a"]

    @Test func labelsComeInOneOrder() throws {
        let world = World()
        let engine = try make(world)
        for family in try read(engine).families {
            for sample in family.samples {
                let names = sample.labels.map(\.name)
                if family.name.hasPrefix("farm_member_") {
                    #expect(Array(names.prefix(2)) == ["farm", "member"] && names.count <= 3)
                    #expect(Self.members.contains("\(sample["farm"]!) \(sample["member"]!)"))
                }
                #expect(Set(names).count == names.count)
                #expect(!sample.number.isNaN, "\(sample)")
            }
        }
    }

    /// What is in the rows is what is told.
    @Test func valuesAreTheRows() throws {
        let world = World()
        let engine = try make(world)
        let metrics = try read(engine)
        let rows = (0..<5).map { engine.row($0).pointee }
        func told(_ family: String) throws -> [Double] {
            let values = try values(metrics, family)
            #expect(values.count == 5)
            return Self.members.map { values[$0] ?? .nan }
        }
        #expect(try told("farm_member_requests") == rows.map { Double($0.requests) })
        #expect(try told("farm_member_errors") == rows.map { Double($0.errors) })
        #expect(try told("farm_member_received_bytes") == rows.map { Double($0.bytes_in) })
        #expect(try told("farm_member_sent_bytes") == rows.map { Double($0.bytes_out) })
        #expect(try told("farm_member_inflight") == [0, 1, 2, 3, 4])
        #expect(try told("farm_member_weight") == [1, 1, 1, 1, 1])
        #expect(try told("farm_member_available") == [1, 0, 0, 0, 1])
        #expect(try told("farm_member_share") == [1, 0, 0, 0, 1])
        #expect(try told("farm_member_tied_clients") == [0, 0, 0, 0, 0])
        for (family, value) in [
            ("farm_failovers", 5), ("farm_redirected", 4), ("farm_forwarded", 5), ("farm_suspects", 2),
            ("farm_handed_on", 3), ("farm_retries_held_back", 4), ("farm_waiting", 0),
        ] {
            #expect(try values(metrics, family, ["farm"]) == ["f": Double(value), "g": 0, "empty": 0])
        }
        let outcomes = try values(metrics, "farm_requests", ["farm", "outcome"])
        #expect(
            outcomes.count == 18
                && outcomes.filter { $0.value != 0 } == [
                    "f served": 1, "f failed": 2, "f refused": 3, "f redirected": 4, "f forwarded": 5, "f aborted": 6,
                ])
        let answers = try values(metrics, "farm_answers", ["farm", "class"])
        #expect(answers.count == 15 && answers.filter { $0.value != 0 } == ["f 2xx": 9, "f 5xx": 12])
        // A count beyond what a double holds is written whole.
        #expect(engine.samples()["farm_member_received_bytes_total{farm=\"f\",member=\"a\"}"] == "\(rows[0].bytes_in)")
    }

    /// "leave out what is unknown".
    @Test func whatIsUnknownIsAbsent() throws {
        let world = World()
        let engine = try make(world)
        let metrics = try read(engine)
        #expect(try values(metrics, "farm_member_load").keys.sorted() == ["f a"])
        #expect(try values(metrics, "farm_member_update_age_seconds").keys.sorted() == ["f a"])
        #expect(
            try values(metrics, "farm_member_metric", ["farm", "member", "metric"])
                == ["f a cpu": 0.5, "f a io.wait": -2e10])
    }

    /// Every StateSet has each of its states once, and is in one of them.
    @Test func stateSets() throws {
        let world = World()
        let engine = try make(world)
        let metrics = try read(engine)
        let sets = metrics.families.filter { $0.type == "stateset" }
        #expect(
            Set(sets.map(\.name)) == ["farm_member_admin", "farm_member_health", "farm_member_fresh", "farm_condition"])
        for set in sets {
            var states: [String: [String]] = [:]
            var current: [String: [String]] = [:]
            for sample in set.samples {
                let whose = [sample["farm"], sample["member"]].compactMap { $0 }.joined(separator: " ")
                let state = try #require(sample[set.name], "the label has the family's name")
                #expect(sample.value == "0" || sample.value == "1")
                states[whose, default: []].append(state)
                if sample.value == "1" { current[whose, default: []].append(state) }
            }
            #expect(Set(states.values).count == 1 && current.values.allSatisfy { $0.count == 1 }, "\(set.name)")
            let expected: [String: [String]] =
                switch set.name {
                case "farm_member_admin":
                    ["f a": ["on"], "f b": ["on"], "f c": ["drain"], "f 10.0.0.1:8080": ["off"], "g a": ["on"]]
                case "farm_member_health":
                    ["f a": ["up"], "f b": ["down"], "f c": ["up"], "f 10.0.0.1:8080": ["down"], "g a": ["up"]]
                case "farm_member_fresh":
                    Dictionary(uniqueKeysWithValues: Self.members.map { ($0, ["in"]) })
                default: ["f": ["ok"], "g": ["ok"], "empty": ["down"]]
                }
            #expect(current == expected)
        }
    }

    /// One bucket an octave, each with all that are below its bound; the last has all, as `_count` says.
    @Test func latencies() throws {
        let world = World()
        let engine = try make(world)
        var numbers = Numbers(4)
        var seen: [UInt64] = []
        for _ in 0..<3_000 {
            let latency = numbers.next() >> (20 + numbers.next() % 40)
            guard latency < 1 << 40 else { continue }
            seen.append(latency)
            let buckets = farm_member_row_buckets(engine.row(0))!
            buckets[LatencyBuckets.index(of: latency)] += 1
            engine.row(0).pointee.latency_sum += latency
        }
        let family = try #require(try read(engine)["farm_member_latency_seconds"])
        #expect(family.unit == "seconds")
        let own = family.samples.filter { $0["farm"] == "f" && $0["member"] == "a" }
        let buckets = own.filter { $0.name.hasSuffix("_bucket") }
        let bounds = buckets.map { $0["le"] == "+Inf" ? Double.infinity : Double($0["le"] ?? "") ?? .nan }
        #expect(bounds.count == 22 && bounds.first == 0.000128 && bounds[20] == 134.217728 && bounds[21] == .infinity)
        for at in 1..<21 { #expect(bounds[at] == bounds[at - 1] * 2) }
        for (bucket, bound) in zip(buckets, bounds) {
            #expect(bucket.number == Double(seen.count { Double($0) / 1_000_000 < bound }), "up to \(bound)")
        }
        #expect(own.first { $0.name.hasSuffix("_count") }?.number == Double(seen.count))
        let sum = own.first { $0.name.hasSuffix("_sum") }?.number ?? .nan
        #expect((sum - seen.reduce(0) { $0 + Double($1) / 1_000_000 }).magnitude < sum * 1e-9)
        #expect(own.map(\.name).suffix(2).map { $0.suffix(4) } == ["ount", "_sum"])
        // And of one that has answered nothing, all are nought.
        let other = family.samples.filter { $0["farm"] == "g" }
        #expect(other.count == 24 && other.allSatisfy { $0.number == 0 })
    }

    /// Names that the tables would never hold do not break the form either.
    @Test func namesAreEscaped() throws {
        let world = World()
        let engine = try world.child([farm("f\"\\\n", "a\"} 1\n# EOF")], pid: 1)
        let requests = try #require(try read(engine)["farm_member_requests"]).samples
        #expect(requests.count == 1 && requests[0]["farm"] == "f\"\\\n" && requests[0]["member"] == "a\"} 1\n# EOF")
    }

    // MARK: The other forms say the same

    /// The JSON as the keys and values of the lines.
    private static func flat(_ value: Any, _ key: String, _ lines: inout [String: String]) {
        switch value {
        case let object as [String: Any]:
            for (name, value) in object where name != "name" {
                let isMetric = key.hasSuffix(".metrics")
                let path =
                    isMetric
                    ? "\(key.dropLast("metrics".count))metric[\(name)]" : key.isEmpty ? name : "\(key).\(name)"
                flat(value, path, &lines)
            }
        case let list as [[String: Any]]:
            let before = key.dropLast(key.hasSuffix(".members") ? 7 : 5)
            for item in list {
                flat(item, "\(before)\(key.hasSuffix("members") ? "member" : "farm")[\(item["name"]!)]", &lines)
            }
        case is NSNull: lines[key] = "-"
        case let number as NSNumber where isTruth(number): lines[key] = number.boolValue ? "true" : "false"
        case let number as NSNumber: lines[key] = "\(number.doubleValue)"
        default: lines[key] = "\(value)"
        }
    }

    /// Whether a number of Foundation's is a truth value.
    private static func isTruth(_ number: NSNumber) -> Bool {
        String(cString: number.objCType) == "c"
    }

    @Test func eachValueOfTheJSONIsALine() throws {
        let world = World()
        let engine = try make(world)
        try HostClock.$now.withValue(Self.now) { () throws -> Void in
            try HostClock.$wall.withValue(1_790_000_000_000_000) { () throws -> Void in
                var flat: [String: String] = [:]
                Self.flat(try engine.json(), "", &flat)
                // Digits of a number are the host's; here they are compared as numbers.
                let lines = engine.lines().mapValues { value in Double(value).map { "\($0)" } ?? value }
                #expect(lines.count > 150 && Set(lines.keys) == Set(flat.keys))
                for (key, value) in flat { #expect(lines[key] == value, "\(key)") }
            }
        }
    }
}
