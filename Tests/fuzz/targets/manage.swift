import CFarmABI
import FarmCore
import FuzzSupport

// farm_on_manage: several changes, with an empty line between one and the next; one that begins with ! came from a browser's
// form. A change is made as a whole or not at all, and what was made can be shown, written to the state file and read again.

nonisolated(unsafe) private let world = FuzzWorld()
private let nonce = "00ff17"

@c public func LLVMFuzzerTestOneInput(_ data: UnsafePointer<UInt8>?, _ size: Int) -> Int32 {
    world.restart()
    var rest = UnsafeBufferPointer(start: data, count: size)[...]
    var hasMade = false
    while true {
        let end = rest.indices.dropLast().first { rest[$0] == 0x0A && rest[$0 + 1] == 0x0A }
        if send(rest[..<(end ?? rest.endIndex)]) { hasMade = true }
        guard let end else { break }
        rest = rest[(end + 2)...]
    }
    if hasMade { checkWhatIsKept() }
    return 0
}

private func send(_ change: Slice<UnsafeBufferPointer<UInt8>>) -> Bool {
    let isForm = change.first == 0x21
    let before = world.memory()
    let answer = FuzzAnswer()
    var made: Int32 = 0
    withText(isForm ? change.dropFirst() : change) { text, length in
        made = farm_on_manage(
            world.engine, text, length, "Jos\u{E9}", 5, nonce, UInt32(nonce.utf8.count),
            isForm ? FARM_MANAGE_BY_FORM : 0,
            answer.handle)
    }
    let lines = answer.lines(allowed: isForm ? [200, 400, 403, 404] : [200, 400, 404])
    guard (made == 1) == (answer.status == 200) else { finding("\(made), and status \(answer.status)") }
    if made == 1 {
        check(lines)
        guard !isForm || has(change, "nonce=\(nonce)") else { finding("a form without its nonce has made a change") }
    } else {
        FuzzAnswer.checkError(lines)
        guard world.isAs(before) else { finding("it was refused and has left something: \(answer.text)") }
    }
    return made == 1
}

private func has(_ text: Slice<UnsafeBufferPointer<UInt8>>, _ part: String) -> Bool {
    text.dropFirst().split(separator: 0x26).contains { $0.elementsEqual(part.utf8) }
}

private func check(_ lines: [String]) {
    let words = lines.count == 1 ? lines[0].split(separator: " ") : []
    let names = words.map { $0.split(separator: "=")[0] }
    guard words.first == "ok",
        Array(names.dropFirst(3)) == ["admin", "health", "fresh", "available", "weight"]
            || Array(names.dropFirst(2)) == ["admin", "condition"]
    else { finding("a change is answered by \(lines)") }
}

private func checkWhatIsKept() {
    world.checkNumbers()
    let file = world.stateFile()
    world.checkStatus()
    world.restart()
    if let what = world.readState(file) { finding("\(what): \(String(decoding: file, as: UTF8.self))") }
    let again = world.stateFile()
    guard again == file else {
        finding(
            "read and written again: \(String(decoding: again, as: UTF8.self)), not \(String(decoding: file, as: UTF8.self))"
        )
    }
}
