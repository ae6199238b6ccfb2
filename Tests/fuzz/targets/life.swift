import FarmCore
import FuzzSupport

// farm_on_tables_room, _grow, _engine_create, _engine_destroy, _child_start, _child_gone, _sweep and what requests call: a server's
// life, one line for each thing that happens. The first byte says what: c restarts with the farms that follow (a letter for each
// member, a blank before the next farm) and starts a child, r begins a request, n connects one, e ends one, d drops one, k kills
// a child before the parent's eyes and x behind its back, s sweeps, t lets time pass, f redirects and forwards. The others are
// numbers: of the child, and what else there is to say. The input's first byte says how fine the locks are.

private let most = 64

@c public func LLVMFuzzerTestOneInput(_ data: UnsafePointer<UInt8>?, _ size: Int) -> Int32 {
    let input = UnsafeBufferPointer(start: data, count: size)
    let life = FuzzLife(granularity: UInt32(input.first ?? 0))
    for line in input.dropFirst().split(separator: 0x0A, omittingEmptySubsequences: true).prefix(most) {
        happens(Array(line), life)
        life.check()
    }
    life.finish()
    return 0
}

private func happens(_ line: [UInt8], _ life: FuzzLife) {
    func number(_ at: Int) -> UInt8 { at < line.count ? line[at] : 0 }
    switch line[0] {
    case UInt8(ascii: "c"): life.configure(farms(line.dropFirst()))
    case UInt8(ascii: "r"): life.choose(number(1), farm: number(2), flags: number(3))
    case UInt8(ascii: "n"): life.connect(number(1))
    case UInt8(ascii: "e"): life.end(number(1), saw: number(2), status: number(3), more: number(4))
    case UInt8(ascii: "d"): life.drop(number(1))
    case UInt8(ascii: "k"): life.kill(number(1), isSeen: true)
    case UInt8(ascii: "x"): life.kill(number(1), isSeen: false)
    case UInt8(ascii: "s"): life.sweep()
    case UInt8(ascii: "t"): life.pass(number(1))
    case UInt8(ascii: "f"): life.leadElsewhere(number(1), farm: number(2))
    default: break
    }
}

/// Farms f0 to f3 in their order, the algorithm and limits by the letters of their members: those of one name are one.
private func farms(_ text: ArraySlice<UInt8>) -> [FarmSpec] {
    text.split(separator: 0x20, omittingEmptySubsequences: false).prefix(4).enumerated().map { at, letters in
        var seen: Set<UInt8> = []
        let members = letters.prefix(6).filter { seen.insert($0 % 8).inserted }.map { letter in
            MemberSpec(
                "m\(letter % 8)", weight: UInt32(letter) + 1, tier: UInt32(letter >> 6),
                maxInflight: UInt32(letter >> 4 & 3))
        }
        var spec = FarmSpec("f\(at)", members)
        spec.algorithm = UInt32(letters.first ?? 0) % 7
        spec.eject = letters.count > 3
        spec.recover = letters.count != 2 ? 1_000_000 : 0
        spec.fall = UInt32(letters.count % 2) + 1
        spec.failOnStatus = letters.count == 3 ? [500, 504] : []
        spec.expect = letters.count == 2 ? 2_000_000 : 0
        spec.slowStart = UInt64(letters.count) * 1_000_000
        spec.load = letters.count == 1 ? "cpu + queue" : nil
        return spec
    }
}
