import CFarm
import CFarmABI
import FarmCore
import FarmTestSupport
import Testing

@testable import FarmTables

/// Members by the route that a client's session names.
@Suite struct MemberIndexTests {
    private func spec(_ members: [MemberSpec], sticky: Bool = true) -> FarmSpec {
        var spec = FarmSpec("f", members)
        spec.sticky = sticky ? ("SID", "sid") : nil
        return spec
    }

    private func find(_ engine: UnsafeMutablePointer<Engine>, _ route: String, farm: Int = 0) -> UInt32? {
        bytes(route).withUnsafeBufferPointer { engine.pointee.routes[farm].find($0) }
    }

    private func member(_ name: String, route: String? = nil, redirect: UInt32? = nil, admin: UInt32 = 0) -> MemberSpec
    {
        var member = MemberSpec(name, admin: admin)
        member.route = route
        member.redirect = redirect
        return member
    }

    @Test func byRouteOrByName() throws {
        let world = World()
        var other = spec([member("x")])
        other.name = "g"
        let engine = try #require(
            world.configure([spec([member("a", route: "node1"), member("b"), member("10.0.0.1:80")]), other]))
        #expect(find(engine, "node1") == 0 && find(engine, "b") == 1 && find(engine, "10.0.0.1:80") == 2)
        for unknown in ["a", "", "B", "node", "node11", "x", "node1 "] {
            #expect(find(engine, unknown) == nil, "\(unknown)")
        }
        #expect(find(engine, "x", farm: 1) == 0)
    }

    @Test func withoutStickinessNobody() throws {
        let world = World()
        let engine = try #require(world.configure([spec([member("a")], sticky: false), FarmSpec("empty", [])]))
        #expect(find(engine, "a") == nil && find(engine, "", farm: 1) == nil)
    }

    /// Every size of a farm, so that entries meet.
    @Test func manyMembers() throws {
        let world = World(members: 200)
        for count in [1, 3, 4, 5, 8, 9, 63, 64, 65, 150] {
            let engine = try #require(
                world.configure([spec((0..<count).map { member("m\($0)", route: "r\($0)") })], members: 200))
            #expect((0..<count).allSatisfy { find(engine, "r\($0)") == UInt32($0) })
            #expect(find(engine, "r\(count)") == nil && find(engine, "m0") == nil)
        }
    }

    // MARK: A request

    private func tied(
        _ engine: UnsafeMutablePointer<Engine>, cookies: String = "", path: String = "/", query: String = ""
    ) -> farm_request? {
        var request = farm_request()
        request.flags = FARM_REQUEST_IDEMPOTENT | FARM_REQUEST_BODY_READY
        bytes(cookies).withUnsafeBufferPointer { cookies in
            bytes(path).withUnsafeBufferPointer { path in
                bytes(query).withUnsafeBufferPointer { engine.tie(&request, cookies: cookies, path: path, query: $0) }
            }
        }
        return engine.choose(&request, now: 10) ? request : nil
    }

    @Test func aSessionStays() throws {
        let world = World()
        let engine = try world.child([spec((0..<4).map { member("m\($0)") })], pid: 1)
        for at: UInt32 in 0..<4 {
            for request in [
                tied(engine, cookies: "a=b; SID=x.m\(at)"), tied(engine, path: "/a;sid=x.m\(at)"),
                tied(engine, query: "sid=x.m\(at)"),
                tied(engine, cookies: "SID=x.m3", path: "/a;sid=x.m\(at)"),
            ] {
                #expect(request?.member == at && (request?.flags ?? 0) & FARM_REQUEST_TIED != 0)
            }
        }
        for _ in 0..<20 {
            let other = tied(engine, cookies: "SID=x.gone")
            #expect(other != nil && (other?.flags ?? 0) & (FARM_REQUEST_TIED | FARM_REQUEST_NAMED) == 0)
        }
    }

    /// The second attempt of a request that was tied goes to its stand-in, and after that to whoever there is.
    @Test func theWayOfAFailure() throws {
        let world = World()
        let engine = try world.child([spec([member("a", redirect: 2), member("b"), member("c")])], pid: 1)
        var request = try #require(tied(engine, cookies: "SID=x.a"))
        var members = [request.member]
        while engine.end(&request, saw: .unreachable, mayResend: true, bytesIn: 0, bytesOut: 0, now: 20),
            engine.choose(&request, now: 20)
        {
            members.append(request.member)
            #expect((request.flags & FARM_REQUEST_TIED != 0) == (members.count == 2))
        }
        #expect(members == [0, 2, 1])
    }

    @Test func aDrainingMemberAndOneThatIsOff() throws {
        let world = World()
        let engine = try world.child(
            [spec([member("a", admin: 1), member("b", redirect: 2, admin: 2), member("c"), member("d")])], pid: 1)
        #expect(tied(engine, cookies: "SID=x.a")?.member == 0)
        for _ in 0..<10 { #expect(tied(engine, cookies: "SID=x.b")?.member == 2) }
        for _ in 0..<40 { #expect((tied(engine)?.member ?? 0) >= 2) }
    }

    /// A stand-in that is none of the farm's members is nobody.
    @Test func aStandInThatIsNot() throws {
        let world = World()
        let engine = try world.child(
            [spec([member("a", redirect: 77, admin: 2), member("b")]), farm("g", "x")], pid: 1)
        #expect(tied(engine, cookies: "SID=x.a")?.member == 1)
    }
}
