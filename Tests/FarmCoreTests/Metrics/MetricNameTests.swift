import FarmTestSupport
import Testing

@testable import FarmCore

@Suite struct MetricNameTests {
    static func named(_ text: [UInt8]) -> MetricName? { text.withUnsafeBufferPointer { MetricName($0) } }
    static func named(_ text: String) -> MetricName? { named(bytes(text)) }

    @Test(arguments: [
        "a", "Z", "_", "__", "cpu", "cpu_utilization", "db.conns", "a.", "a..b", "_1", "x0123456789",
        String(repeating: "a", count: 32),
    ])
    func isAName(_ text: String) throws {
        let name = try #require(Self.named(text))
        #expect(bytes(text).withUnsafeBufferPointer { Names.isMetric($0) })
        #expect(Reading.name(name) == text)
        let pieces = Pieces()
        pieces.write { name.write(to: &$0) }
        #expect(pieces.text == text)
    }

    @Test(arguments: [
        "", "0", "1a", ".a", ".", "-", "a-b", "a b", " a", "a ", "a\u{0}", "ä", "aä", "a:b", "a/b", "a%62",
        String(repeating: "a", count: 33), String(repeating: "a", count: 100_000),
    ])
    func isNone(_ text: String) {
        #expect(Self.named(text) == nil)
        #expect(!bytes(text).withUnsafeBufferPointer { Names.isMetric($0) })
    }

    /// Every byte, first and second, against the sets as the contract spells them.
    @Test func everyByte() {
        let first = Set(bytes("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_"))
        let next = first.union(bytes("0123456789."))
        for byte in UInt8.min...UInt8.max {
            #expect((Self.named([byte]) != nil) == first.contains(byte), "byte \(byte)")
            #expect((Self.named([0x61, byte]) != nil) == next.contains(byte), "byte \(byte)")
        }
    }

    @Test func aNameWithoutAnAddressIsNone() {
        #expect(MetricName(UnsafeBufferPointer(start: nil, count: 0)) == nil)
    }

    /// Published vectors of FNV-1a.
    @Test(
        arguments: [("a", 0xE40C_292C), ("b", 0xE70C_2DE5), ("foobar", 0xBF9C_F968), ("hello", 0x4F9F_2CAB)]
            as [(String, UInt32)])
    func hash(_ text: String, is golden: UInt32) { #expect(Self.named(text)?.hash == golden) }

    /// Names that differ in one byte, in case or in length are different names.
    @Test func equality() {
        let names = [
            "cpu", "CPU", "cpV", "Cpu", "cp", "cpu.", "cpuu", "_cpu", String(repeating: "a", count: 32),
            String(repeating: "a", count: 31), String(repeating: "a", count: 31) + "b",
        ]
        for (at, a) in names.enumerated() {
            for (other, b) in names.enumerated() { #expect((Self.named(a) == Self.named(b)) == (at == other)) }
        }
    }

    /// Two names that were found to share a hash, so that equality cannot rest on it.
    @Test func aSharedHashIsNoEquality() throws {
        let (a, b) = try #require(Self.collision())
        #expect(a.hash == b.hash)
        #expect(a != b)
    }

    /// By the paradox of birthdays some 100,000 names of one length have one with a chance of two thirds, and the names
    /// are always the same.
    private static func collision() -> (MetricName, MetricName)? {
        var seen: [UInt32: Int] = [:]
        for at in 0..<400_000 {
            let name = named("a\(1_000_000 + at)")!
            if let other = seen.updateValue(at, forKey: name.hash) { return (name, named("a\(1_000_000 + other)")!) }
        }
        return nil
    }
}
