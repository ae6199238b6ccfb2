import Foundation
import Testing

@testable import FarmControl

/// The vectors of Tests/vectors, which an independent implementation has made.
@Suite struct CookieTests {
    struct Vectors {
        let farms: [(name: String, members: [String])]
        let keys: [CookieKey]
        let all: [JSON]

        init(_ name: String) throws {
            let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            let data = try Data(contentsOf: folder.appendingPathComponent("vectors/\(name).json"))
            let json = try #require(JSONReader.read(Array(data)))
            guard case .object(let farms) = json["farms"] else { throw Failure(.data, "no farms") }
            self.farms = farms.map { ($0.key, $0.value.array?.compactMap(\.string) ?? []) }
            keys = try Self.keys(json["keys"])
            all = json["vectors"]?.array ?? []
        }

        static func keys(_ json: JSON?) throws -> [CookieKey] {
            guard case .object(let keys)? = json else { return [] }
            return try keys.map { try CookieKey(name: $0.key, key: $0.value.string ?? "", at: "vectors") }
        }
    }

    static func request(_ vector: JSON) throws -> CookieJudge.Request {
        let request = try #require(vector["request"])
        let client = try #require(IPAddress(request["client"]?.string ?? ""))
        return CookieJudge.Request(
            farm: request["farm"]?.string, client: client, now: UInt64(request["now"]?.count ?? 0))
    }

    /// In the files a character is a byte.
    static func bytes(_ text: String?) -> [UInt8] { (text ?? "").unicodeScalars.map { UInt8($0.value) } }

    static func check(_ verdict: CookieJudge.Verdict?, says: JSON?, _ name: String) {
        guard case .accepted(let said)? = verdict else {
            Issue.record("\(name): \(String(describing: verdict))")
            return
        }
        #expect(said.farm?.lowercased() == says?["farm"]?.string?.lowercased(), "\(name)")
        #expect(said.member == says?["member"]?.string, "\(name)")
        #expect(said.isStrict == (said.member != nil && says?["strict"]?.bool == true), "\(name)")
    }

    @Test func validOnesAreAcceptedAndMinted() throws {
        let vectors = try Vectors("valid")
        #expect(vectors.all.count > 50)
        for vector in vectors.all {
            let name = vector["name"]?.string ?? ""
            let key = try CookieKey(name: vector["kid"]?.string ?? "", key: vector["key"]?.string ?? "", at: name)
            let judge = CookieJudge([key], TestAuthenticator(), farms: vectors.farms)
            Self.check(
                judge.judge(Self.bytes(vector["cookie"]?.string), try Self.request(vector)), says: vector["says"], name)
            guard vector["minted"]?.bool == true else { continue }
            let fields = (vector["fields"]?.array ?? []).map { ($0.array?[0].string ?? "", $0.array?[1].string ?? "") }
            #expect(try CookieMint(TestAuthenticator()).cookie(fields, key: key) == vector["cookie"]?.string, "\(name)")
        }
    }

    @Test func invalidOnesHaveTheReason() throws {
        let vectors = try Vectors("invalid")
        #expect(vectors.all.count > 200)
        for vector in vectors.all {
            let keys = try vector["keys"].map { try Vectors.keys($0) } ?? vectors.keys
            let judge = CookieJudge(keys, TestAuthenticator(), farms: vectors.farms)
            let verdict = judge.judge(Self.bytes(vector["cookie"]?.string), try Self.request(vector))
            switch verdict {
            case .refused(let result):
                #expect(result.name.text == vector["reason"]?.string, "\(vector["name"]?.string ?? "")")
            case .otherFarm: #expect(vector["reason"] == .null, "\(vector["name"]?.string ?? "")")
            case .accepted: Issue.record("accepted: \(vector["name"]?.string ?? "")")
            }
        }
    }

    @Test func theFirstOfEightThatHoldsIsUsed() throws {
        let vectors = try Vectors("several")
        #expect(!vectors.all.isEmpty)
        for vector in vectors.all {
            let name = vector["name"]?.string ?? ""
            let judge = CookieJudge(vectors.keys, TestAuthenticator(), farms: vectors.farms)
            let cookies = (vector["cookies"]?.array ?? []).map { Self.bytes($0.string) }
            let verdicts = judge.judge(cookies, try Self.request(vector))
            if let used = vector["used"]?.count {
                #expect(verdicts.count == used + 1, "\(name)")
                Self.check(verdicts.last, says: vector["says"], name)
            } else {
                #expect(verdicts.count == min(8, cookies.count), "\(name)")
                if case .accepted? = verdicts.last { Issue.record("\(name)") }
            }
        }
    }

    @Test func withoutARequestTheCookieIsTakenAtItsWord() throws {
        let key = try CookieKey(name: "k", key: String(repeating: "x", count: 32), at: "")
        let cookie = try CookieMint(TestAuthenticator()).cookie(
            [("farm", "app"), ("member", "a"), ("ip", "10.0.0.1"), ("exp", "100")], key: key)
        let judge = CookieJudge([key], TestAuthenticator())
        let verdict = judge.judge(Array(cookie.utf8), CookieJudge.Request(now: 100))
        #expect(
            CookieVerdictText.line(verdict, now: 100)
                == "accepted: farm app, member a, another if it is not available; until 1970-01-01T00:01:40Z (0s); key k"
        )
        #expect(judge.judge(Array(cookie.utf8), CookieJudge.Request(now: 101)) == .refused(.expired))
        let other = judge.judge(Array(cookie.utf8), CookieJudge.Request(farm: "web", now: 100))
        #expect(other == .otherFarm("app") && CookieVerdictText.line(other, now: 0).hasPrefix("other farm"))
        #expect(CookieVerdictText.json(other).text == #"{"result":"other_farm","farm":"app"}"#)
    }

    @Test(
        arguments: [
            ([("farm", "app")], "exp= is missing"), ([("exp", "1")], "farm= is missing"),
            ([("farm", "a b"), ("exp", "1")], "farm= takes"), ([("farm", "app"), ("farm", "app")], "stands twice"),
            ([("farm", "app"), ("exp", "1800000000000")], "looks like milliseconds"),
            ([("farm", "app"), ("exp", "-1")], "exp= takes"),
            ([("farm", "app"), ("exp", "1"), ("mode", "Strict")], "mode= takes safe or strict"),
            ([("Farm", "app")], "'Farm' is no field"),
            ([("farm", "app"), ("exp", "1"), ("ip", "localhost")], "ip= takes"),
            ([("farm", "app"), ("to", "*")], "to= takes"),
            ([("farm", "app"), ("exp", "1"), ("member", "")], "member= takes"),
        ] as [([(String, String)], String)])
    func wrongFields(_ fields: [(String, String)], _ says: String) async throws {
        let key = try CookieKey(name: "k", key: String(repeating: "x", count: 32), at: "")
        let failure = await failure { _ = try CookieMint(TestAuthenticator()).cookie(fields, key: key) }
        #expect(failure?.status == .data && failure?.message.contains(says) == true, "\(failure?.message ?? "")")
    }

    @Test func endsMayBeIntervals() throws {
        let fields = InstructionFields.resolved([("exp", "10min"), ("farm", "10min")], now: 5_000_000)
        #expect(fields[0].1 == "605" && fields[1].1 == "10min")
        #expect(InstructionFields.resolved([("exp", "17")], now: 5)[0].1 == "17")
        #expect(throws: Failure.self) { try InstructionFields.read(["farm"]) }
        #expect(
            CookieMint.header(name: "f", value: "v", seconds: 5)
                == "Set-Cookie: f=v; Path=/; Max-Age=5; HttpOnly; Secure; SameSite=Lax")
    }

    @Test func keyFiles() throws {
        let key = String(repeating: "k", count: 32)
        let keys = try KeyFile.keys("# comment\n\n a:\(key) \r\nb:\(key):#\n", path: "f")
        #expect(keys.map(\.name) == ["a", "b"] && keys[1].key == key + ":#")
    }

    @Test(
        arguments: [
            ("", "no key in it"), ("abc", "f, line 1: there is no colon"),
            ("\na:short", "f, line 2: the key has 5 characters"),
            ("a b:\(String(repeating: "k", count: 32))", "a key's name has"),
            ("a:\(String(repeating: "k ", count: 32))k", "blank"),
            ("a:\(String(repeating: "k", count: 32))\na:\(String(repeating: "j", count: 32))", "stands twice"),
        ] as [(String, String)])
    func wrongKeyFiles(_ text: String, _ says: String) async {
        let failure = await failure { _ = try KeyFile.keys(text, path: "f") }
        #expect(failure?.message.contains(says) == true && failure?.message.contains("kkk") == false)
    }

    @Test func aKeyIsWanted() async {
        #expect(await failure { _ = try KeyFile.keys(file: nil, name: "a", key: nil) }?.status == .usage)
        #expect(await failure { _ = try KeyFile.keys(file: "/no/such/file", name: nil, key: nil) }?.status == .noInput)
        #expect(await failure { _ = try CookieInput.seconds("noon") }?.status == .usage)
    }
}
