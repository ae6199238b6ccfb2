/// A stream of random numbers with a seed: xoshiro256** (Blackman, Vigna, ACM TOMS 47, 2021). Each use has a stream of its
/// own, so that what an algorithm draws changes neither arrivals nor demands.
public struct Randomness: RandomNumberGenerator {
    private var a: UInt64
    private var b: UInt64
    private var c: UInt64
    private var d: UInt64

    /// `stream` tells apart the uses of one seed.
    public init(seed: UInt64, stream: UInt64) {
        var word = seed &* 0xD134_2543_DE82_EF95 &+ stream
        func mixed() -> UInt64 {
            word &+= 0x9E37_79B9_7F4A_7C15
            var z = word
            z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
            z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
            return z ^ (z >> 31)
        }
        (a, b, c, d) = (mixed(), mixed(), mixed(), mixed())
    }

    public mutating func next() -> UInt64 {
        let fives = b &* 5
        let result = (fives << 7 | fives >> 57) &* 9
        let shifted = b << 17
        c ^= a
        d ^= b
        b ^= c
        a ^= d
        c ^= shifted
        d = d << 45 | d >> 19
        return result
    }

    /// Uniform in the open interval from 0 to 1: never 0 and never 1, so that every quantile is finite.
    public mutating func fraction() -> Double { (Double(next() >> 12) + 0.5) * 0x1p-52 }

    /// Uniform in 0..<bound; the bias is below bound / 2^32.
    public mutating func below(_ bound: Int) -> Int { Int(truncatingIfNeeded: ((next() >> 32) &* UInt64(bound)) >> 32) }

    /// Two different numbers in 0..<bound, uniform over all pairs; the same one twice where there is one only.
    public mutating func pair(below bound: Int) -> (Int, Int) {
        let first = below(bound)
        guard bound > 1 else { return (first, first) }
        let second = below(bound - 1)
        return (first, second >= first ? second + 1 : second)
    }
}
