import CFarmABI
import FuzzSupport

// farm_on_status: what happens before somebody looks, with an empty line between one thing and the next. One that begins with
// m is a change of an administrator's, u an update of a member's, r a request and what httpd saw of its end (a byte each), t
// lets time pass, as many seconds as it has bytes more. c is what the page is asked with: the path of farm-manager, and after a
// line's end the nonce.

nonisolated(unsafe) private let world = FuzzWorld()

@c public func LLVMFuzzerTestOneInput(_ data: UnsafePointer<UInt8>?, _ size: Int) -> Int32 {
    world.restart()
    var rest = UnsafeBufferPointer(start: data, count: size)[...]
    var controls: (manager: [UInt8], nonce: [UInt8]) = ([], [])
    while true {
        let end = rest.indices.dropLast().first { rest[$0] == 0x0A && rest[$0 + 1] == 0x0A }
        let part = Array(rest[..<(end ?? rest.endIndex)])
        if part.first == UInt8(ascii: "c") {
            let lines = part.dropFirst().split(separator: 0x0A, maxSplits: 1, omittingEmptySubsequences: false)
            controls = (lines.first.map { Array($0) } ?? [], lines.count > 1 ? Array(lines[1]) : [])
        } else {
            happens(part)
        }
        guard let end else { break }
        rest = rest[(end + 2)...]
    }
    world.checkStatus(manager: controls.manager, nonce: controls.nonce)
    world.checkNumbers()
    return 0
}

private func happens(_ part: [UInt8]) {
    let answer = FuzzAnswer()
    let text = part.dropFirst()
    switch part.first {
    case UInt8(ascii: "m"):
        withText(text) { text, length in
            _ = farm_on_manage(world.engine, text, length, "Jos\u{E9}", 5, "", 0, 0, answer.handle)
        }
    case UInt8(ascii: "u"):
        withText(text) { text, length in farm_on_update(world.engine, text, length, nil, answer.handle) }
    case UInt8(ascii: "r"):
        request(text)
    case UInt8(ascii: "t"):
        FuzzHost.now += UInt64(text.count) * 1_000_000
        farm_on_tick(world.engine)
    default: break
    }
}

private func request(_ saw: ArraySlice<UInt8>) {
    var request = farm_request()
    request.flags = FARM_REQUEST_IDEMPOTENT | FARM_REQUEST_BODY_READY
    request.farm = UInt32(saw.first ?? 0) % 5
    for byte in saw.dropFirst() {
        guard farm_on_choose(world.engine, &request, FuzzHost.now) == 1 else { return }
        FuzzHost.now += UInt64(byte) * 1_000
        let answers = UInt32(byte) & FARM_SAW_ANSWER != 0
        let status: UInt32 = byte & 1 == 0 ? 200 : 503
        if answers { _ = farm_on_answer(world.engine, &request, status, 1, FuzzHost.now) }
        guard farm_on_end(world.engine, &request, UInt32(byte), 1, 1 << UInt64(byte & 63), 7) == 1 else { return }
    }
    farm_on_drop(world.engine, &request)
}
