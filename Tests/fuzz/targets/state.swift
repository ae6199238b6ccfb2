import CFarmABI
import FarmCore
import FuzzSupport

// farm_on_state_read: a file is taken over as a whole or not at all; what was taken over is written so that it means the same.
// An input without the first line gets it, so that few are refused for its sake alone.

nonisolated(unsafe) private let world = FuzzWorld()
private let first = Array("mod_proxy_farm state 1\n".utf8)

@c public func LLVMFuzzerTestOneInput(_ data: UnsafePointer<UInt8>?, _ size: Int) -> Int32 {
    let input = Array(UnsafeBufferPointer(start: data, count: size))
    take(input)
    if !input.starts(with: first) { take(first + input) }
    return 0
}

private func take(_ text: [UInt8]) {
    world.restart()
    let before = world.memory()
    if let what = world.readState(text) {
        guard world.isAs(before) else { finding("it was refused and has left something: \(what)") }
        return
    }
    world.checkNumbers()
    let written = world.stateFile()
    world.checkStatus()
    world.restart()
    if let what = world.readState(written) { finding("\(what): \(String(decoding: written, as: UTF8.self))") }
    let again = world.stateFile()
    guard sorted(again) == sorted(written) else {
        finding("\(String(decoding: again, as: UTF8.self)), not \(String(decoding: written, as: UTF8.self))")
    }
}

/// Lines with their parts in an order of their own: metrics get numbers in the order in which they are met.
private func sorted(_ file: [UInt8]) -> [[String]] {
    file.split(separator: 0x0A).map { line in
        line.split(separator: 0x26).map { String(decoding: $0, as: UTF8.self) }.sorted()
    }
}
