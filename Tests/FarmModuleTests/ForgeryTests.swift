import CFarmABI
import FarmTestSupport
import Foundation
import Testing

/// Cookies that are nearly right. FORGERIES= says how many; `make forgeries` asks for ten million, in the release build.
@Suite struct ForgeryTests {
    static let keys = [("k1", "only-an-example-and-not-a-secret"), ("k2", "another-example-key-no-secret-either")]

    static func digits(_ bytes: [UInt8]) -> String {
        Data(bytes).base64EncodedString().replacingOccurrences(of: "+", with: "-")
            .replacingOccurrences(of: "/", with: "_").replacingOccurrences(of: "=", with: "")
    }

    static func mint(_ payload: String, _ key: (name: String, key: String)) -> [UInt8] {
        let signed = Array("v1.\(key.name).\(digits(Array(payload.utf8)))".utf8)
        let mac = signed.withUnsafeBytes { HostKeys.mac(key.key, $0) }
        return signed + Array(".\(digits(mac))".utf8)
    }

    /// One or a few small changes.
    static func mutated(_ value: [UInt8], _ numbers: inout SystemRandomNumberGenerator) -> [UInt8] {
        var value = value
        for _ in 0..<Int.random(in: 1...3, using: &numbers) where !value.isEmpty {
            let at = Int.random(in: 0..<value.count, using: &numbers)
            switch Int.random(in: 0..<7, using: &numbers) {
            case 0: value[at] = UInt8.random(in: 0...255, using: &numbers)
            case 1: value[at] ^= 1 << UInt8.random(in: 0..<8, using: &numbers)
            case 2:
                value[at] = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.".utf8)
                    .randomElement(using: &numbers)!
            case 3: value.remove(at: at)
            case 4: value.insert(value.randomElement(using: &numbers)!, at: at)
            case 5: value.swapAt(at, Int.random(in: 0..<value.count, using: &numbers))
            default: value = Array(value[..<max(1, at)])
            }
        }
        return value
    }

    @Test func noneIsFollowed() throws {
        let count = ProcessInfo.processInfo.environment["FORGERIES"].flatMap { Int($0) } ?? 20_000
        let abi = try Abi([FarmSpec("app", [MemberSpec("a"), MemberSpec("b")]), FarmSpec("gold", [MemberSpec("g")])])
        var numbers = SystemRandomNumberGenerator()
        try HostKeys.$all.withValue(Self.keys.map { (name: $0.0, key: $0.1) }) {
            let right = [
                "farm=app&member=a&exp=4102444800", "farm=app&to=gold&member=g&mode=strict&exp=4102444800",
                "farm=*&to=gold&exp=4102444800",
            ].flatMap { payload in Self.keys.map { Self.mint(payload, (name: $0.0, key: $0.1)) } }
            for value in right { #expect(Self.isFollowed(abi, value), "the measure of the rest") }
            var followed = 0
            for _ in 0..<count {
                let forged = Self.mutated(right.randomElement(using: &numbers)!, &numbers)
                // Several changes may undo one another, and what follows a semicolon is another cookie.
                if right.contains(forged) || right.contains(where: { forged.starts(with: $0 + [0x3B]) }) { continue }
                if Self.isFollowed(abi, forged) {
                    followed += 1
                    Issue.record("followed: \(String(decoding: forged, as: UTF8.self))")
                }
            }
            try #require(followed == 0)
        }
    }

    private static func isFollowed(_ abi: Abi, _ value: [UInt8]) -> Bool {
        var request = farm_request()
        let header = Array("farm=".utf8) + value
        header.withUnsafeBytes { header in
            "192.0.2.1".withCString {
                farm_on_instruct(
                    abi.engine, &request, header.bindMemory(to: CChar.self).baseAddress, UInt32(header.count), $0, 9)
            }
        }
        return request.flags & FARM_REQUEST_INSTRUCTED != 0
    }
}
