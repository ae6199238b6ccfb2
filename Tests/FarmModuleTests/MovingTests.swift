import CFarmABI
import FarmTestSupport
import Foundation
import Testing

/// The farm that a request is moved to before its sections are chosen: what farm_on_instruct finds later, and nothing is done.
@Suite struct MovingTests {
    /// A Cookie header, and the farm that it leads a request to app to.
    static let cases: [(header: [UInt8], farm: UInt32)] = {
        func value(_ payload: String) -> [UInt8] { ForgeryTests.mint(payload, ForgeryTests.keys[0]) }
        func cookie(_ payload: String, name: String = "farm") -> [UInt8] { Array("\(name)=".utf8) + value(payload) }
        let move = "farm=app&to=gold&exp=4102444800"
        let stay = "farm=app&member=b&exp=4102444800"
        let semicolon = Array("; ".utf8)
        return [
            ([], 0), (Array("farm=".utf8), 0), (Array("a=1; b=2".utf8), 0),
            (cookie(move), 1), (cookie("farm=*&to=gold&member=h&mode=strict&exp=4102444800"), 1), (cookie(stay), 0),
            (cookie("farm=app&to=app&exp=4102444800"), 0), (cookie("farm=gold&to=gold&exp=4102444800"), 0),
            (cookie("farm=app&to=nowhere&exp=4102444800"), 0), (cookie("farm=app&to=gold&exp=1"), 0),
            (cookie("farm=app&to=gold&member=a&exp=4102444800"), 0),
            (cookie("farm=app&to=gold&exp=4102444800&ip=192.0.2.1"), 1),
            (cookie("farm=app&to=gold&exp=4102444800&ip=192.0.2.2"), 0),
            (Array(cookie(move).dropLast()) + [0x41], 0), (cookie(move, name: "other"), 0),
            (cookie(stay) + semicolon + cookie(move), 0), (cookie(move) + semicolon + cookie(stay), 1),
            (cookie("farm=app&to=gold&exp=1") + semicolon + cookie(move), 1),
            (Array("x=farm=".utf8) + value(move), 0), (cookie(move) + Array(",y".utf8), 0),
        ]
    }()

    @Test(arguments: cases.indices) func itIsWhatTheInstructionSays(_ at: Int) throws {
        let abi = try Abi([
            FarmSpec("app", [MemberSpec("a"), MemberSpec("b")]), FarmSpec("gold", [MemberSpec("g"), MemberSpec("h")]),
        ])
        let (header, farm) = Self.cases[at]
        try HostKeys.$all.withValue(ForgeryTests.keys.map { (name: $0.0, key: $0.1) }) {
            var request = farm_request()
            let before = try Self.counted(abi)
            let target = Self.with(header) { text, length, client in
                farm_on_target(abi.engine, &request, text, length, client, 9)
            }
            #expect(target == farm)
            #expect(request.flags == 0 && request.farm == 0 && request.named == 0 && request.expires == 0)
            #expect(try Self.counted(abi) == before)
            Self.with(header) { text, length, client in
                farm_on_instruct(abi.engine, &request, text, length, client, 9)
            }
            #expect(request.farm == farm)
        }
    }

    private static func counted(_ abi: Abi) throws -> String {
        let status = String(decoding: abi.status(), as: UTF8.self)
        let start = try #require(status.range(of: "\"cookies\":"))
        return String(status[start.lowerBound...].prefix { $0 != "}" })
    }

    @discardableResult
    private static func with<Result>(
        _ header: [UInt8], _ call: (UnsafePointer<CChar>?, UInt32, UnsafePointer<CChar>) -> Result
    ) -> Result {
        header.withUnsafeBytes { bytes in
            "192.0.2.1".withCString {
                call(bytes.bindMemory(to: CChar.self).baseAddress, UInt32(bytes.count), $0)
            }
        }
    }
}
