import CCrypto
import CFarmABI
import Foundation

/// The keys of FarmSecretFile as a test sets them: `HostKeys.$all.withValue([("k1", "…")]) { … }`. The first signs.
public enum HostKeys {
    @TaskLocal public static var all: [(name: String, key: String)] = []

    /// The MAC of a text with a key, by libcrypto.
    public static func mac(_ key: String, _ text: UnsafeRawBufferPointer) -> [UInt8] {
        var mac = [UInt8](repeating: 0, count: 32)
        var length = 0
        let bytes = Array(key.utf8)
        let made = EVP_Q_mac(
            nil, "HMAC", nil, "SHA256", nil, bytes, bytes.count, text.bindMemory(to: UInt8.self).baseAddress,
            text.count, &mac, mac.count, &length)
        precondition(made != nil && length == 32, "libcrypto gives no HMAC")
        // Frees what libcrypto keeps for a thread until that ends. LeakSanitizer does not see that a thread which outlives
        // the tests has it.
        OPENSSL_thread_stop()
        return mac
    }
}

@c public func farm_host_mac(
    _ key: UnsafePointer<CChar>?, _ keyLength: UInt32, _ text: UnsafePointer<CChar>?, _ length: UInt32,
    _ into: UnsafeMutablePointer<UInt8>?
) -> Int32 {
    let name = String(decoding: UnsafeRawBufferPointer(start: key, count: Int(keyLength)), as: UTF8.self)
    guard let known = HostKeys.all.first(where: { $0.name == name }) else { return 0 }
    let mac = HostKeys.mac(known.key, UnsafeRawBufferPointer(start: text, count: Int(length)))
    for (at, byte) in mac.enumerated() { into?[at] = byte }
    return 1
}

@c public func farm_host_mac_is(_ one: UnsafePointer<UInt8>?, _ other: UnsafePointer<UInt8>?) -> Int32 {
    CRYPTO_memcmp(one, other, 32) == 0 ? 1 : 0
}

/// Names of keys live as long as the tests: there are few.
private enum SigningNames {
    private static let lock = NSLock()
    nonisolated(unsafe) private static var kept: [String: UnsafeMutablePointer<CChar>] = [:]

    static func pointer(_ name: String) -> UnsafePointer<CChar> {
        lock.withLock {
            if let known = kept[name] { return UnsafePointer(known) }
            let copy = strdup(name)!
            kept[name] = copy
            return UnsafePointer(copy)
        }
    }
}

@c public func farm_host_signing_key() -> UnsafePointer<CChar>? {
    HostKeys.all.first.map { SigningNames.pointer($0.name) }
}

/// An address as 16 bytes; IPv4 as IPv6 has it mapped.
private func address(_ text: UnsafePointer<CChar>?, _ length: UInt32) -> [UInt8]? {
    let text = String(decoding: UnsafeRawBufferPointer(start: text, count: Int(length)), as: UTF8.self)
    guard !text.utf8.contains(0) else { return nil }
    var six = [UInt8](repeating: 0, count: 16)
    if inet_pton(AF_INET6, text, &six) == 1 { return six }
    var four = [UInt8](repeating: 0, count: 4)
    return inet_pton(AF_INET, text, &four) == 1 ? [UInt8](repeating: 0, count: 10) + [255, 255] + four : nil
}

@c public func farm_host_same_address(
    _ one: UnsafePointer<CChar>?, _ oneLength: UInt32, _ other: UnsafePointer<CChar>?, _ otherLength: UInt32
) -> Int32 {
    guard let first = address(one, oneLength), let second = address(other, otherLength) else { return 0 }
    return first == second ? 1 : 0
}
