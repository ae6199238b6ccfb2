// Kills processes at random instructions while they write what all processes share, and looks at what they leave.
// farmkills [KILLS [SECONDS [SEED]]]

import CAPR
import CFarm
import CKills
import FarmCore
import FarmTestSupport
import Foundation

@testable import FarmTables

let arguments = CommandLine.arguments.dropFirst().map { Int($0) ?? 0 }
let wanted = arguments.first ?? 10_000
let seconds = arguments.count > 1 ? arguments[1] : 900
let names: Int = 4096

/// Numbers at random that can be had again by their seed.
struct SplitMix: RandomNumberGenerator {
    var state: UInt64
    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var word = state
        word = (word ^ (word >> 30)) &* 0xBF58_476D_1CE4_E5B9
        word = (word ^ (word >> 27)) &* 0x94D0_49BB_1331_11EB
        return word ^ (word >> 31)
    }
}

/// What has been counted of one kind of victim.
struct Tally {
    var kills = 0
    var ended = 0
    var halfWritten = 0
    var halfNotes = 0
    var halfCounted = 0
    var longest: UInt64 = 0
}

/// One httpd instance as its parent sees it, with locks by FarmLocks.
func instance(_ granularity: LockGranularity) -> (UnsafeMutablePointer<Tables>, Config, Pool) {
    let pool = Pool()
    let tables = UnsafeMutablePointer<Tables>.allocate(capacity: 1)
    tables.initialize(to: Tables(granularity: granularity))
    let locks = pool.locks(Int(granularity.lockCount(farms: 2, members: 4)))
    let layout = BlockLayout(farms: 2, members: 4, slots: 16, metrics: UInt32(names))
    guard tables.pointee.grow(layout, pool: pool.handle, locks: locks, lockCount: UInt32(locks.count)) == 0 else {
        fail("no shared memory")
    }
    var farm = FarmSpec("f", [MemberSpec("m"), MemberSpec("n")])
    farm.retry = 1000
    farm.load = "cpu"
    return (tables, Config([farm], farmCapacity: 2, memberCapacity: 4, slots: 16, metrics: UInt32(names)), pool)
}

func engine(_ tables: UnsafeMutablePointer<Tables>, _ config: Config) -> UnsafeMutablePointer<Engine> {
    guard let made = Engine(tables.pointee, config: config.pointer.pointee) else { fail("the tables are too small") }
    let engine = UnsafeMutablePointer<Engine>.allocate(capacity: 1)
    engine.initialize(to: made)
    return engine
}

/// Takes the lock of each row, and gives it back.
func touch(_ engine: UnsafeMutablePointer<Engine>) {
    for local in 0..<engine.pointee.farms[0].members.count { _ = engine.pointee.write(farm: 0, local: local) { _ in } }
    _ = engine.pointee.write(farm: 0) { _ in }
}

/// A victim that is stopped at the mark before its lock; nil when it has ended without one.
func victim(_ engine: UnsafeMutablePointer<Engine>, _ kind: Kind, _ round: Int, nth: UInt32) -> pid_t? {
    let pid = kills_fork()
    if pid == 0 {
        guard engine.pointee.startChild(pid: UInt32(getpid())) == .serves else { fail("no slot for a victim") }
        kind.prepare(engine)
        _ = chosen(engine)  // stays in flight, for the parent to take off
        kills_offer()
        if kind.isUnlocked { kills_begin() } else { kills_arm(1) }
        kind.run(engine, round)
        if kind.isUnlocked { kills_end() }
        _exit(0)
    }
    guard pid > 0 else { fail("no process could be forked") }
    if kills_run_to_mark(pid, nth) == 1 { return pid }
    kills_kill(pid)
    return nil
}

/// Lets a victim go on until it is between its two writes of a count, after passing by so many instructions there: such a
/// moment lasts for one or two of thousands, and chance alone would miss it.
func stepIntoCount(_ victim: pid_t, _ checks: Checks, pass: UInt64) -> UInt64 {
    var (done, left): (UInt64, UInt64) = (0, pass)
    while kills_step(victim, 1) == 1 {
        done += 1
        guard checks.halfCounted != 0 else { continue }
        if left == 0 { break }
        left -= 1
    }
    return done
}

/// Others that live, write, serve and look all the time.
func companions(_ engine: UnsafeMutablePointer<Engine>, _ checks: Checks, _ shared: UnsafeMutablePointer<UInt32>)
    -> [pid_t]
{
    (1...3).map { number in
        let pid = kills_fork()
        guard pid == 0 else { return pid }
        guard engine.pointee.startChild(pid: UInt32(getpid())) == .serves else { fail("no slot for a companion") }
        var round = 0
        while farm_get32(shared) == 0 {
            round += 1
            if number < 3 { manage(engine, Note.text(writer: number, round, member: round % 3 == 0 ? nil : "m")) }
            serve(engine, round, fails: round % 7 == 0)
            checks.look()
            if number == 3 { usleep(200) } else { usleep(1000) }
            _ = farm_add32(shared + number, 1)
        }
        _exit(0)
    }
}

/// Kills that many, without others or among them.
func run(
    _ granularity: LockGranularity, kills: Int, among others: Bool, until end: Date, chance: inout SplitMix
) -> [Tally] {
    let (tables, config, pool) = instance(granularity)
    let own = engine(tables, config)
    let of = engine(tables, config)
    let parent = UInt32(getpid())
    guard own.pointee.startChild(pid: parent) == .serves else { fail("no slot for the parent") }
    let checks = Checks(tables: tables, engine: own) {
        $0 == "cpu" || $0.hasPrefix("name") && Int($0.dropFirst(4)) != nil
    }
    let shared = kills_shared(8)!
    let living = others ? companions(of, checks, shared) : []
    var tallies = [Tally](repeating: Tally(), count: Kind.allCases.count)
    var lengths = [UInt64](repeating: 0, count: Kind.allCases.count)
    var killed = 0
    var round = -1
    // A victim may take no lock, when another has done before what it was to do.
    while killed < kills, round < 2 * kills, Date() < end {
        round += 1
        kills_watch(60)
        let kind = Kind.allCases[round % Kind.allCases.count]
        let nth: UInt32 = kind == .newName && chance.next() % 2 == 0 ? 2 : 1
        guard let pid = victim(of, kind, round % names, nth: nth) else {
            tallies[kind.rawValue].ended += 1
            tables.pointee.sweep()
            continue
        }
        // The first of each kind goes to its end, so that it is known how long that is.
        let length = lengths[kind.rawValue]
        let most = length == 0 || round % 199 == 0 ? UInt64.max >> 1 : UInt64.random(in: 0...length, using: &chance)
        let isSought = kind == .request && !others && length != 0 && round % 2 == 0
        let done = isSought ? stepIntoCount(pid, checks, pass: chance.next() % 4) : kills_step(pid, most)
        lengths[kind.rawValue] = max(length, others ? min(done, 200_000) : done)
        kills_kill(pid)
        killed += 1
        tallies[kind.rawValue].kills += 1
        tallies[kind.rawValue].longest = lengths[kind.rawValue]
        tallies[kind.rawValue].halfWritten += checks.halfWritten
        tallies[kind.rawValue].halfNotes += checks.halfNotes
        if !others { tallies[kind.rawValue].halfCounted += checks.halfCounted }
        checks.look()
        // A survivor takes each lock and changes nothing: it finds what is half done, and nothing but the repair is seen. Or it
        // comes too late, and the parent has repaired what nobody else had.
        if round % 2 == 0 { touch(own) }
        tables.pointee.processGone(pid: UInt32(pid))
        checks.look()
        if !others {
            checks.checkRepaired()
            checks.checkNothingInFlight()
        }
        manage(own, Note.text(writer: 9, round, member: "m"))
        manage(own, Note.text(writer: 9, round, member: nil))
        checks.look()
    }
    farm_set32(shared, 1)
    for pid in living {
        kills_watch(60)
        var status: Int32 = 0
        guard waitpid(pid, &status, 0) == pid, status == 0 else { fail("a companion ended with \(status)") }
        tables.pointee.processGone(pid: UInt32(pid))
    }
    tables.pointee.sweep()
    manage(own, Note.text(writer: 9, 1, member: "m"))
    manage(own, Note.text(writer: 9, 1, member: "n"))
    manage(own, Note.text(writer: 9, 1, member: nil))
    checks.look()
    checks.checkRepaired()
    checks.checkNothingInFlight()
    if others { print("  meanwhile others wrote, served and looked \((1...3).map { farm_get32(shared + $0) }) times") }
    withExtendedLifetime(pool) {}
    return tallies
}

let phases: [(LockGranularity, Bool)] = [(.row, false), (.row, true), (.farm, true), (.engine, true)]
var chance = SplitMix(state: UInt64(arguments.count > 2 ? arguments[2] : 1))
var total = Tally()
for (number, phase) in phases.enumerated() {
    print("FarmLocks \(phase.0.name), \(phase.1 ? "among three others" : "alone"):")
    // The first phase, in which every row is looked at after every kill, gets half of them.
    let share = number == 0 ? 2 : 6
    let tallies = run(
        phase.0, kills: (wanted + share - 1) / share, among: phase.1, until: Date() + Double(seconds / share),
        chance: &chance)
    for kind in Kind.allCases {
        let tally = tallies[kind.rawValue]
        print(
            "  \(kind): \(tally.kills) killed, \(tally.halfWritten) rows half written, \(tally.halfNotes) notes half changed, "
                + (tally.halfCounted > 0 ? "\(tally.halfCounted) counts half made, " : "")
                + "within \(tally.longest) instructions; \(tally.ended) took no lock")
        fflush(nil)
        total.kills += tally.kills
        total.halfWritten += tally.halfWritten
        total.halfNotes += tally.halfNotes
        total.halfCounted += tally.halfCounted
    }
}
print(
    "\(total.kills) killed; \(total.halfWritten) rows were half written and \(total.halfNotes) notes half changed, "
        + "\(total.halfCounted) counts half made, and repaired; "
        + "nothing torn, nothing hung, no place in flight left")
exit(total.halfWritten > 0 ? 0 : 1)
