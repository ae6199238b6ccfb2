import CFarmABI
import FarmCore
import FuzzSupport

// farm_on_route: what a client sends as cookies, path and query, one a line. Who it names is a member whose route stands there
// after a dot, or it names nobody; either way the request is served.

nonisolated(unsafe) private let world = FuzzWorld()
private let routes = [["app1", "app2", "app3", "four"], ["g1", "g2", "g3"]]

@c public func LLVMFuzzerTestOneInput(_ data: UnsafePointer<UInt8>?, _ size: Int) -> Int32 {
    world.restart()
    let lines = UnsafeBufferPointer(start: data, count: size).split(
        separator: 0x0A, maxSplits: 2, omittingEmptySubsequences: false)
    for farm: UInt32 in 0..<5 { tie(lines.map { Array($0) } + [[], [], []], farm: farm) }
    guard world.inflight == 0 else { finding("\(world.inflight) in flight") }
    return 0
}

private func tie(_ lines: [[UInt8]], farm: UInt32) {
    var request = farm_request()
    request.farm = farm
    withText(lines[0]) { cookies, cookiesLength in
        withText(lines[1]) { path, pathLength in
            withText(lines[2]) { query, queryLength in
                farm_on_route(
                    world.engine, &request, cookies, cookiesLength, path, pathLength, query, queryLength)
            }
        }
    }
    if request.flags != 0 {
        guard request.flags == FARM_REQUEST_NAMED, farm < 2, request.named < routes[Int(farm)].count else {
            finding("farm \(farm): flags \(request.flags), member \(request.named)")
        }
        let route = Array(".\(routes[Int(farm)][Int(request.named)])".utf8)
        guard lines.contains(where: { has($0, route) }) else { finding("nobody has named \(request.named)") }
    }
    guard farm_on_choose(world.engine, &request, FuzzHost.now) == (farm == 4 ? 0 : 1) else { finding("nobody serves") }
    farm_on_drop(world.engine, &request)
}

private func has(_ text: [UInt8], _ part: [UInt8]) -> Bool {
    text.count >= part.count
        && (0...(text.count - part.count)).contains { text[$0..<($0 + part.count)].elementsEqual(part) }
}
