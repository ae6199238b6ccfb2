import ArgumentParser
import CFarm
import CFarmBench
import FarmCore
import FarmTables
import Foundation

/// Updates of many processes at once, under locks of each granularity, and how often they had to wait for one another.
struct Locks: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Updates a second of several processes, and their waits for locks.",
        discussion: """
            Each process stores updates of two metrics as fast as it can, of rows drawn at random, which belong to four \
            farms or to one. A wait is a lock that was held by another process when it was asked for.
            """)

    @Option(parsing: .upToNextOption, help: "How fine the locks are.")
    var locks: [LockGranularity] = LockGranularity.all

    @Option(parsing: .upToNextOption, help: "Processes.")
    var processes: [Int] = [1, 4, 16, 64]

    @Option(parsing: .upToNextOption, help: "Rows of members that they write.")
    var rows: [Int] = [1, 16, 64]

    @Option(help: "Rounds of each, interleaved.")
    var rounds = 3

    @Option(help: "Milliseconds of a round.")
    var milliseconds = 250

    func validate() throws {
        guard processes.allSatisfy({ 1...256 ~= $0 }) else { throw ValidationError("--processes: 1 to 256 each.") }
        guard rows.allSatisfy({ $0 == 1 || ($0 > 0 && $0 % 4 == 0) }) else {
            throw ValidationError("--rows: 1, or a multiple of 4, since they are in four farms.")
        }
        guard rounds > 0, 10...60_000 ~= milliseconds else {
            throw ValidationError("--rounds: at least 1; --milliseconds: 10 to 60000.")
        }
    }

    func run() throws {
        print("locks,processes,rows,round,updates_per_second,processor_us,waits_per_million,wait_us")
        for round in 1...rounds {
            for (count, rows) in processes.flatMap({ count in rows.map { (count, $0) } }) {
                for granularity in locks {
                    let found = try LockCase(granularity, processes: count, rows: rows).measure(milliseconds)
                    print("\(granularity.name),\(count),\(rows),\(round),\(found)")
                }
            }
            fflush(nil)
        }
    }
}

/// One set of processes that all write the same rows.
struct LockCase {
    /// What the processes share: each writes its own row of `found`.
    private struct Shared {
        var ready: UInt32 = 0
        var go: UInt32 = 0
        var stop: UInt32 = 0
    }
    private struct Found {
        var updates: UInt64 = 0
        var refused: UInt64 = 0
        var waits: UInt64 = 0
        var waitNs: UInt64 = 0
        // A cache line of its own.
        var rest: (UInt64, UInt64, UInt64, UInt64) = (0, 0, 0, 0)
    }
    private struct Failure: Error, CustomStringConvertible { let description: String }

    private let world: BenchWorld
    private let processes: Int
    private let shared: UnsafeMutablePointer<Shared>
    private let found: UnsafeMutablePointer<Found>
    private let texts: [[UInt8]]

    init(_ granularity: LockGranularity, processes: Int, rows: Int) throws {
        self.processes = processes
        world = BenchWorld(
            algorithm: .adaptive, farms: min(4, rows), members: rows, slots: processes + 8, granularity: granularity)
        guard let memory = bench_shared(MemoryLayout<Shared>.stride + 64),
            let room = bench_shared(MemoryLayout<Found>.stride * processes)
        else { throw Failure(description: "There is no shared memory.") }
        shared = memory.bindMemory(to: Shared.self, capacity: 1)
        found = room.bindMemory(to: Found.self, capacity: processes)
        let world = world
        // Of each row, so that the next update differs from the last one.
        texts = (0..<4 * rows).map { world.update(of: $0 % rows, load: Double($0 % 89) / 100) }
    }

    /// The rest of a line: updates a second, microseconds of processor time each, waits in a million, microseconds of
    /// a wait.
    func measure(_ milliseconds: Int) throws -> String {
        let usedBefore = bench_children_us()
        var children: [Int32] = []
        for number in 0..<processes {
            let pid = bench_fork()
            if pid == 0 { child(number, latest: milliseconds) }
            guard pid > 0 else {
                farm_set32(&shared.pointee.stop, 1)
                farm_set32(&shared.pointee.go, 1)
                for child in children { _ = bench_join(child) }
                throw Failure(description: "There is no process more than \(number).")
            }
            children.append(pid)
        }
        let latest = bench_ns() + 20_000_000_000
        while farm_get32(&shared.pointee.ready) < UInt32(processes) && bench_ns() < latest { usleep(1000) }
        let began = bench_ns()
        farm_set32(&shared.pointee.go, 1)
        usleep(UInt32(milliseconds) * 1000)
        farm_set32(&shared.pointee.stop, 1)
        let seconds = Double(bench_ns() - began) / 1e9
        let endings = children.map { bench_join($0) }
        guard endings.allSatisfy({ $0 == 1 }) else { throw Failure(description: "A process failed.") }
        let used = Double(bench_children_us() - usedBefore)
        let all = (0..<processes).map { found[$0] }
        let updates = Double(all.reduce(0) { $0 + $1.updates })
        let waits = Double(all.reduce(0) { $0 + $1.waits })
        guard all.allSatisfy({ $0.refused == 0 }), updates > 0 else {
            throw Failure(description: "An update was refused, or none was stored.")
        }
        let waited = waits > 0 ? Double(all.reduce(0) { $0 + $1.waitNs }) / waits / 1000 : 0
        return String(
            format: "%.0f,%.2f,%.1f,%.1f", updates / seconds, used / updates, waits / updates * 1e6, waited)
    }

    private func child(_ number: Int, latest milliseconds: Int) -> Never {
        guard world.engine.pointee.startChild(pid: UInt32(getpid())) == .serves else { _exit(1) }
        let room = UnsafeMutableBufferPointer<UInt8>.allocate(capacity: 256)
        let latest = bench_ns() + 25_000_000_000 + UInt64(milliseconds) * 1_000_000
        var random = UInt64(number + 1) &* 0x9E37_79B9_7F4A_7C15
        // The first update takes a lock of its own, for the names of the metrics.
        _ = world.engine.store(texts[0], room: room)
        let before = bench_lock_waits()
        _ = farm_add32(&shared.pointee.ready, 1)
        while farm_get32(&shared.pointee.go) == 0 && bench_ns() < latest { usleep(200) }
        var mine = Found()
        while farm_get32(&shared.pointee.stop) == 0 && bench_ns() < latest {
            random ^= random << 13
            random ^= random >> 7
            random ^= random << 17
            if world.engine.store(texts[Int(random % UInt64(texts.count))], room: room) {
                mine.updates += 1
            } else {
                mine.refused += 1
            }
        }
        let after = bench_lock_waits()
        mine.waits = after.count - before.count
        mine.waitNs = after.ns - before.ns
        found[number] = mine
        _exit(0)
    }
}
