import FarmTestSupport
import Testing

@testable import FarmCore

@Suite struct NamesTests {
    /// Name, whether it may name a farm, whether it may name a member.
    static let table: [([UInt8], farm: Bool, member: Bool)] = [
        (bytes("app"), true, true),
        (bytes("A"), true, true),
        (bytes("0"), true, true),
        (bytes("-"), true, true),
        (bytes("_"), true, true),
        (bytes("Gold-1_x"), true, true),
        (bytes("10.0.0.11:8080"), false, true),
        (bytes("[::1]:80"), false, false),
        (bytes("::1"), false, true),
        (bytes("."), false, true),
        (bytes(""), false, false),
        (bytes("a b"), false, false),
        (bytes(" a"), false, false),
        (bytes("a\n"), false, false),
        (bytes("a/b"), false, false),
        (bytes("a*"), false, false),
        (bytes("a@b"), false, false),
        (bytes("a%62"), false, false),
        (bytes("föhn"), false, false),
        ([0], false, false),
        (bytes("a") + [0], false, false),
        (bytes("a") + [0] + bytes("b"), false, false),
        ([0x80], false, false),
        ([0xFF], false, false),
        ([0xC3, 0xA4], false, false),
        ([UInt8](repeating: 0x61, count: 62), true, true),
        ([UInt8](repeating: 0x61, count: 63), true, true),
        ([UInt8](repeating: 0x61, count: 64), false, false),
        ([UInt8](repeating: 0x61, count: 100_000), false, false),
    ]

    @Test(arguments: table) func grammar(_ name: [UInt8], farm: Bool, member: Bool) {
        #expect(name.withUnsafeBufferPointer { Names.isFarm($0) } == farm)
        #expect(name.withUnsafeBufferPointer { Names.isMember($0) } == member)
    }

    /// Every byte alone, against the sets as the contract spells them.
    @Test func everyByte() {
        let letters = bytes("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789")
        let farm = Set(letters + bytes("_-"))
        let member = Set(letters + bytes("_.:-"))
        for byte in UInt8.min...UInt8.max {
            #expect([byte].withUnsafeBufferPointer { Names.isFarm($0) } == farm.contains(byte), "byte \(byte)")
            #expect([byte].withUnsafeBufferPointer { Names.isMember($0) } == member.contains(byte), "byte \(byte)")
        }
    }

    @Test func aNameWithoutAnAddressIsNone() {
        let none = UnsafeBufferPointer<UInt8>(start: nil, count: 0)
        #expect(!Names.isFarm(none))
        #expect(!Names.isMember(none))
    }

    /// Published vectors of FNV-1a, where folding the case changes nothing else, and two names of ours computed elsewhere:
    /// a byte of 0x40 and above is hashed with its bit 0x20 set.
    @Test(
        arguments: [
            ("", 0x811C_9DC5), ("a", 0xE40C_292C), ("b", 0xE70C_2DE5), ("foobar", 0xBF9C_F968), ("hello", 0x4F9F_2CAB),
            ("app", 0x1F6A_832C), ("gold-1_x", 0xDA2D_B5B6), ("gold-1.x:80", 0xDB35_557F),
        ] as [(String, UInt32)])
    func hash(_ name: String, is golden: UInt32) {
        for spelling in [name, name.uppercased(), name.capitalized] {
            #expect(bytes(spelling).withUnsafeBufferPointer { Names.hashIgnoringCase($0) } == golden)
        }
    }

    @Test(arguments: [
        ("app", "app", true), ("app", "APP", true), ("aPp", "ApP", true), ("", "", true), ("a-1", "A-1", true),
        ("a_1", "A_1", true), ("app", "ap", false), ("app", "apq", false), ("", "a", false), ("a-1", "a_1", false),
        ("a.1", "a:1", false),
    ])
    func equality(_ a: String, _ b: String, _ equal: Bool) {
        let (a, b) = (bytes(a), bytes(b))
        a.withUnsafeBufferPointer { a in
            b.withUnsafeBufferPointer { b in
                #expect(Names.equalIgnoringCase(a, b) == equal)
                #expect(Names.equalIgnoringCase(b, a) == equal)
            }
        }
    }

    /// Every two bytes that a name may hold: only the cases of a letter are equal, and equal bytes hash alike.
    @Test func everyPairOfBytes() {
        let allowed = (UInt8.min...UInt8.max).filter { byte in [byte].withUnsafeBufferPointer { Names.isMember($0) } }
        var wrong: [(UInt8, UInt8)] = []
        for a in allowed {
            for b in allowed {
                let (equal, sameHash) = [a].withUnsafeBufferPointer { a in
                    [b].withUnsafeBufferPointer { b in
                        (Names.equalIgnoringCase(a, b), Names.hashIgnoringCase(a) == Names.hashIgnoringCase(b))
                    }
                }
                let expected = String(UnicodeScalar(a)).lowercased() == String(UnicodeScalar(b)).lowercased()
                if equal != expected || sameHash != expected { wrong.append((a, b)) }
            }
        }
        #expect(allowed.count == 66)
        #expect(wrong.isEmpty)
    }
}
