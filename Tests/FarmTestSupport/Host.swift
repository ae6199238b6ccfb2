import CFarmABI
import Foundation

// The services that the shim gives to Swift (farm_abi.h), given by the tests: the log is kept, the clocks are real, the
// seed is always the same.

/// What was logged. Tests run at the same time, so each looks for lines that name its own farm or member.
public enum HostLog {
    public struct Line: Sendable {
        public let level: UInt32
        public let number: UInt32
        public let text: String
    }

    private static let lock = NSLock()
    nonisolated(unsafe) private static var kept: [Line] = []

    fileprivate static func keep(_ line: Line) {
        lock.withLock {
            kept.append(line)
            // A test may make millions; nobody looks back so far.
            if kept.count > 400_000 { kept.removeFirst(200_000) }
        }
    }

    public static func lines(naming name: String) -> [Line] {
        lock.withLock { kept.filter { $0.text.contains(name) } }
    }
}

/// Collects what farm_host_write is given. Hand its `handle` on as `out`.
public final class Output {
    public private(set) var bytes: [UInt8] = []
    /// What farm_host_status said; 0: nothing yet.
    public fileprivate(set) var status: UInt32 = 0
    public fileprivate(set) var timesSaid = 0
    public init() {}

    public var text: String { String(decoding: bytes, as: UTF8.self) }
    public var lines: [String] { text.split(separator: "\n").map(String.init) }
    public var handle: UnsafeMutableRawPointer { Unmanaged.passUnretained(self).toOpaque() }
    fileprivate func append(_ piece: UnsafeRawBufferPointer) { bytes.append(contentsOf: piece) }
}

@c public func farm_host_log(_ level: UInt32, _ number: UInt32, _ text: UnsafePointer<CChar>?, _ length: UInt32) {
    let text = String(decoding: UnsafeRawBufferPointer(start: text, count: Int(length)), as: UTF8.self)
    HostLog.keep(HostLog.Line(level: level, number: number, text: text))
}

/// The clocks of the test that sets them, so that time is an argument there too; the real ones for all others.
public enum HostClock {
    /// Monotonic microseconds.
    @TaskLocal public static var now: UInt64?
    /// Microseconds since 1970.
    @TaskLocal public static var wall: UInt64?
}

@c public func farm_host_clock() -> UInt64 { HostClock.now ?? DispatchTime.now().uptimeNanoseconds / 1000 }

@c public func farm_host_wall_clock() -> UInt64 {
    HostClock.wall ?? UInt64(Date().timeIntervalSince1970 * 1_000_000)
}

@c public func farm_host_seed() -> UInt64 { 0x5EED }

@c public func farm_host_number(_ value: Double, _ into: UnsafeMutablePointer<CChar>?) -> UInt32 {
    copy("\(value)", to: into)
}

@c public func farm_host_time(_ wallClock: UInt64, _ into: UnsafeMutablePointer<CChar>?) -> UInt32 {
    let date = Date(timeIntervalSince1970: Double(wallClock / 1_000_000))
    return copy(date.formatted(.iso8601), to: into)
}

@c public func farm_host_process_lives(_ pid: UInt32) -> Int32 {
    kill(pid_t(bitPattern: pid), 0) == 0 || errno != ESRCH ? 1 : 0
}

@c public func farm_host_pause(_ microseconds: UInt32) { usleep(microseconds) }

@c public func farm_host_write(_ out: UnsafeMutableRawPointer?, _ text: UnsafePointer<CChar>?, _ length: UInt32) {
    guard let out else { return }
    Unmanaged<Output>.fromOpaque(out).takeUnretainedValue()
        .append(UnsafeRawBufferPointer(start: text, count: Int(length)))
}

@c public func farm_host_double(_ text: UnsafePointer<CChar>?, _ length: UInt32) -> Double {
    let digits = UnsafeRawBufferPointer(start: text, count: Int(length))
    return strtod(String(decoding: digits, as: UTF8.self), nil)
}

@c public func farm_host_status(_ out: UnsafeMutableRawPointer?, _ status: UInt32) {
    guard let out else { return }
    let output = Unmanaged<Output>.fromOpaque(out).takeUnretainedValue()
    output.status = status
    output.timesSaid += 1
}

/// Who sends an update: which members of each farm have its address. Hand its `handle` on as `caller`.
public final class Caller {
    private let members: [UInt32: [UInt32]]
    public init(_ members: [UInt32: [UInt32]]) { self.members = members }
    public var handle: UnsafeMutableRawPointer { Unmanaged.passUnretained(self).toOpaque() }
    fileprivate func members(of farm: UInt32) -> [UInt32] { members[farm] ?? [] }
}

@c public func farm_host_caller(
    _ caller: UnsafeMutableRawPointer?, _ farm: UInt32, _ member: UnsafeMutablePointer<UInt32>?
) -> UInt32 {
    guard let caller else { return 0 }
    let members = Unmanaged<Caller>.fromOpaque(caller).takeUnretainedValue().members(of: farm)
    if let last = members.last { member?.pointee = last }
    return UInt32(min(2, members.count))
}

nonisolated(unsafe) private let address = strdup("192.0.2.1")!

@c public func farm_host_caller_address(_ caller: UnsafeMutableRawPointer?) -> UnsafePointer<CChar>? {
    UnsafePointer(address)
}

@c public func farm_host_key(_ key: UnsafeMutableRawPointer?, _ farm: UInt32, _ request: UnsafeMutableRawPointer?) {}

nonisolated(unsafe) private let url = strdup("http://192.0.2.7:8080")!

@c public func farm_host_url(_ member: UInt32) -> UnsafePointer<CChar>? { UnsafePointer(url) }

private func copy(_ text: String, to into: UnsafeMutablePointer<CChar>?) -> UInt32 {
    let units = text.utf8.prefix(32)
    for (at, unit) in units.enumerated() { into?[at] = CChar(bitPattern: unit) }
    return UInt32(units.count)
}
