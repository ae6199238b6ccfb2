import CFarm
import CFarmABI
import FarmTestSupport
import Foundation
import Testing

/// The vectors of Tests/vectors, which an independent implementation has made, through the functions that the shim calls.
@Suite struct VectorTests {
    struct Request: Decodable {
        let farm: String
        let client: String
        let now: UInt64
    }

    struct Says: Decodable {
        let farm: String
        let member: String?
        let strict: Bool
    }

    struct Valid: Decodable {
        let name: String
        let kid: String
        let key: String
        let cookie: String
        let request: Request
        let says: Says
    }

    struct Invalid: Decodable {
        let name: String
        let reason: String?
        let cookie: String
        let keys: [String: String]?
        let request: Request
    }

    struct Several: Decodable {
        let name: String
        let cookies: [String]
        let request: Request
        let used: Int?
        let says: Says?
        let counts: [String: UInt64]
    }

    struct File<Vector: Decodable>: Decodable {
        let farms: [String: [String]]
        let keys: [String: String]?
        let vectors: [Vector]
    }

    static func load<Vector: Decodable>(_ name: String, of: Vector.Type) throws -> File<Vector> {
        let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        let url = folder.appendingPathComponent("vectors/\(name).json")
        return try JSONDecoder().decode(File<Vector>.self, from: Data(contentsOf: url))
    }

    static let results = [
        "accepted", "bad_mac", "expired", "malformed", "unknown_key", "unknown_target", "other_client",
    ]

    /// A server with the farms of a file.
    final class Server {
        let abi: Abi
        let names: [String]
        let farms: [String: [String]]

        init(_ farms: [String: [String]]) throws {
            self.farms = farms
            names = farms.keys.sorted()
            abi = try Abi(
                names.map { name in
                    var farm = FarmSpec(name.lowercased(), farms[name]!.map { MemberSpec($0) })
                    farm.retry = 1
                    return farm
                })
        }

        /// What becomes of a request with this Cookie header, and how the counters moved.
        func follow(_ cookies: [UInt8], _ request: Request) throws -> (farm_request, [String: UInt64]) {
            var state = farm_request()
            let at = try #require(names.firstIndex { $0.lowercased() == request.farm.lowercased() })
            state.farm = UInt32(at)
            state.addressed = state.farm
            let before = counts()
            HostClock.$wall.withValue(request.now * 1_000_000 + 999_999) {
                cookies.withUnsafeBytes { cookies in
                    let text = cookies.bindMemory(to: CChar.self)
                    request.client.withCString { client in
                        farm_on_instruct(
                            abi.engine, &state, text.baseAddress, UInt32(text.count), client,
                            UInt32(request.client.utf8.count))
                    }
                }
            }
            var moved: [String: UInt64] = [:]
            for (name, count) in counts() where count != before[name] { moved[name] = count - before[name]! }
            return (state, moved)
        }

        func counts() -> [String: UInt64] {
            let output = Output()
            farm_on_status(abi.engine, FARM_STATUS_JSON, nil, output.handle)
            let status = try! JSONSerialization.jsonObject(with: Data(output.bytes)) as! [String: Any]
            return (status["cookies"] as! [String: NSNumber]).mapValues { $0.uint64Value }
        }

        func check(_ state: farm_request, _ says: Says, _ name: String) {
            #expect(state.flags & FARM_REQUEST_INSTRUCTED != 0, "\(name)")
            #expect(names[Int(state.farm)].lowercased() == says.farm.lowercased(), "\(name)")
            #expect((state.flags & FARM_REQUEST_NAMED != 0) == (says.member != nil), "\(name)")
            guard let member = says.member else { return }
            #expect(farms[names[Int(state.farm)]]![Int(state.named)] == member, "\(name)")
            #expect((state.flags & FARM_REQUEST_STRICT != 0) == says.strict, "\(name)")
        }
    }

    /// In the files a character is a byte.
    static func bytes(_ text: String) -> [UInt8] { text.unicodeScalars.map { UInt8($0.value) } }

    @Test func validOnesAreFollowed() throws {
        let file = try Self.load("valid", of: Valid.self)
        let server = try Server(file.farms)
        #expect(file.vectors.count > 50)
        for vector in file.vectors {
            try HostKeys.$all.withValue([("other", String(repeating: "x", count: 32)), (vector.kid, vector.key)]) {
                let (state, counts) = try server.follow(Self.bytes("farm=" + vector.cookie), vector.request)
                #expect(counts == ["accepted": 1], "\(vector.name)")
                server.check(state, vector.says, vector.name)
            }
        }
    }

    @Test func invalidOnesAreCountedAndNothingElse() throws {
        let file = try Self.load("invalid", of: Invalid.self)
        let server = try Server(file.farms)
        #expect(file.vectors.count > 200)
        for vector in file.vectors {
            // A semicolon ends a cookie before anybody judges it.
            guard !vector.cookie.contains(";") else { continue }
            let keys = (vector.keys ?? file.keys ?? [:]).map { (name: $0.key, key: $0.value) }
            try HostKeys.$all.withValue(keys) {
                let (state, counts) = try server.follow(Self.bytes("farm=" + vector.cookie), vector.request)
                #expect(counts == (vector.reason.map { [$0: 1] } ?? [:]), "\(vector.name)")
                #expect(state.flags == 0 && state.farm == state.addressed, "\(vector.name)")
            }
        }
    }

    @Test func theFirstOfEightThatHoldsIsFollowed() throws {
        let file = try Self.load("several", of: Several.self)
        let server = try Server(file.farms)
        let keys = (file.keys ?? [:]).map { (name: $0.key, key: $0.value) }
        for vector in file.vectors {
            try HostKeys.$all.withValue(keys) {
                let header = vector.cookies.map { "farm=" + $0 }.joined(separator: "; ")
                let (state, counts) = try server.follow(Self.bytes(header), vector.request)
                #expect(counts == vector.counts.filter { $0.value != 0 }, "\(vector.name)")
                if let says = vector.says { server.check(state, says, vector.name) } else { #expect(state.flags == 0) }
            }
        }
    }
}
