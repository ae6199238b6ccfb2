import FarmTestSupport
import Testing

@testable import FarmCore

/// The route of a session, as mod_proxy_balancer's stickysession finds it: what follows the last dot of the path parameter,
/// of the same in the query, or else of the cookie.
@Suite struct RouteTests {
    private func find(
        cookies: String = "", path: String = "/", query: String = "", cookie: String = "SID", parameter: String = "sid"
    ) -> String? {
        // Each in a buffer of its own length.
        bytes(cookie).withUnsafeBufferPointer { cookie in
            bytes(parameter).withUnsafeBufferPointer { parameter in
                bytes(cookies).withUnsafeBufferPointer { cookies in
                    bytes(path).withUnsafeBufferPointer { path in
                        bytes(query).withUnsafeBufferPointer { query in
                            Route.find(cookie: cookie, parameter: parameter, cookies: cookies, path: path, query: query)
                                .map(Reading.text)
                        }
                    }
                }
            }
        }
    }

    @Test(
        arguments: [
            ("SID=a.r1", "r1"), ("SID=4F2A.b.r2", "r2"), ("a=1; SID=x.r1", "r1"), ("a=1;SID=x.r1", "r1"),
            ("a=1;  \tSID=x.r1; b=2", "r1"), ("SID=x.r1;a=1", "r1"), ("a=1,SID=x.r1", "r1"),
            ("a=1, SID=x.r1,b=2", "r1"),
            ("SID=.r1", "r1"), ("SID=\"x.r1\"", "r1"), ("SID=\"x.r1\"; a=1", "r1"), ("SID=a=b.r=1", "r=1"),
            ("XSID=x.r1; SID=x.r2", "r2"), ("SIDX=x.r1; SID=x.r2", "r2"), ("a=SID=x.r1; SID=x.r2", "r2"),
            ("SID=x.r1; SID=x.r2", "r1"), ("SID; SID=x.r2", "r2"), ("SID=x.r-1_b", "r-1_b"),
            ("SID=x.10.0.0.1:8080", "1:8080"), (" SID=x.r1", "r1"), ("SID=\u{FC}.r\u{E4}", "r\u{E4}"),
            ("; ; ;SID=x.r1", "r1"), ("SID=x.r1 ; a", "r1"),
        ])
    func aCookie(_ cookies: String, _ route: String) { #expect(find(cookies: cookies) == route) }

    @Test(arguments: [
        "", "SID", "SID=", "SID=x", "SID=x.", "SID=\"x.\"", "SID=\"\"", "SID=.", "sid=x.r1", "Sid=x.r1", "XSID=x.r1",
        "SIDX=x.r1", "a=SID=x.r1", "SID =x.r1x;", "a=1 SIDE=x.r1", "SID;x.r1", "a.r1", "SID=x; a=y.r1",
    ])
    func noCookie(_ cookies: String) { #expect(find(cookies: cookies) == nil) }

    @Test(
        arguments: [
            ("/a;sid=x.r1", "r1"), ("/a;b=1;sid=x.r1", "r1"), ("/a;sid=x.r1;b=1", "r1"), ("/a;sid=x.r1/b/c", "r1"),
            ("/a;sid=x.r1?q=y.r2", "r1"), (";sid=x.r1", "r1"), ("/a;sid=x.y.r1", "r1"), ("/sid=x.r0;sid=x.r1", "r1"),
            ("/a;xsid=x.r2;sid=x.r1", "r1"),
        ])
    func aPathParameter(_ path: String, _ route: String) { #expect(find(path: path) == route) }

    @Test(arguments: [
        "/a/sid=x.r1", "/a;xsid=x.r1", "/a;sidx=x.r1", "/a;sid", "/a;sid=", "/a;sid=x", "sid=x.r1", "/a;SID=x.r1",
        "/a,sid=x.r1",
        "/a; sidx=x.r1",
    ])
    func noPathParameter(_ path: String) { #expect(find(path: path) == nil) }

    @Test(
        arguments: [
            ("sid=x.r1", "r1"), ("a=1&sid=x.r1", "r1"), ("sid=x.r1&a=1", "r1"), ("&&sid=x.r1", "r1"),
            ("a&sid=x.r1", "r1"),
        ])
    func aQuery(_ query: String, _ route: String) { #expect(find(query: query) == route) }

    /// A query is none of cookies: `&` alone begins another of its parts.
    @Test(arguments: [
        "a=1,sid=x.r1", "a=1, sid=x.r1", "xsid=x.r1", "a=sid=x.r1", "sid", "SID=x.r1", " sid=x.r1", "a=1&,sid=x.r1",
    ])
    func noQuery(_ query: String) { #expect(find(query: query) == nil) }

    /// The path's goes before the query's, and either before the cookie's, also when there is no route in it.
    @Test func whichGoesFirst() {
        #expect(find(cookies: "SID=x.c", path: "/a;sid=x.p", query: "sid=x.q") == "p")
        #expect(find(cookies: "SID=x.c", query: "sid=x.q") == "q")
        #expect(find(cookies: "SID=x.c", path: "/a;other=x.p", query: "other=x.q") == "c")
        #expect(find(cookies: "SID=x.c", path: "/a;sid=none") == nil)
    }

    /// As in mod_proxy_balancer, one without any value is as good as absent.
    @Test func anEmptyParameterIsNone() {
        #expect(find(cookies: "SID=x.c", path: "/a;sid=") == "c")
        #expect(find(cookies: "SID=x.c", query: "sid=") == "c")
        #expect(find(cookies: "SID=; SID=x.c") == "c")
    }

    @Test func withoutAName() {
        #expect(find(cookies: "=x.r1", path: "/;=x.r1", query: "=x.r1", cookie: "", parameter: "") == nil)
        #expect(find(cookies: "SID=x.r1", path: "/;=x.r2", query: "=x.r3", parameter: "") == "r1")
        #expect(find(cookies: "=x.r1", query: "sid=x.r2", cookie: "") == "r2")
    }

    /// Every text that a few characters make: what is found is in the text after a dot, without what ends a value.
    @Test func everyText() {
        let letters = bytes("sid=.;& ,\"/?a")
        var numbers = Numbers(9)
        for _ in 0..<50_000 {
            let text = (0..<Int.random(in: 0...14, using: &numbers)).map { _ in letters.randomElement(using: &numbers)!
            }
            let string = String(decoding: text, as: UTF8.self)
            for route in [
                find(cookies: string, cookie: "sid"), find(path: string), find(query: string),
            ] {
                guard let route else { continue }
                if !string.contains("." + route) || route.isEmpty || route.contains(".") || route.contains(";") {
                    Issue.record("\(route) in \(string)")
                }
            }
        }
    }
}
