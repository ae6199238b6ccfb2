import CFarm
import FarmCore

// The adapter to FarmCore: how a Farm is made, asked and fed. What FarmCore learns (loads that members report, a client to
// hash) is handed to it here and nowhere else.

/// A balancer that chooses with FarmCore.
final class FarmBalancer: Balancer {
    private let memory: FarmMemory
    /// One for each process.
    private let farms: [Farm]
    private let seed: UnsafeMutablePointer<UInt64>

    init(_ scenario: Scenario, algorithm: Algorithm, seed number: UInt64) {
        memory = FarmMemory(scenario)
        seed = .allocate(capacity: 1)
        seed.initialize(to: number)
        let memory = memory
        farms = memory.members.map {
            Farm(row: memory.farm, members: $0, algorithm: algorithm, health: memory.health)
        }
        if scenario.narrows { for (slot, farm) in farms.enumerated() { farm.setSlot(UInt32(slot)) } }
        // A farm that has run for long is somewhere in its turn, and not where the other balancers are.
        farm_set64(&memory.farm.pointee.cursor, number >> 32)
        for farm in farms { _ = farm.renewedView(now: 0) }
    }

    deinit {
        for farm in farms { farm.deallocate() }
        seed.deallocate()
    }

    func choose(tried: UnsafeBufferPointer<UInt32>, client: UInt32, now: Time) -> Pick? {
        // An empty buffer may have no address; the pointer is not followed when there is nothing to see.
        let start = tried.baseAddress ?? UnsafePointer(seed).withMemoryRebound(to: UInt32.self, capacity: 2) { $0 }
        let wish = Wish(
            tried: start, triedCount: tried.count, trials: .whenDue,
            key: withUnsafeBytes(of: client) { RequestKey.of($0.bindMemory(to: UInt8.self)) })
        let process = process(of: client)
        guard let choice = farms[process].choose(wish, now: now, random: RandomSource(state: seed)) else { return nil }
        _ = farm_add64(&memory.row(choice.index).pointee.requests, 1)
        return Pick(
            member: choice.index, isTrial: choice.isTrial, isStranded: choice.isStranded, process: process)
    }

    /// A server's processes are not asked equally: here the part of the requests that come to the first half of them is the
    /// root of a half.
    private func process(of client: UInt32) -> Int {
        let part = Double(client % 1_009) / 1_009
        return Int(part * part * Double(farms.count))
    }

    func answered(_ member: Int, latency: Time, isError: Bool, now: Time) {
        Experience.answered(memory.row(member), latency: latency, isError: isError, now: now)
    }

    func ended(_ pick: Pick, charge: Verdict.Charge, wasAnswered: Bool, took: Time, now: Time) {
        // As many bytes as the request took time: `traffic` needs something to go by.
        if wasAnswered { _ = farm_add64(&memory.row(pick.member).pointee.bytes_in, took) }
        memory.charge(pick, charge, wasAnswered: wasAnswered, took: took, now: now)
        farms[pick.process].giveBack(memory.members[pick.process][pick.member])
    }

    func blamed(_ pick: Pick, isDoubtful: Bool, isOfRequest: Bool, now: Time) {
        memory.blame(pick, isDoubtful: isDoubtful, isOfRequest: isOfRequest, now: now)
    }

    func isSound(_ member: Int) -> Bool { memory.isSound(member) }

    func join(_ member: Int, now: Time) {
        memory.setOn(member)
        farms[0].creditTraffic(member)
    }

    func report(_ member: Int, _ load: MemberReport, now: Time) {
        let row = memory.row(member)
        farm_set64(&row.pointee.load, SharedDouble.word(load.utilisation + Double(load.queued)))
        farm_set64(&row.pointee.updated_us, now)
        farms[0].loadChanged()
    }

    func inFlight(_ member: Int) -> Int { Int(InFlight.count(memory.row(member))) }
}
