import Testing

@testable import FarmCore

/// Which answers a shared cache is invited to keep, with a cookie that is set on them.
@Suite struct CacheControlTests {
    private func shares(_ text: String, privateIsEnough: Bool = false) -> Bool {
        Array(text.utf8).withUnsafeBufferPointer {
            CacheControl.sharesCookies($0, privateIsEnough: privateIsEnough)
        }
    }

    @Test(arguments: [
        "public", "PubLic", "s-maxage=0", "s-maxage", "max-age=60", "max-age=60, must-revalidate",
        "private, s-maxage=1",
        "public, private", "max-age=1,no-store", "no-cache, public", "private=\"x\", max-age=1", ", ,\tpublic",
        "x=\"a\\\"\", public",
        "x=\"a, private\",max-age=1", "max-age = 60", "no-cache=\"set-cookie2\", public",
    ]) func shared(_ text: String) { #expect(shares(text)) }

    @Test(arguments: [
        "", " ", ",", "private", "private, max-age=60", "max-age=60 , Private", "no-store", "no-cache", "publics",
        "xpublic",
        "max-age2=1", "x=\"public\"", "x=\"public", "x=\"public\\", "no-cache=\"set-cookie\", public",
        "public, no-cache=\"a,Set-Cookie , b\"", "private=set-cookie, max-age=1", "=", "=public", "\"public\"",
    ]) func notShared(_ text: String) { #expect(!shares(text)) }

    /// Where `private` is what keeps the answer out, it is not said twice.
    @Test func privateBesideOthers() {
        #expect(shares("public, private") && !shares("public, private", privateIsEnough: true))
        #expect(shares("public", privateIsEnough: true) && shares("max-age=1", privateIsEnough: true))
    }
}
