import CFarmABI
import FuzzSupport

// farm_on_balance: who would serve; an answer takes no place at anybody's.

nonisolated(unsafe) private let world = FuzzWorld()

@c public func LLVMFuzzerTestOneInput(_ data: UnsafePointer<UInt8>?, _ size: Int) -> Int32 {
    world.restart()
    let before = world.memory()
    let answer = FuzzAnswer()
    let query = UnsafeBufferPointer(start: data, count: size)
    withText(query) { text, length in farm_on_balance(world.engine, text, length, nil, answer.handle) }
    let lines = answer.lines(allowed: [200, 400, 404, 503])
    switch answer.status {
    case 200, 503: check(lines, found: answer.status == 200, asked: query.split(separator: 0x26).count)
    default:
        FuzzAnswer.checkError(lines)
        guard world.isAs(before) else { finding("it was refused and has left something: \(answer.text)") }
    }
    guard world.inflight == 0 else { finding("\(world.inflight) in flight") }
    world.checkNumbers()
    return 0
}

private func check(_ lines: [String], found: Bool, asked: Int) {
    guard lines.count == asked else { finding("\(asked) farms were asked for, and answered by \(lines)") }
    let answers = lines.map { $0.split(separator: " ", omittingEmptySubsequences: false) }
    guard answers.allSatisfy({ $0.count == (asked > 1 ? 2 : 1) }) else { finding("an answer's form: \(lines)") }
    let urls = answers.filter { $0.last!.hasPrefix("http://") }.count
    let conditions = answers.filter { ["offline", "down", "full"].contains($0.last!) }.count
    guard urls + conditions == asked, found == (urls > 0) else { finding("\(urls) URLs in \(lines)") }
}
