import CFarmABI
import FarmCore
import FuzzSupport

// farm_on_instruct, farm_on_stick, farm_on_hide and farm_on_set_cookie: the raw Cookie header of a client. Whatever stands in it, the request is
// served, by a member that is there; what members see has no cookie of ours, and all others.

nonisolated(unsafe) private let world = FuzzWorld()

@c public func LLVMFuzzerTestOneInput(_ data: UnsafePointer<UInt8>?, _ size: Int) -> Int32 {
    world.restart()
    let header = UnsafeBufferPointer(start: data, count: size)
    for farm: UInt32 in 0..<5 { follow(header, farm: farm) }
    guard world.inflight == 0 else { finding("\(world.inflight) in flight") }
    return 0
}

private func follow(_ header: UnsafeBufferPointer<UInt8>, farm: UInt32) {
    var request = farm_request()
    request.farm = farm
    request.addressed = farm
    withText(header) { text, length in
        let target = farm_on_target(world.engine, &request, text, length, "192.0.2.1", 9)
        guard request.farm == farm, request.flags == 0 else { finding("a request that only asks was changed") }
        farm_on_instruct(world.engine, &request, text, length, "192.0.2.1", 9)
        guard request.farm == target else { finding("it went to farm \(request.farm), and not to \(target)") }
    }
    if request.flags & FARM_REQUEST_INSTRUCTED == 0 {
        guard request.flags == 0, request.farm == farm else {
            finding("nothing was followed, and flags are \(request.flags)")
        }
    }
    withText(header) { text, length in hide(&request, text, length) }
    stick(header, farm: farm)
    withText(header) { text, length in
        // Any bytes are a Cache-Control header too. What keeps an answer out of caches by `private` keeps it out anyhow.
        if farm_on_shares_cookies(text, length, 1) == 1 {
            guard farm_on_shares_cookies(text, length, 0) == 1 else { finding("private is enough, and more is not") }
        }
    }
    let isStrict = request.flags & FARM_REQUEST_STRICT != 0
    guard farm_on_choose(world.engine, &request, FuzzHost.now) == 1 else {
        guard isStrict || request.farm == 4 else { finding("nobody serves") }
        return
    }
    withText([UInt8](repeating: 0, count: Int(FARM_SET_COOKIE_MOST))) { room, size in
        let count = farm_on_set_cookie(world.engine, &request, room)
        guard count <= size else { finding("a cookie of \(count) bytes") }
    }
    farm_on_drop(world.engine, &request)
}

/// A request that was forwarded to a farm stays there.
private func stick(_ header: UnsafeBufferPointer<UInt8>, farm: UInt32) {
    var request = farm_request()
    request.farm = farm
    request.addressed = farm == 0 ? 1 : 0
    withText(header) { text, length in farm_on_stick(world.engine, &request, text, length, "192.0.2.1", 9) }
    guard request.farm == farm else { finding("it is moved again") }
    guard request.flags == 0 || request.flags & FARM_REQUEST_NAMED != 0 else { finding("flags are \(request.flags)") }
}

/// Without the cookies of ours the header is no longer than it was, and hides nothing twice.
private func hide(_ request: inout farm_request, _ text: UnsafeMutablePointer<CChar>, _ length: UInt32) {
    withText([UInt8](repeating: 0, count: Int(length))) { room, _ in
        let left = farm_on_hide(world.engine, &request, text, length, room)
        guard left != FARM_NONE else { return }
        guard left < length else { finding("\(left) of \(length) bytes are left") }
        withText(
            UnsafeBufferPointer(start: UnsafeRawPointer(room).assumingMemoryBound(to: UInt8.self), count: Int(left))
        ) {
            again, count in
            withText([UInt8](repeating: 0, count: Int(count))) { more, _ in
                let second = farm_on_hide(world.engine, &request, again, count, more)
                guard second == FARM_NONE else { finding("something was left to hide") }
            }
        }
    }
}
