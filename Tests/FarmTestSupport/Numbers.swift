/// Random numbers for generating cases: the same ones each time, and independent of the code under test (xorshift64*,
/// Vigna, ACM TOMS 42, 2016).
public struct Numbers: RandomNumberGenerator {
    private var state: UInt64
    public init(_ seed: UInt64) { state = seed | 1 }

    public mutating func next() -> UInt64 {
        state ^= state >> 12
        state ^= state << 25
        state ^= state >> 27
        return state &* 0x2545_F491_4F6C_DD1D
    }
}

/// The bytes of a text, for functions that take no strings.
public func bytes(_ text: String) -> [UInt8] { Array(text.utf8) }
