import CFarmABI
import FarmCore
import Foundation

// The services that the shim gives to Swift (farm_abi.h), given by the fuzzers: everything is an argument or a constant, so
// that an input that fails once fails each time.

/// What the fuzzers' host is told and tells.
public enum FuzzHost {
    /// Microseconds, of both clocks; each look lets one pass.
    nonisolated(unsafe) public static var now: UInt64 = 0
    /// The URL of each member, by its number in the configuration; NUL-terminated.
    nonisolated(unsafe) public static var urls: [UnsafePointer<CChar>] = []
    /// The farms by number whose members have the address of the caller: how many, as farm_host_caller answers.
    nonisolated(unsafe) public static var callers: [UInt32] = []
    /// Processes that live no more; all others do.
    nonisolated(unsafe) public static var dead: Set<UInt32> = []

    fileprivate static func tick() -> UInt64 {
        now += 1
        return now
    }
}

/// Ends the run: libFuzzer keeps the input.
public func finding(_ what: String) -> Never { fatalError(what) }

@c public func farm_host_log(_ level: UInt32, _ number: UInt32, _ text: UnsafePointer<CChar>?, _ length: UInt32) {
    let line = UnsafeRawBufferPointer(start: text, count: Int(length)).assumingMemoryBound(to: UInt8.self)
    guard PlainText.isPlain(line) else { finding("a line of the log is no text: \(Array(line))") }
    // What an administrator wrote is in UTF-8. Only lines about administration quote it.
    let quotes = (110...112).contains(number) || [107, 108, 142].contains(number)
    guard quotes || line.allSatisfy({ $0 < 0x7F }) else {
        finding("a line of the log is beyond ASCII: \(Array(line))")
    }
}

@c public func farm_host_clock() -> UInt64 { FuzzHost.tick() }

@c public func farm_host_wall_clock() -> UInt64 { FuzzHost.tick() }

@c public func farm_host_seed() -> UInt64 { 0x5EED }

@c public func farm_host_double(_ text: UnsafePointer<CChar>?, _ length: UInt32) -> Double {
    guard let text, length <= 64 else { finding("a number of \(length) bytes") }
    return withUnsafeTemporaryAllocation(of: CChar.self, capacity: 65) { copy in
        for at in 0..<Int(length) { copy.initializeElement(at: at, to: text[at]) }
        copy.initializeElement(at: Int(length), to: 0)
        return strtod(copy.baseAddress!, nil)
    }
}

@c public func farm_host_number(_ value: Double, _ into: UnsafeMutablePointer<CChar>?) -> UInt32 {
    guard value.isFinite else { finding("the number \(value) is to be written") }
    return copy("\(value)", to: into)
}

@c public func farm_host_time(_ wallClock: UInt64, _ into: UnsafeMutablePointer<CChar>?) -> UInt32 {
    copy("2026-01-01T00:00:00Z", to: into)
}

@c public func farm_host_process_lives(_ pid: UInt32) -> Int32 { FuzzHost.dead.contains(pid) ? 0 : 1 }

@c public func farm_host_pause(_ microseconds: UInt32) {}

@c public func farm_host_status(_ out: UnsafeMutableRawPointer?, _ status: UInt32) {
    FuzzAnswer.of(out).setStatus(status)
}

@c public func farm_host_write(_ out: UnsafeMutableRawPointer?, _ text: UnsafePointer<CChar>?, _ length: UInt32) {
    FuzzAnswer.of(out).append(UnsafeRawBufferPointer(start: text, count: Int(length)))
}

@c public func farm_host_caller(
    _ caller: UnsafeMutableRawPointer?, _ farm: UInt32, _ member: UnsafeMutablePointer<UInt32>?
) -> UInt32 {
    guard Int(farm) < FuzzHost.callers.count else { finding("who calls of farm \(farm)?") }
    let count = FuzzHost.callers[Int(farm)]
    if count > 0 { member?.pointee = 0 }
    return count
}

@c public func farm_host_caller_address(_ caller: UnsafeMutableRawPointer?) -> UnsafePointer<CChar>? {
    FuzzHost.urls.first
}

@c public func farm_host_key(
    _ key: UnsafeMutableRawPointer?, _ farm: UInt32, _ request: UnsafeMutablePointer<farm_request>?
) {
    FuzzWorld.client.withCString { farm_on_key(request, $0, UInt32(FuzzWorld.client.utf8.count)) }
}

@c public func farm_host_url(_ member: UInt32) -> UnsafePointer<CChar>? {
    guard Int(member) < FuzzHost.urls.count else { finding("the URL of member \(member)?") }
    return FuzzHost.urls[Int(member)]
}

private func copy(_ text: String, to into: UnsafeMutablePointer<CChar>?) -> UInt32 {
    let units = text.utf8.prefix(32)
    for (at, unit) in units.enumerated() { into?[at] = CChar(bitPattern: unit) }
    return UInt32(units.count)
}

// MARK: Instructions

/// One key, `k1`, whose MACs are all 32 zero bytes (43 times `A`), so that an input can have a right one.
@c public func farm_host_mac(
    _ key: UnsafePointer<CChar>?, _ keyLength: UInt32, _ text: UnsafePointer<CChar>?, _ length: UInt32,
    _ into: UnsafeMutablePointer<UInt8>?
) -> Int32 {
    guard let key, keyLength == 2, key[0] == 0x6B, key[1] == 0x31 else { return 0 }
    // Touches every byte that it was given, for the sanitizer.
    for at in 0..<Int(length) where text![at] == 0x20 { finding("a blank is signed") }
    for at in 0..<32 { into?[at] = 0 }
    return 1
}

@c public func farm_host_mac_is(_ one: UnsafePointer<UInt8>?, _ other: UnsafePointer<UInt8>?) -> Int32 {
    memcmp(one!, other!, 32) == 0 ? 1 : 0
}

nonisolated(unsafe) private let signingKey = strdup("k1")!

@c public func farm_host_signing_key() -> UnsafePointer<CChar>? { UnsafePointer(signingKey) }

@c public func farm_host_same_address(
    _ one: UnsafePointer<CChar>?, _ oneLength: UInt32, _ other: UnsafePointer<CChar>?, _ otherLength: UInt32
) -> Int32 {
    oneLength == otherLength && memcmp(one!, other!, Int(oneLength)) == 0 ? 1 : 0
}
