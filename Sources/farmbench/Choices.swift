import ArgumentParser
import CFarmABI
import CFarmBench
import FarmCore
import FarmTables
import Foundation

/// What a choice costs, and what its end does, as httpd's side calls them for each request.
struct Choices: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Nanoseconds of a choice, and of an answer with its end.",
        discussion: """
            Sixteen requests are chosen for one after the other, then they are answered and end; again and again. A round's \
            number is the median over these batches, so that a batch in which another program had the processor does \
            not count.
            """)

    @Option(parsing: .upToNextOption, help: "Algorithms.")
    var algorithms: [Algorithm] = Algorithm.allCases

    @Option(parsing: .upToNextOption, help: "Members of the farm.")
    var members: [Int] = [4, 64, 512, 1000]

    @Option(help: "Rounds of each, interleaved.")
    var rounds = 5

    @Option(help: "Batches of sixteen requests in a round.")
    var batches = 4000

    func validate() throws {
        guard members.allSatisfy({ 1...10_000 ~= $0 }) else { throw ValidationError("--members: 1 to 10000 each.") }
        guard rounds > 0, batches > 0 else { throw ValidationError("--rounds and --batches: at least 1.") }
    }

    func run() {
        print("algorithm,members,round,choice_ns,end_ns")
        let cases = algorithms.flatMap { algorithm in members.map { ChoiceCase(algorithm, members: $0) } }
        for one in cases { _ = one.measure(batches: 2 * one.world.members / ChoiceCase.batch + 500) }
        for round in 1...rounds {
            for one in cases {
                bench_mark()
                let found = one.measure(batches: batches)
                bench_mark()
                print("\(one.algorithm.name),\(one.world.members),\(round),\(found.choice),\(found.end)")
            }
        }
    }
}

/// One farm that is asked for members, in the process that made it.
final class ChoiceCase {
    static let batch = 16
    let algorithm: Algorithm
    let world: BenchWorld
    private let requests: UnsafeMutablePointer<farm_request>
    private var key: UInt64 = 0

    init(_ algorithm: Algorithm, members: Int) {
        self.algorithm = algorithm
        world = BenchWorld(algorithm: algorithm, farms: 1, members: members, slots: 8, granularity: .row)
        requests = .allocate(capacity: Self.batch)
        requests.initialize(repeating: farm_request(), count: Self.batch)
        let started = world.engine.pointee.startChild(pid: UInt32(getpid())) == .serves
        precondition(started, "there is no slot of the ledger")
        guard algorithm == .load else { return }
        // Without reports it draws as random does.
        let room = UnsafeMutableBufferPointer<UInt8>.allocate(capacity: 256)
        for at in 0..<members {
            let isStored = world.engine.store(
                world.update(of: at, load: 0.1 + 0.8 * Double(at) / Double(members)), room: room)
            precondition(isStored, "an update was refused")
        }
        room.deallocate()
    }

    /// Median nanoseconds of one choice, and of one answer and end.
    func measure(batches: Int) -> (choice: String, end: String) {
        var choices: [UInt64] = []
        var ends: [UInt64] = []
        var clocks: [UInt64] = []
        for _ in 0..<batches {
            prepare()
            let began = bench_ns()
            let clock = bench_ns()
            chooseBatch(now: clock / 1000)
            let chosen = bench_ns()
            endBatch(now: chosen / 1000 + 1000)
            let ended = bench_ns()
            // The clock's own time is in each difference.
            clocks.append(clock - began)
            choices.append(chosen - clock)
            ends.append(ended - chosen)
        }
        let clock = Self.median(clocks)
        return (Self.each(choices, clock), Self.each(ends, clock))
    }

    private static func median(_ values: [UInt64]) -> Double { Double(values.sorted()[values.count / 2]) }
    private static func each(_ values: [UInt64], _ clock: Double) -> String {
        String(format: "%.1f", (median(values) - clock) / Double(batch))
    }

    private func prepare() {
        for at in 0..<Self.batch {
            requests[at] = farm_request()
            requests[at].flags = UInt32(FARM_REQUEST_IDEMPOTENT | FARM_REQUEST_BODY_READY)
            guard algorithm.wantsKey else { continue }
            key &+= 0x9E37_79B9_7F4A_7C15
            requests[at].key = key
            requests[at].flags |= UInt32(FARM_REQUEST_KEYED)
        }
    }

    // Their names are looked for in callgrind's output.

    @inline(never)
    private func chooseBatch(now: UInt64) {
        for at in 0..<Self.batch where !world.engine.choose(requests + at, now: now) {
            preconditionFailure("nobody was chosen")
        }
    }

    @inline(never)
    private func endBatch(now: UInt64) {
        for at in 0..<Self.batch {
            _ = world.engine.answered(requests + at, status: 200, mayResend: true, now: now &+ UInt64(at))
            let again = world.engine.end(
                requests + at, saw: [.answer, .sent], mayResend: true, bytesIn: 100, bytesOut: 100)
            precondition(!again, "an answered request was to be sent again")
        }
    }
}
