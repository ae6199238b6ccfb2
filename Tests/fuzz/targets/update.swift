import CFarmABI
import FuzzSupport

// farm_on_update: several updates, with an empty line between one and the next, against tables that begin the same.

nonisolated(unsafe) private let world = FuzzWorld()

@c public func LLVMFuzzerTestOneInput(_ data: UnsafePointer<UInt8>?, _ size: Int) -> Int32 {
    world.restart()
    for update in updates(UnsafeBufferPointer(start: data, count: size)) { send(update) }
    return 0
}

private func updates(_ input: UnsafeBufferPointer<UInt8>) -> [Slice<UnsafeBufferPointer<UInt8>>] {
    var found: [Slice<UnsafeBufferPointer<UInt8>>] = []
    var start = 0
    for at in 0..<max(0, input.count - 1) where at >= start && input[at] == 0x0A && input[at + 1] == 0x0A {
        found.append(input[start..<at])
        start = at + 2
    }
    return found + [input[start...]]
}

private func send(_ update: Slice<UnsafeBufferPointer<UInt8>>) {
    let before = world.memory()
    let answer = FuzzAnswer()
    withText(update) { text, length in farm_on_update(world.engine, text, length, nil, answer.handle) }
    let lines = answer.lines(allowed: [200, 400, 404, 413])
    if answer.status == 200 {
        checkStored(lines, groups: groups(of: update))
    } else {
        FuzzAnswer.checkError(lines)
        guard world.isAs(before) else { finding("it was refused and has left something: \(answer.text)") }
    }
    world.checkNumbers()
}

private func checkStored(_ lines: [String], groups: Int) {
    guard lines[0] == "ok \(groups)", lines.count == 1 + groups else {
        finding("\(groups) groups were sent, and answered by \(lines)")
    }
    for line in lines.dropFirst() {
        let words = line.split(separator: " ").map { $0.split(separator: "=")[0] }
        let names: [Substring] = ["admin", "health", "fresh", "available", "share", "load", "inflight"]
        guard words.count == 9, Array(words[2...]) == names else { finding("a member is told: \(line)") }
    }
}

/// How many groups a text without faults has, counted in another way than the module does: by the names alone.
private func groups(of update: Slice<UnsafeBufferPointer<UInt8>>) -> Int {
    var groups = 1
    var hasFarm = false
    var hasMember = false
    for part in update.split(separator: 0x26) {
        let name = decoded(part.prefix { $0 != 0x3D })
        let isFarm = name == "farm"
        let isMember = name == "member"
        if isFarm && hasFarm || isMember && hasMember {
            groups += 1
            hasMember = false
        }
        if isFarm { hasFarm = true }
        if isMember { hasMember = true }
    }
    return groups
}

private func decoded(_ text: Slice<UnsafeBufferPointer<UInt8>>.SubSequence) -> String {
    var bytes: [UInt8] = []
    var at = text.startIndex
    while at < text.endIndex {
        let digits = text[(at + 1)...].prefix(2)
        if text[at] == 0x25, digits.count == 2, let code = UInt8(String(decoding: digits, as: UTF8.self), radix: 16) {
            bytes.append(code)
            at += 3
        } else {
            bytes.append(text[at] == 0x2B ? 0x20 : text[at])
            at += 1
        }
    }
    return String(decoding: bytes, as: UTF8.self)
}
