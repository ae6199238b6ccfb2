import CFarm
import FarmCore

/// How a reference picks. It has what a balancer sees in ordinary variables; `candidates` are never empty.
protocol ReferencePolicy {
    init(memberCount: Int, seed: UInt64)
    /// One of the candidates, which are members' numbers in rising order.
    mutating func choose(_ candidates: ArraySlice<Int>, inFlight: [Int32], now: Time) -> Int
    mutating func ended(_ member: Int, took: Time, now: Time)
    mutating func report(_ member: Int, _ load: MemberReport)
    mutating func nextProbe(_ available: [Int]) -> Int?
    mutating func probed(_ member: Int, inFlight: Int, latency: Double, now: Time)
}

extension ReferencePolicy {
    mutating func ended(_ member: Int, took: Time, now: Time) {}
    mutating func report(_ member: Int, _ load: MemberReport) {}
    mutating func nextProbe(_ available: [Int]) -> Int? { nil }
    mutating func probed(_ member: Int, inFlight: Int, latency: Double, now: Time) {}
}

/// A balancer that chooses as published elsewhere. Members go down and come back as they do in the module (FarmCore's
/// PassiveHealth), so that what is compared is the choice among those that are up.
final class ReferenceBalancer<Policy: ReferencePolicy>: Balancer {
    private let memory: FarmMemory
    private var policy: Policy
    private var inFlight: [Int32]
    private var available: [Int] = []
    private var generation = UInt64.max
    /// Members that failures put down.
    private var down: [Int] = []

    init(_ scenario: Scenario, seed: UInt64) {
        memory = FarmMemory(scenario)
        policy = Policy(memberCount: scenario.members.count, seed: seed)
        inFlight = [Int32](repeating: 0, count: scenario.members.count)
    }

    func choose(tried: UnsafeBufferPointer<UInt32>, client: UInt32, now: Time) -> Pick? {
        if memory.farm.pointee.generation != generation { rebuild() }
        for member in down where !tried.contains(UInt32(member)) {
            let isStranded = available.isEmpty && memory.health.recover != 0
            guard memory.health.claimTrial(memory.row(member), now: now, for: isStranded ? .stranded : .repeatable)
            else {
                continue
            }
            inFlight[member] += 1
            return Pick(member: member, isTrial: true, isStranded: isStranded)
        }
        let candidates = tried.isEmpty ? available[...] : available.filter { !tried.contains(UInt32($0)) }[...]
        guard !candidates.isEmpty else { return nil }
        let member = policy.choose(candidates, inFlight: inFlight, now: now)
        inFlight[member] += 1
        return Pick(member: member)
    }

    func answered(_ member: Int, latency: Time, isError: Bool, now: Time) {}

    func ended(_ pick: Pick, charge: Verdict.Charge, wasAnswered: Bool, took: Time, now: Time) {
        inFlight[pick.member] -= 1
        policy.ended(pick.member, took: took, now: now)
        memory.charge(pick, charge, wasAnswered: wasAnswered, took: took, now: now)
    }

    func blamed(_ pick: Pick, isDoubtful: Bool, isOfRequest: Bool, now: Time) {
        memory.blame(pick, isDoubtful: isDoubtful, isOfRequest: isOfRequest, now: now)
    }

    func isSound(_ member: Int) -> Bool { memory.isSound(member) }

    func join(_ member: Int, now: Time) { memory.setOn(member) }
    func report(_ member: Int, _ load: MemberReport, now: Time) { policy.report(member, load) }
    func nextProbe() -> Int? { policy.nextProbe(available) }

    func probed(_ member: Int, inFlight: Int, latency: Double, now: Time) {
        policy.probed(member, inFlight: inFlight, latency: latency, now: now)
    }

    func inFlight(_ member: Int) -> Int { Int(inFlight[member]) }

    private func rebuild() {
        generation = memory.farm.pointee.generation
        available = (0..<inFlight.count).filter { memory.row($0).state.isAvailable }
        down = (0..<inFlight.count).filter { memory.row($0).state.isDownByFailures }
    }
}

extension ArraySlice<Int> {
    /// The element at a place counted from 0.
    @inline(__always)
    func at(_ place: Int) -> Int { self[startIndex + place] }
}
