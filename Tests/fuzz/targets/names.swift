import CFarmABI
import FuzzSupport

// farm_on_farm_name, farm_on_member_name, farm_on_algorithm, farm_on_find_farm and farm_on_key: a name of the configuration, and
// the host of a URL, which a RewriteRule may take from a client.

nonisolated(unsafe) private let world = FuzzWorld()
private let farms = ["app", "gold", "keyed", "solo", "empty"]

@c public func LLVMFuzzerTestOneInput(_ data: UnsafePointer<UInt8>?, _ size: Int) -> Int32 {
    let name = Array(UnsafeBufferPointer(start: data, count: size))
    withText(name) { text, length in
        let isShort = (1...63).contains(name.count)
        let isFarm = isShort && name.allSatisfy { isAlphanumeric($0) || "_-".utf8.contains($0) }
        let isMember = isShort && name.allSatisfy { isAlphanumeric($0) || "_-.:".utf8.contains($0) }
        guard farm_on_farm_name(text, length) == (isFarm ? 1 : 0) else { finding("a farm's name? \(name)") }
        guard farm_on_member_name(text, length) == (isMember ? 1 : 0) else { finding("a member's name? \(name)") }
        let lower = String(decoding: name.map { (0x41...0x5A).contains($0) ? $0 | 0x20 : $0 }, as: UTF8.self)
        let found = farm_on_find_farm(world.engine, text, length)
        guard found == farms.firstIndex(of: lower).map(UInt32.init) ?? FARM_NONE else { finding("\(name) is \(found)") }
        checkAlgorithm(text, length, lower)
        checkKey(text, length)
    }
    return 0
}

private func isAlphanumeric(_ byte: UInt8) -> Bool {
    (0x30...0x39).contains(byte) || (0x41...0x5A).contains(byte) || (0x61...0x7A).contains(byte)
}

private func checkAlgorithm(_ text: UnsafePointer<CChar>, _ length: UInt32, _ lower: String) {
    let number = farm_on_algorithm(text, length)
    var all: [String] = []
    while let name = farm_on_algorithm_name(UInt32(all.count)) { all.append(String(cString: name)) }
    guard number == all.firstIndex(of: lower).map(UInt32.init) ?? FARM_NONE else { finding("\(lower) is \(number)") }
    guard farm_on_algorithm_wants_key(number) == (lower == "hash" ? 1 : 0) else { finding("\(lower) and its key") }
}

/// A text is always the same key, and chooses the same member.
private func checkKey(_ text: UnsafePointer<CChar>, _ length: UInt32) {
    var (one, other) = (farm_request(), farm_request())
    farm_on_key(&one, text, length)
    farm_on_key(&other, text, length)
    guard one.key == other.key, one.flags == (length > 0 ? FARM_REQUEST_KEYED : 0) else {
        finding("keys \(one.key) and \(other.key)")
    }
}
