import FarmTestSupport
import Testing

@testable import FarmCore

@Suite struct AlgorithmTests {
    private func named(_ name: String) -> Algorithm? { bytes(name).withUnsafeBufferPointer { Algorithm(name: $0) } }

    @Test(arguments: Algorithm.allCases) func isFoundByItsName(_ algorithm: Algorithm) {
        let name = "\(algorithm.name)"
        #expect(named(name) == algorithm)
        #expect(named(name.uppercased()) == algorithm)
        #expect(named(name + "x") == nil)
        #expect(named(String(name.dropLast())) == nil)
    }

    @Test(arguments: ["", " ", "round robin", "byrequests", "adaptive ", "r\u{0}"])
    func isNoAlgorithm(_ name: String) { #expect(named(name) == nil) }

    /// The contract's names; a name that is missing here is a new algorithm, and its page and tests are due.
    @Test func names() {
        #expect(
            Set(Algorithm.allCases.map { "\($0.name)" })
                .isSubset(of: ["roundrobin", "random", "busyness", "traffic", "load", "adaptive", "hash"]))
        #expect(Algorithm(rawValue: 0) == .adaptive, "what a configuration that says nothing gets")
    }

    /// farm_on_algorithm_name counts from 0 until there is no more.
    @Test func numbersHaveNoGap() {
        #expect(Algorithm.allCases.map(\.rawValue).sorted() == Array(0..<UInt32(Algorithm.allCases.count)))
    }
}
