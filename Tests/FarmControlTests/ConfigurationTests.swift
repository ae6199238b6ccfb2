import Testing

@testable import FarmControl

@Suite struct ConfigurationTests {
    static let text = #"""
        # farms
        Listen 80
        <Farm App>
            FarmMember "http://10.0.0.1:8080/a" name=a weight=2 tier=1 \
                maxinflight=7 timeout=5
            farmmember http://10.0.0.2/ ADMIN=drain
            FarmMember 'unix:/run/x.sock|http://host/' name=sock
            FarmAlgorithm RoundRobin
        </Farm>
        <farm gold >
        </farm>
        """#

    @Test func farmsAreRead() throws {
        let farms = try ConfiguredFarms(Self.text, path: "f").farms
        #expect(farms.map(\.name) == ["App", "gold"] && farms[0].algorithm == "roundrobin" && farms[1].members.isEmpty)
        let members = farms[0].members
        #expect(members.map(\.name) == ["a", "10.0.0.2:80", "sock"] && members.map(\.admin) == ["on", "drain", "on"])
        #expect(members[0].weight == 2 && members[0].tier == 1 && members[0].mostInflight == 7 && members[0].line == 4)
        #expect(members[2].url == "unix:/run/x.sock|http://host/" && members[1].line == 6)
    }

    @Test(
        arguments: [
            ("FarmMember http://a/", "line 1: FarmMember stands in <Farm NAME>"), ("<Farm a>", "has no </Farm>"),
            ("</Farm>", "without <Farm NAME>"), ("<Farm a>\n<Farm b>", "line 2: <Farm> in <Farm a>"),
            ("<Farm a.b>", "not 'a.b'"),
            ("<Farm a>\nFarmMember x", "takes URL"), ("<Farm a>\nFarmMember http://a/ weight", "key=value"),
            ("<Farm a>\nFarmMember http://a/ weight=0", "from 1 to 1000"),
            ("<Farm a>\nFarmMember http://${H}/", "a variable"),
            ("<Farm a>\nFarmMember http://[::1]/", "needs a name="),
            ("<Farm a>\n</Farm>\n<Farm A>\n</Farm>", "stands twice"),
            ("<Farm a>\nFarmMember http://x/ name=m\nFarmMember http://y/ name=m", "has a member m already"),
            ("FarmAlgorithm x", "stands in <Farm NAME>"),
        ] as [(String, String)])
    func wrongFiles(_ text: String, _ says: String) async {
        let failure = await failure { _ = try ConfiguredFarms(text, path: "f") }
        #expect(failure?.status == .data && failure?.message.contains(says) == true, "\(failure?.message ?? "")")
        #expect(failure?.message.hasPrefix("f, line ") == true)
    }

    @Test func whatIsNotFollowedIsNoted() throws {
        let notes = try ConfiguredFarms("Include x.conf\n<IfDefine A>\n</IfDefine>\n", path: "f").notes
        #expect(notes.count == 2 && notes[0] == "f, line 1: Include x.conf: not followed; check that file too")
    }

    @Test func wordsAreHttpds() {
        #expect(ConfigurationText.words(#"a "b c" 'd "e' "f\"g" h"#) == ["a", "b c", "d \"e", "f\"g", "h"])
        #expect(ConfigurationText("a \\\n b\n#c\n d").lines.map(\.words) == [["a", "b"], ["d"]])
        #expect(ConfigurationText("a \\\n b\n#c\n d").lines.map(\.number) == [1, 4])
    }

    static func status(_ more: String = "", farms: String...) throws -> FarmsStatus {
        let member = """
            {"name":"a","url":"http://10.0.0.1:8080/a/","admin":"on","weight":2,"tier":1,"max_inflight":7\(more)}
            """
        return try Sample.read(
            Sample.status(
                "{\"name\":\"app\",\"algorithm\":\"roundrobin\",\"admin\":\"on\",\"members\":[\(member)]}",
                farms.joined(separator: ",")
            )
            .replacing(",]", with: "]"))
    }

    static let plain = """
        <Farm app>
        FarmMember http://10.0.0.1:8080/a name=a weight=2 tier=1 maxinflight=7
        FarmAlgorithm roundrobin
        </Farm>
        """

    @Test func theSameIsNoDifference() throws {
        let farms = try ConfiguredFarms(Self.plain, path: "f").farms
        #expect(Differences(farms, try Self.status(farms: "")).all.isEmpty)
    }

    @Test(
        arguments: [
            ("weight=2", "weight=3", "app/a: weight is 2 in the server and 3 in the file"),
            ("tier=1", "tier=0", "app/a: tier is 1 in the server and 0 in the file"),
            ("maxinflight=7", "", "app/a: maxinflight is 7 in the server and 0 in the file"),
            ("weight=2", "weight=2 admin=off", "app/a: admin is on in the server and off in the file"),
            (
                "10.0.0.1", "10.0.0.9",
                "app/a: url is http://10.0.0.1:8080/a in the server and http://10.0.0.9:8080/a in the file"
            ),
            ("roundrobin", "load", "app: algorithm is roundrobin in the server and load in the file"),
            (
                "FarmAlgorithm", "FarmMember http://x/ name=b\nFarmAlgorithm",
                "app: member b is in the file and not in the server"
            ),
            ("<Farm app>", "<Farm web>\n</Farm>\n<Farm app>", "web: farm web is in the file and not in the server"),
        ] as [(String, String, String)])
    func differences(_ old: String, _ new: String, _ line: String) throws {
        let farms = try ConfiguredFarms(Self.plain.replacing(old, with: new), path: "f").farms
        #expect(Differences(farms, try Self.status(farms: "")).all.map(\.line) == [line])
    }

    @Test func whatOnlyTheServerHas() throws {
        let status = try Self.status(farms: Sample.farm("gold", Sample.member("g")))
        let farms = try ConfiguredFarms("<Farm app>\nFarmAlgorithm roundrobin\n</Farm>", path: "f").farms
        #expect(
            Differences(farms, status).all.map(\.line) == [
                "app: member a is in the server and not in the file",
                "gold: farm gold is in the server and not in the file",
            ])
    }

    @Test func aFileThatIsNotThere() async {
        #expect(await failure { _ = try ConfigurationCheck(files: ["/no/such/file"]) }?.status == .noInput)
        #expect(await failure { _ = try ConfigurationCheck(files: ["/"]) }?.status == .noInput)
    }
}
