import Testing

@testable import FarmCore

/// The payload that the module itself writes, and by what it is told from a backend's.
@Suite struct OwnInstructionTests {
    private func written(farm: String? = "app", member: String = "app1", expires: UInt64 = 4_102_444_800, bits: UInt64)
        -> [UInt8]
    {
        var bytes: [UInt8] = []
        let member = Array(member.utf8)
        member.withUnsafeBufferPointer { member in
            if let farm {
                Array(farm.utf8).withUnsafeBufferPointer {
                    OwnInstruction.write(farm: $0, member: member, expires: expires, bits: bits) { bytes.append($0) }
                }
            } else {
                OwnInstruction.write(farm: nil, member: member, expires: expires, bits: bits) { bytes.append($0) }
            }
        }
        return bytes
    }

    private func isOne(_ text: [UInt8]) -> Bool { text.withUnsafeBufferPointer { OwnInstruction.isOne($0) } }
    private func isOne(_ text: String) -> Bool { isOne(Array(text.utf8)) }

    @Test(arguments: ["app", nil, "A-farm_with-letters"]) func whatIsWrittenIsOne(_ farm: String?) throws {
        var bits: UInt64 = 1
        for _ in 0..<2_000 {
            bits = bits &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            var payload = written(farm: farm, bits: bits)
            #expect(payload.count <= OwnInstruction.longest)
            #expect(isOne(payload), "\(String(decoding: payload, as: UTF8.self))")
            try payload.withUnsafeMutableBufferPointer { payload in
                let read = try #require(Instruction.read(payload))
                #expect(read.farm.map { String(decoding: $0, as: UTF8.self) } == farm)
                #expect(read.member.map { String(decoding: $0, as: UTF8.self) } == "app1")
                #expect(read.expires == 4_102_444_800 && !read.isStrict && read.to == nil && read.client == nil)
            }
        }
    }

    /// The longest names there are.
    @Test func theLongest() {
        let name = String(repeating: "x", count: 63)
        let payload = written(farm: name, member: name, bits: .max)
        #expect(payload.count <= OwnInstruction.longest && isOne(payload))
    }

    /// Without a letter of the words escaped it is what a backend may write.
    @Test func oneWithoutEscapesIsABackends() { #expect(!isOne(written(bits: 0))) }

    @Test(arguments: [
        "farm=app&member=app1&mode=safe&exp=4102444800", "farm=app&exp=4102444800", "", "farm", "farm=", "%66arm",
        "%66arm=app&exp=4102444800", "%66arm=app&member=app1&exp=4102444800",
        "%66arm=app&member=app1&mode=strict&exp=4102444800", "%66arm=app&mode=safe&member=app1&exp=4102444800",
        "member=app1&%66arm=app&mode=safe&exp=4102444800", "%66arm=app&member=app1&mode=safe&exp=4102444800&ip=::1",
        "%66arm=app&to=gold&member=app1&mode=safe&exp=4102444800", "%66arm=app&member=app1&mode=safe",
        "%6", "%66arm=app&member=app1&mode=safe&exp=4102444800&", "x%66arm=app&member=app1&mode=safe&exp=4102444800",
        "farm=%61pp&member=app%31&mode=safe&exp=4102444800",
    ]) func whatIsNone(_ text: String) { #expect(!isOne(text)) }

    @Test(arguments: [
        "%66arm=app&member=app1&mode=safe&exp=4102444800", "farm=app&member=app1&mode=safe&ex%70=004102444800",
        "farm=*&member=app1&mo%64e=safe&exp=4102444800", "farm=app&member=app1&mode=%73%61%66%65&exp=1",
    ]) func whatIsOne(_ text: String) { #expect(isOne(text)) }

    /// Cut anywhere, or with any byte changed, it is read without a step past its end.
    @Test func anyBytes() {
        let payload = written(bits: 0x5555_5555_5555_5555)
        for end in 0..<payload.count - 14 { #expect(!isOne(Array(payload[..<end]))) }
        for at in 0..<payload.count {
            for byte in [0, 0x25, 0x26, 0x3D, 0xFF] as [UInt8] {
                var changed = payload
                changed[at] = byte
                _ = isOne(changed)
            }
        }
    }
}
