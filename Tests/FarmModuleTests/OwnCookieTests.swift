import CFarmABI
import FarmTestSupport
import Foundation
import Testing

/// The cookie of FarmSticky cookie through the C functions: when one is set, for whom, and what it is good for.
@Suite struct OwnCookieTests {
    private static let keys: [(name: String, key: String)] = [("k1", "only-an-example-and-not-a-secret")]

    private static func spec(_ name: String, _ members: String..., sets: Bool = true, own: String? = nil) -> FarmSpec {
        var spec = FarmSpec(name, members.map { MemberSpec($0) })
        spec.setsCookie = sets
        spec.ownCookie = own
        return spec
    }

    private static func mint(_ payload: String) -> String {
        String(decoding: ForgeryTests.mint(payload, (name: keys[0].name, key: keys[0].key)), as: UTF8.self)
    }

    private func with(_ farms: [FarmSpec], _ body: (Abi) throws -> Void) throws {
        try HostKeys.$all.withValue(Self.keys) { try body(Abi(farms)) }
    }

    /// A request with these cookies, chosen for: its member and the cookie that it is given.
    private func ask(
        _ abi: Abi, _ cookies: String, farm: UInt32 = 0, forwardedFrom first: UInt32? = nil
    ) -> (member: UInt32, set: String?, flags: UInt32) {
        var request = farm_request()
        request.farm = farm
        request.addressed = first ?? farm
        request.flags = FARM_REQUEST_IDEMPOTENT
        let look = first == nil ? farm_on_instruct : farm_on_stick
        cookies.withCString { look(abi.engine, &request, $0, UInt32(cookies.utf8.count), "192.0.2.1", 9) }
        guard farm_on_choose(abi.engine, &request, 1) == 1 else { return (FARM_NONE, nil, request.flags) }
        var room = [CChar](repeating: 0, count: Int(FARM_SET_COOKIE_MOST))
        let count = farm_on_set_cookie(abi.engine, &request, &room)
        let flags = request.flags
        farm_on_drop(abi.engine, &request)
        let text = String(decoding: room[..<Int(count)].map { UInt8(bitPattern: $0) }, as: UTF8.self)
        return (request.member, count == 0 ? nil : text, flags)
    }

    @Test func whatIsSetHolds() throws {
        try with([Self.spec("app", "a", "b", "c")]) { abi in
            for _ in 0..<50 {
                let first = ask(abi, "")
                let cookie = try #require(first.set)
                #expect(cookie.hasPrefix("farm.app=v1.k1."))
                for _ in 0..<5 {
                    let next = ask(abi, "x=1; \(cookie); y=2")
                    #expect(next.member == first.member && next.set == nil && next.flags & FARM_REQUEST_OWN != 0)
                }
            }
        }
    }

    /// The longest names there are fit.
    @Test func theLongest() throws {
        let name = String(repeating: "f", count: 63)
        let member = String(repeating: "m", count: 63)
        try with([Self.spec(name, member, own: String(repeating: "c", count: 128)), Self.spec("app", "a")]) { abi in
            for _ in 0..<200 {
                for first in [nil, 1] as [UInt32?] {
                    let cookie = try #require(ask(abi, "", forwardedFrom: first).set)
                    #expect(ask(abi, cookie, forwardedFrom: first).set == nil)
                }
            }
        }
    }

    /// A cookie that was set for a forwarded request holds in its farm however a request comes there, and in no other.
    @Test func forAnyFarm() throws {
        try with([Self.spec("app", "a", "b", "c"), Self.spec("gold", "a", "b", "c")]) { abi in
            for _ in 0..<20 {
                let first = ask(abi, "", farm: 1, forwardedFrom: 0)
                let cookie = try #require(first.set)
                #expect(cookie.hasPrefix("farm.gold="))
                for (farm, from) in [(1, 0), (1, nil)] as [(UInt32, UInt32?)] {
                    let next = ask(abi, cookie, farm: farm, forwardedFrom: from)
                    #expect(next.member == first.member && next.set == nil)
                }
                #expect(ask(abi, cookie).set?.hasPrefix("farm.app=") == true)
                // By to=, which ties nobody.
                let to = "farm=" + Self.mint("farm=app&to=gold&exp=4102444800")
                let moved = ask(abi, "\(to); \(cookie)")
                #expect(moved.member == first.member && moved.set == nil)
            }
        }
    }

    /// Ties of a backend's are left alone, under any name; a farm that sets no cookie looks at none.
    @Test func backends() throws {
        try with([Self.spec("app", "a", "b"), Self.spec("off", "a", "b", sets: false)]) { abi in
            let tie = Self.mint("farm=app&member=b&mode=safe&exp=4102444800")
            for cookies in ["farm=\(tie)", "farm.app=\(tie)"] {
                let answer = ask(abi, cookies)
                #expect(answer.member == 1 && answer.set == nil && answer.flags & FARM_REQUEST_OWN == 0)
            }
            let own = "%66arm=off&member=b&mode=safe&exp=4102444800"
            #expect(ask(abi, "farm.off=\(Self.mint(own))", farm: 1).flags & FARM_REQUEST_NAMED == 0)
            #expect(ask(abi, "farm=\(Self.mint(own))", farm: 1).flags & FARM_REQUEST_NAMED != 0)
            let both = ask(abi, "farm.app=\(Self.mint("%66arm=app&member=a&mode=safe&exp=4102444800")); farm=\(tie)")
            #expect(both.member == 1 && both.set == nil)
        }
    }

    /// The cookies of all farms are hidden, and nothing that is only like them.
    @Test func hidden() throws {
        try with([Self.spec("app", "a"), Self.spec("gold", "g", own: "GOLD"), Self.spec("off", "o", sets: false)]) {
            abi in
            for farm in 0..<3 as Range<UInt32> {
                var request = farm_request()
                request.farm = farm
                let text = "x=1; farm=2; farm.app=3; GOLD=4; GOLDEN=5; farm.off=6; farm.gold=7; gold=8; farm.app =9"
                var room = [CChar](repeating: 0, count: text.utf8.count)
                let count = text.withCString {
                    farm_on_hide(abi.engine, &request, $0, UInt32(text.utf8.count), &room)
                }
                #expect(
                    String(decoding: room[..<Int(count)].map { UInt8(bitPattern: $0) }, as: UTF8.self)
                        == "x=1; GOLDEN=5; farm.off=6; farm.gold=7; gold=8; farm.app =9")
            }
        }
    }
}
