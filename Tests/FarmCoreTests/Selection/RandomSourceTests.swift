import FarmTestSupport
import Testing

@testable import FarmCore

@Suite struct RandomSourceTests {
    /// The published first numbers of SplitMix64 from the seed 1234567.
    @Test func isSplitMix64() {
        var seed: UInt64 = 1_234_567
        withUnsafeMutablePointer(to: &seed) { state in
            let random = RandomSource(state: state)
            #expect(
                [random.next(), random.next(), random.next()]
                    == [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423])
        }
    }

    /// Threads that share the word draw different numbers, and together the same ones that one thread would.
    @Test func threadsShareOneSequence() {
        let state = UnsafeMutablePointer<UInt64>.allocate(capacity: 1)
        let drawn = UnsafeMutablePointer<UInt64>.allocate(capacity: 40_000)
        drawn.initialize(repeating: 0, count: 40_000)
        defer {
            state.deallocate()
            drawn.deallocate()
        }
        state.pointee = 5
        let shared = Shared((state: state, drawn: drawn))
        onThreads(4) { number in
            let random = RandomSource(state: shared.value.state)
            for at in 0..<10_000 { shared.value.drawn[number * 10_000 + at] = random.next() }
        }
        state.pointee = 5
        let random = RandomSource(state: state)
        let alone = Set((0..<40_000).map { _ in random.next() })
        #expect(alone.count == 40_000)
        #expect(Set((0..<40_000).map { drawn[$0] }) == alone)
    }

    @Test(arguments: [1, 2, 3, 10, 4096, .max] as [UInt32])
    func belowIsBelow(_ bound: UInt32) {
        #expect(RandomSource.below(bound, from: 0) == 0)
        #expect(RandomSource.below(bound, from: .max) == bound - 1)
        var numbers = Numbers(9)
        for _ in 0..<200 { #expect(RandomSource.below(bound, from: numbers.next()) < bound) }
    }
}
