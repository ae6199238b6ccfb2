import CFarmABI
import FarmTestSupport
import Testing

@testable import FarmTables

@Suite struct FarmIndexTests {
    private func find(_ index: FarmIndex, _ name: String) -> UInt32 {
        bytes(name).withUnsafeBufferPointer { index.find($0) }
    }

    @Test(arguments: [0, 1, 2, 4, 5, 100, 3_000]) func findsEachAndNoOther(_ count: Int) {
        let config = Config((0..<count).map { FarmSpec("farm-\($0)", []) })
        let index = FarmIndex(config.pointer.pointee)
        defer { index.deallocate() }
        for number in 0..<count {
            #expect(find(index, "farm-\(number)") == UInt32(number))
            #expect(find(index, "FARM-\(number)") == UInt32(number), "host names have no case")
        }
        for stranger in [
            "", "farm", "farm-", "farm-\(count)", "farm-00", "balancer", String(repeating: "f", count: 64),
        ] {
            #expect(find(index, stranger) == FARM_NONE)
        }
    }

    @Test func hostsThatNoFarmCanHave() {
        let config = Config([FarmSpec("a", [])])
        let index = FarmIndex(config.pointer.pointee)
        defer { index.deallocate() }
        for length in [0, 1, 63, 64, 100_000] {
            let host = [UInt8](repeating: 0xFF, count: length)
            #expect(host.withUnsafeBufferPointer { index.find($0) } == FARM_NONE)
        }
        #expect(index.find(UnsafeBufferPointer(start: nil, count: 0)) == FARM_NONE)
    }
}
