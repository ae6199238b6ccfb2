import CFarmABI
import FarmTestSupport
import Foundation
import Testing

/// The status in each of its forms through the C function, whatever it is asked and however many farms there are.
@Suite struct StatusHostileTests {
    static let formats = [
        FARM_STATUS_JSON, FARM_STATUS_OPENMETRICS, FARM_STATUS_TEXT, FARM_STATUS_PAGE, FARM_STATUS_SECTION,
    ]

    private func status(
        _ engine: OpaquePointer?, _ format: UInt32, _ controls: UnsafePointer<farm_controls>? = nil
    ) -> String {
        let output = Output()
        farm_on_status(engine, format, controls, output.handle)
        #expect(output.timesSaid == 0, "the status of an answer is not its to set")
        #expect(String(validating: output.bytes, as: UTF8.self) != nil)
        return output.text
    }

    /// Whether it is one of that form, whole.
    private func isWhole(_ text: String, _ format: UInt32) -> Bool {
        switch format {
        case FARM_STATUS_JSON: (try? StatusTests.parse(Array(text.utf8))) != nil
        case FARM_STATUS_OPENMETRICS: text.hasPrefix("# TYPE ") && text.hasSuffix("\n# EOF\n")
        case FARM_STATUS_TEXT:
            text.hasSuffix("\n")
                && text.split(separator: "\n", omittingEmptySubsequences: false).dropLast().allSatisfy {
                    $0.contains(": ") && !$0.hasSuffix(": ")
                }
        case FARM_STATUS_PAGE: text.contains("<main ") && text.hasSuffix("</footer>\n")
        case FARM_STATUS_SECTION: text.contains("<h2>mod_proxy_farm</h2>")
        default: text.isEmpty
        }
    }

    @Test func formatsThatAreNot() throws {
        let abi = try Abi([FarmSpec("app", [MemberSpec("a")])])
        for format in [5, 6, 255, 256, 0x7FFF_FFFF, 0x8000_0000, .max - 1, .max] as [UInt32] {
            #expect(status(abi.engine, format) == "", "format \(format)")
        }
    }

    @Test func nullEverywhere() throws {
        let abi = try Abi([FarmSpec("app", [MemberSpec("a")])])
        var controls = farm_controls()
        for format in Self.formats + [5, .max] {
            #expect(status(nil, format) == "")
            #expect(status(nil, format, &controls) == "")
            farm_on_status(nil, format, nil, nil)
            farm_on_status(abi.engine, format, nil, nil)
            farm_on_status(abi.engine, format, &controls, nil)
        }
    }

    /// A length without a text is no text.
    @Test func controlsThatAreNot() throws {
        let abi = try Abi([FarmSpec("app", [MemberSpec("a")])])
        let plain = Self.formats.map { format in still { status(abi.engine, format) }.count }
        for lengths in [(0, 0), (1, 1), (.max, .max), (0, .max)] as [(UInt32, UInt32)] {
            var controls = farm_controls()
            controls.manager_length = lengths.0
            controls.nonce_length = lengths.1
            for (at, format) in Self.formats.enumerated() {
                #expect(still { status(abi.engine, format, &controls) }.count == plain[at])
            }
        }
        // Texts without a length: they are not followed.
        let wild = UnsafePointer<CChar>(bitPattern: 8)
        var controls = farm_controls(manager: wild, nonce: wild, manager_length: 0, nonce_length: 0)
        for (at, format) in Self.formats.enumerated() {
            #expect(still { status(abi.engine, format, &controls) }.count == plain[at])
        }
    }

    /// With clocks that stand: a page says how long ago things were.
    private func still<Result>(_ body: () -> Result) -> Result {
        HostClock.$now.withValue(1) { HostClock.$wall.withValue(4_004_208_000_000_000, operation: body) }
    }

    /// Only the page looks at them; and only as far as they go.
    @Test func controlsOfAnyLength() throws {
        let abi = try Abi([FarmSpec("app", [MemberSpec("a")])])
        for length in [1, 4_095, 4_096, 70_000] {
            let path = "/" + String(repeating: "m", count: length - 1)
            let (manager, nonce) = (Array((path + "beyond").utf8CString), Array("0123beyond".utf8CString))
            manager.withUnsafeBufferPointer { manager in
                nonce.withUnsafeBufferPointer { nonce in
                    var controls = farm_controls(
                        manager: manager.baseAddress, nonce: nonce.baseAddress, manager_length: UInt32(length),
                        nonce_length: 4)
                    for format in Self.formats {
                        let text = status(abi.engine, format, &controls)
                        #expect(isWhole(text, format) && !text.contains("beyond"))
                        let isPage = format == FARM_STATUS_PAGE
                        #expect(text.contains("action=\"\(path)\"") == isPage)
                        #expect(text.contains("value=\"0123\"") == isPage)
                    }
                }
            }
        }
    }

    @Test(arguments: [0, 1, 1_000]) func anyNumberOfMembers(_ count: Int) throws {
        let members = (0..<count).map { MemberSpec("member-\($0)", weight: UInt32($0 % 5 + 1)) }
        let config = Config(
            count == 0 ? [] : [FarmSpec("big", members), FarmSpec("empty", [])], memberCapacity: 1_024, slots: 2)
        let pool = Pool()
        let tables = try #require(Abi.makeTables(config, pool, FARM_LOCKS_ENGINE))
        let engine = try #require(farm_on_engine_create(tables, config.pointer))
        #expect(farm_on_child_start(engine, 1) == FARM_CHILD_SERVES)
        for format in Self.formats { #expect(isWhole(status(engine, format), format), "format \(format)") }
        let json = try StatusTests.parse(Array(status(engine, FARM_STATUS_JSON).utf8))
        let farms = try #require(json["farms"] as? [[String: Any]])
        #expect(farms.count == (count == 0 ? 0 : 2))
        if let told = farms.first?["members"] as? [[String: Any]] {
            #expect(told.map { $0["name"] as? String } == members.map(\.name))
            let shares = told.compactMap { $0["share"] as? Double }.reduce(0, +)
            #expect(shares > 0.9 && shares < 1.1, "each is rounded to four decimals")
        }
        let text = status(engine, FARM_STATUS_TEXT)
        #expect(text.ranges(of: "].weight: ").count == count)
        let metrics = status(engine, FARM_STATUS_OPENMETRICS)
        #expect(metrics.ranges(of: "\nfarm_member_requests_total{").count == count)
        let page = status(engine, FARM_STATUS_PAGE)
        #expect(page.ranges(of: "<tbody ").count == count)
        #expect(status(engine, FARM_STATUS_SECTION).ranges(of: "<tr><td>").count == count)
        farm_on_engine_destroy(engine)
        withExtendedLifetime((config, pool)) {}
    }

    /// The parent and a child without a slot say the same.
    @Test func whoServesNothing() throws {
        let abi = try Abi([FarmSpec("app", [MemberSpec("a")])], pid: nil)
        for format in Self.formats { #expect(isWhole(status(abi.engine, format), format)) }
    }

    /// Clocks that stand at their ends, or go back behind everything that has been.
    @Test func clocksOfEveryKind() async {
        await #expect(processExitsWith: .success) {
            var spec = FarmSpec("app", [MemberSpec("a"), MemberSpec("b")])
            (spec.expect, spec.slowStart, spec.eject) = (1_000_000, .max, true)
            guard let abi = try? Abi([spec]) else { preconditionFailure("no tables") }
            var text = Array("farm=app&member=a&cpu=1".utf8CString)
            farm_on_update(abi.engine, &text, UInt32(text.count - 1), nil, nil)
            for now in [0, 1, 1 << 32, 1 << 63, .max - 1, .max] as [UInt64] {
                for wall in [0, 1, 1_790_000_000_000_000, 1 << 60] as [UInt64] {
                    HostClock.$now.withValue(now) {
                        HostClock.$wall.withValue(wall) {
                            for format in StatusHostileTests.formats {
                                let output = Output()
                                farm_on_status(abi.engine, format, nil, output.handle)
                                precondition(!output.bytes.isEmpty)
                            }
                            farm_on_tick(abi.engine)
                        }
                    }
                }
            }
        }
    }
}
