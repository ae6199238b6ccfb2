import CFarm
import CFarmABI
import FarmCore
import FarmTestSupport
import Foundation
import Testing

@testable import FarmTables

/// What people write stays text, in every form of the status.
@Suite struct StatusEscapingTests {
    private static let texts: [String] = [
        "<script>alert(1)</script>", "</q></td></tr></table>", "\" onmouseover=\"alert(1)", "' onload='x", "&lt;",
        "&amp;&",
        "a: b", "\\", "\"", "\\\"", "}]", "<!--", "]]>", "\u{2028}x", "\u{2029}", "\u{202E}gnp", "\u{2066}",
        "a\u{FEFF}",
        "neue Kühlung ❄", "😀", "${x}", "{{x}}", "%3Cb%3E", " ", "-", "null", "a\" 1\n# EOF", "x\r\ny", "\u{0}",
        "\u{1B}[0m",
        "\u{7F}", "\u{85}", "line\nfarm[f].condition: down", String(repeating: "<", count: 300),
    ]

    private static func specs(url: String, name: String = "a") -> [FarmSpec] {
        var member = MemberSpec(name)
        member.url = url
        return [FarmSpec("f", [member, MemberSpec("b")])]
    }

    /// A farm off and a member draining, both for that reason, set by that person.
    private static func write(_ text: String, by: String? = nil, to engine: UnsafeMutablePointer<Engine>) {
        let (by, reason) = (bytes(by ?? text), bytes(text))
        by.withUnsafeBufferPointer { by in
            reason.withUnsafeBufferPointer { reason in
                let word = AdminWord(by: by, reason: reason, since: 1_790_000_000_000_000, until: 1_990_000_000_000_000)
                _ = engine.pointee.write(farm: 0) { row in
                    farm_row_note(row).set(word) { farm_publish32(&row.pointee.admin, FARM_ADMIN_OFF) }
                }
                _ = engine.pointee.write(farm: 0, local: 0) { row in
                    farm_member_row_note(row).set(word) { row.publish(row.state.with(admin: .drain)) }
                }
            }
        }
    }

    /// The note of a member as nothing of ours would write it.
    private static func scrawl(_ text: [UInt8], to engine: UnsafeMutablePointer<Engine>) {
        write("plain", to: engine)
        for note in [farm_row_note(engine.pointee.farms[0].row)!, farm_member_row_note(engine.row(0))!] {
            for (at, byte) in text.prefix(63).enumerated() {
                farm_note_by(note)[at] = CChar(bitPattern: byte)
                farm_note_reason(note)[at] = CChar(bitPattern: byte)
            }
            farm_note_by(note)[min(63, text.count)] = 0
            farm_note_reason(note)[min(63, text.count)] = 0
        }
    }

    private static func bytesOfPage(_ engine: UnsafeMutablePointer<Engine>, _ controls: String) -> [UInt8] {
        engine.status(.page, manager: controls.isEmpty ? "/m" : controls, nonce: controls.isEmpty ? "1" : controls)
    }

    private static func isText(_ bytes: [UInt8]) -> Bool {
        String(validating: bytes, as: UTF8.self) != nil && !bytes.contains { $0 < 0x20 && $0 != 0x0A || $0 == 0x7F }
    }

    /// Whatever is said, the page has the same tags and attributes.
    @Test func thePageHasOneShape() throws {
        let world = World()
        let engine = try world.child(Self.specs(url: "http://a/"), pid: 1)
        Self.write("plain", to: engine)
        let plain = try Markup(engine.text(.page, manager: "/m", nonce: "1"))
        #expect(plain.shape.contains("q") && plain.shape.contains { $0.hasPrefix("form ") })
        for text in Self.texts {
            Self.write(text, to: engine)
            let page = Self.bytesOfPage(engine, "")
            #expect(Self.isText(page), "\(text)")
            let markup = try Markup(String(decoding: page, as: UTF8.self))
            #expect(markup.shape == plain.shape, "\(text)")
            let section = engine.text(.section)
            #expect(try Markup(section).shape.contains("table border"), "\(text)")
        }
    }

    /// Also a row that holds what nobody may write: no byte of it becomes markup, or anything but UTF-8.
    @Test func bytesOfAnyKind() throws {
        let world = World()
        let engine = try world.child(Self.specs(url: "http://a/"), pid: 1)
        Self.write("plain", to: engine)
        let plain = try Markup(engine.text(.page, manager: "/m", nonce: "1"))
        var numbers = Numbers(21)
        for round in 0..<400 {
            let length = Int(numbers.next() % 63) + 1
            let text = (0..<length).map { _ in
                round % 2 == 0
                    ? UInt8(truncatingIfNeeded: numbers.next() | 1)
                    : bytes("<>\"'&/\u{1}\u{7F}é").randomElement(using: &numbers)!
            }
            Self.scrawl(text, to: engine)
            let page = Self.bytesOfPage(engine, "")
            #expect(Self.isText(page), "\(text)")
            #expect(try Markup(String(decoding: page, as: UTF8.self)).shape == plain.shape, "\(text)")
            #expect(Self.isText(engine.status(.lines)), "\(text)")
            #expect(Set(engine.lines().keys).count == engine.text(.lines).split(separator: "\n").count, "\(text)")
            let json = engine.status(.json)
            #expect(Self.isText(json), "\(text)")
            _ = try engine.json()
        }
    }

    /// The administrator who wrote the configuration, and the path and nonce of farm-manager.
    @Test func whatIsConfiguredIsTextToo() throws {
        let first = World()
        let plain = try Markup(
            first.child(Self.specs(url: "http://a/"), pid: 1).text(.page, manager: "/m", nonce: "1"))
        for text in Self.texts where !text.utf8.contains(0) {
            let world = World()
            // No farm and no member is called that; the escaping does not rest on it.
            let engine = try world.child(Self.specs(url: "http://a/" + text, name: String(text.prefix(20))), pid: 1)
            let page = engine.text(.page, manager: "/" + text, nonce: text)
            #expect(try Markup(page).shape == plain.shape, "\(text)")
            _ = try Markup(engine.text(.section))
            let member = try engine.memberJSON()
            let latin = String(String.UnicodeScalarView("http://a/\(text)".utf8.map { UnicodeScalar($0) }))
            #expect(member["url"] as? String == latin, "\(text)")
        }
        for text in Self.texts where !text.utf8.contains(0) {
            let world = World()
            let engine = try world.child(Self.specs(url: "http://a/" + text), pid: 1)
            let lines = engine.text(.lines).split(separator: "\n")
            #expect(lines.allSatisfy { $0.contains(": ") && $0.utf8.allSatisfy { $0 >= 0x20 && $0 < 0x7F } }, "\(text)")
            #expect(lines.count { $0.hasPrefix("farm[f].condition: ") } == 1, "\(text)")
        }
    }

    /// The JSON and the lines say what was written, as far as it may be.
    @Test func whatIsTextIsSaid() throws {
        let world = World()
        let engine = try world.child(Self.specs(url: "http://a/"), pid: 1)
        for text in Self.texts
        where bytes(text).withUnsafeBufferPointer({ PlainText.isPlain($0) }) && text.utf8.count < 64 {
            Self.write(text, to: engine)
            for json in [try engine.farmJSON(), try engine.memberJSON()] {
                #expect(json["admin_reason"] as? String == text && json["admin_by"] as? String == text)
            }
            #expect(engine.lines()["farm[f].member[a].admin_reason"] == text)
            #expect(engine.lines()["farm[f].admin_by"] == text)
        }
    }

    // MARK: The page's parts

    @Test func buttonsAreForThoseWhoMay() throws {
        let world = World()
        let engine = try world.child(Self.specs(url: "http://a/"), pid: 1)
        for (manager, nonce, hasLink, hasForms) in [
            ("", "", false, false), ("", "secret", false, false), ("/farm-manager", "", true, false),
            ("/farm-manager", "secret", true, true),
        ] {
            let page = engine.text(.page, manager: manager, nonce: nonce)
            #expect(page.contains("href=\"/farm-manager\"") == hasLink)
            #expect(page.contains("<form") == hasForms && page.contains("secret") == hasForms)
        }
        let page = engine.text(.page, manager: "/farm-manager", nonce: "secret")
        // One for the farm, two for each member.
        #expect(page.ranges(of: "name=\"nonce\" value=\"secret\"").count == 5)
        #expect(page.ranges(of: "<form method=\"post\" action=\"/farm-manager\">").count == 5)
        #expect(page.ranges(of: "name=\"farm\" value=\"f\"").count == 5)
        #expect(page.ranges(of: "name=\"member\" value=\"a\"").count == 2)
    }

    @Test(arguments: [0, 1, 11, 12, 40]) func farmsOfEverySize(_ count: Int) throws {
        let world = World(members: 64)
        let spec = FarmSpec("f", (0..<count).map { MemberSpec("m\($0)") })
        let engine = try world.child([spec, farm("g", "m0")], pid: 1)
        let markup = try Markup(engine.text(.page, manager: "/m", nonce: "1"))
        #expect(Set(markup.ids).count == markup.ids.count, "an id is one thing's")
        #expect(markup.ids.count { $0.hasPrefix("m-f/") } == count)
        #expect(markup.shape.contains { $0.hasPrefix("div class role") } == (count > 11), "a map of many members")
        #expect(markup.text.contains("No members") == (count == 0))
    }

    @Test func noFarmAtAll() throws {
        let world = World()
        let engine = try #require(world.configure([]))
        let markup = try Markup(engine.text(.page))
        #expect(markup.text.contains("0 of 0 farms are ok, 0 of 0 members are available"))
        #expect(!markup.shape.contains { $0.hasPrefix("section") })
        _ = try Markup(engine.text(.section))
        #expect((try engine.json()["farms"] as? [Any])?.isEmpty == true)
        #expect(engine.text(.openMetrics).hasSuffix("# EOF\n"))
        #expect(engine.lines().keys.allSatisfy { $0.hasPrefix("module.") || $0.hasPrefix("cookies.") })
    }
}
