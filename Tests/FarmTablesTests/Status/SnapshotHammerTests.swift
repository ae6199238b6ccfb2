import CFarm
import CFarmABI
import FarmCore
import FarmTestSupport
import Foundation
import Testing

@testable import FarmTables

/// Members report, administrators change their minds and requests come and go, all while others read the status: what one
/// status says is of one moment of each row, and fits together.
@Suite struct SnapshotHammerTests {
    private static let rounds = 2_000
    private static let looks = 300

    /// What readers have found wrong, and how much they have seen.
    private final class Findings: @unchecked Sendable {
        private let lock = NSLock()
        private var kept: [String] = []
        private var seen: Set<String> = []
        private var readers: Int
        /// How many readers there are whom writers must not leave alone, however slow they are.
        init(readers: Int = 0) { self.readers = readers }
        var haveReaders: Bool { lock.withLock { readers > 0 } }
        func leave() { lock.withLock { readers -= 1 } }
        var all: [String] { lock.withLock { kept } }
        var kinds: Int { lock.withLock { seen.count } }
        func add(_ what: String) { lock.withLock { kept.append(what) } }
        func note(_ what: String) { lock.withLock { _ = seen.insert(what) } }
    }

    private static func push(_ engine: UnsafeMutablePointer<Engine>, _ text: String) {
        var text = bytes(text)
        text.withUnsafeMutableBufferPointer { engine.pointee.update($0, caller: nil, out: nil) }
    }

    // MARK: Rows

    /// Metrics of one report belong together, and the load that was made of them. A reader that has met writers for too
    /// long says that it does not know any metric: on a busy machine that happens, and it is not mixed up.
    @Test(arguments: [LockGranularity.row, .engine]) func noTornReport(_ granularity: LockGranularity) throws {
        let world = World(granularity: granularity)
        let engine = try world.child([farm("f", "a", "b") { $0.load = "one + two + three" }], pid: 1)
        for member in ["a", "b"] { Self.push(engine, "farm=f&member=\(member)&one=1&two=2&three=3&four=4") }
        let (shared, findings) = (Shared(engine), Findings(readers: 2))
        onThreads(4) { number in
            let engine = shared.value
            if number < 2 {
                var round = 0
                while round < Self.rounds || findings.haveReaders {
                    round += 1
                    let one = round * 2 + number
                    Self.push(
                        engine, "farm=f&member=a&one=\(one)&two=\(one * 2)&three=\(one * 3)&four=\(one * 4)")
                }
            } else {
                var look = 0
                while look < Self.looks || (findings.kinds <= 10 && look < 100 * Self.looks) {
                    look += 1
                    Self.lookAtReports(engine, number == 2, findings)
                }
                findings.leave()
            }
        }
        #expect(findings.all.isEmpty, "\(findings.all.count): \(findings.all.first ?? "")")
        #expect(findings.kinds > 10, "readers and writers have met")
    }

    private static func lookAtReports(
        _ engine: UnsafeMutablePointer<Engine>, _ asJSON: Bool, _ findings: Findings
    ) {
        let values: [Double]
        if asJSON {
            guard let member = try? engine.memberJSON(), let metrics = member["metrics"] as? [String: Double],
                let load = member["load"] as? Double
            else { return findings.add("no JSON") }
            values = ["one", "two", "three", "four"].map { metrics[$0] ?? .nan } + [load]
        } else {
            let samples = engine.samples()
            let member = "farm=\"f\",member=\"a\""
            values =
                ["one", "two", "three", "four"].map {
                    Double(samples["farm_member_metric{\(member),metric=\"\($0)\"}"] ?? "") ?? .nan
                } + [Double(samples["farm_member_load{\(member)}"] ?? "") ?? .nan]
        }
        if values.prefix(4).allSatisfy(\.isNaN) { return }
        findings.note("\(values[0])")
        if values != [1, 2, 3, 4, 6].map({ $0 * values[0] }) { findings.add("\(values)") }
    }

    // MARK: A farm

    /// Condition, available and shares are those of the members that stand beside them.
    @Test(arguments: [Algorithm.adaptive, .roundrobin, .busyness]) func whatIsSaidFitsTogether(
        _ algorithm: Algorithm
    ) throws {
        let world = World()
        var spec = FarmSpec("f", [MemberSpec("a", maxInflight: 1), MemberSpec("b", tier: 1, maxInflight: 1)])
        spec.algorithm = algorithm.rawValue
        let engine = try world.child([spec], pid: 1)
        let (shared, findings) = (Shared(engine), Findings(readers: 2))
        onThreads(4) { number in
            let engine = shared.value
            switch number {
            case 0:
                var numbers = Numbers(3)
                var round = 0
                while round < Self.rounds || findings.haveReaders {
                    round += 1
                    let target = ["", "&member=a", "&member=b"].randomElement(using: &numbers)!
                    let admin = ["on", "on", "drain", "off"].randomElement(using: &numbers)!
                    ManagementTests.manage(engine, "farm=f\(target)&admin=\(admin)")
                }
                ManagementTests.manage(engine, "farm=f&admin=on")
                ManagementTests.manage(engine, "farm=f&member=a&admin=on")
            case 1:
                var round = 0
                while round < Self.rounds * 2 || findings.haveReaders {
                    round += 1
                    var taken = [engine.chosen(), engine.chosen()]
                    if round % 8 == 0 { usleep(100) }
                    for at in 0...1 where taken[at] != nil { engine.drop(&taken[at]!) }
                }
            default:
                for _ in 0..<Self.looks { Self.lookAtFarm(engine, findings) }
                findings.leave()
            }
        }
        #expect(findings.all.isEmpty, "\(findings.all.count): \(findings.all.first ?? "")")
        #expect(findings.kinds > 2, "readers and writers have met")
    }

    private static func lookAtFarm(_ engine: UnsafeMutablePointer<Engine>, _ findings: Findings) {
        guard let farm = try? engine.farmJSON(), let members = farm["members"] as? [[String: Any]] else {
            return findings.add("no JSON")
        }
        let available = members.filter { $0["available"] as? Bool == true }
        let hasRoom = available.contains { ($0["inflight"] as? Int ?? 9) < ($0["max_inflight"] as? Int ?? 0) }
        let someIsOn = members.contains { $0["admin"] as? String == "on" }
        let isOn = farm["admin"] as? String == "on"
        let condition =
            !isOn ? "offline" : hasRoom ? "ok" : !available.isEmpty ? "full" : someIsOn ? "down" : "offline"
        let shares = members.reduce(0) { $0 + ($1["share"] as? Double ?? .nan) }
        let fits =
            farm["condition"] as? String == condition && farm["available"] as? Int == available.count
            && (isOn || available.isEmpty) && (shares - (condition == "ok" ? 1 : 0)).magnitude < 0.001
            && ([farm] + members).allSatisfy { ($0["admin"] as? String == "on") == ($0["drain"] is NSNull) }
        if !fits { findings.add("\(condition), shares \(shares), of \(farm)") }
        findings.note(condition)
    }

    // MARK: Configurations

    /// A child of an older configuration shows its farms while the parent brings in others and takes them away.
    @Test func farmsComeAndGo() throws {
        let world = World(farms: 4, members: 16)
        let engine = try world.child([farm("old", "a", "b"), farm("kept", "a")], pid: 1)
        let findings = Findings()
        let shared = Shared((engine: engine, world: world))
        onThreads(3) { number in
            let (engine, world) = shared.value
            if number == 0 {
                for round in 0..<150 {
                    let specs = [
                        farm("kept", "a", round % 2 == 0 ? "x" : "y"), farm(round % 3 == 0 ? "new" : "other", "p", "q"),
                    ]
                    guard let next = world.configure(specs) else { return findings.add("it does not fit") }
                    Self.push(next, "farm=kept&member=a&metric\(round / 12)=1")
                    next.pointee.tick()
                }
            } else {
                for _ in 0..<Self.looks { Self.lookAtNames(engine, number == 1, findings) }
            }
        }
        #expect(findings.all.isEmpty, "\(findings.all.count): \(findings.all.first ?? "")")
        #expect(findings.kinds > 1, "metrics have come meanwhile")
    }

    private static func lookAtNames(
        _ engine: UnsafeMutablePointer<Engine>, _ asJSON: Bool, _ findings: Findings
    ) {
        if asJSON {
            guard let farms = try? engine.json()["farms"] as? [[String: Any]] else { return findings.add("no JSON") }
            let names = farms.map { farm in
                [farm["name"] as? String ?? "-"]
                    + (farm["members"] as? [[String: Any]] ?? []).map { $0["name"] as? String ?? "-" }
            }
            if names != [["old", "a", "b"], ["kept", "a"]] { findings.add("\(names)") }
            let member = (farms[1]["members"] as? [[String: Any]])?.first
            findings.note("\((member?["metrics"] as? [String: Any])?.count ?? -1)")
        } else {
            let page = engine.text(.page)
            let ids = ["f-old", "f-kept", "m-old/a", "m-old/b", "m-kept/a"]
            for id in ids where page.ranges(of: "id=\"\(id)\"").count != 1 { findings.add("no \(id)") }
            if page.contains("new") || page.contains("m-kept/x") { findings.add("a farm that is not its own") }
        }
    }
}
