import CFarm

/// SplitMix64 (Steele, Lea, Flood, OOPSLA 2014) over one word that all threads of a process share: a draw is one atomic
/// addition and a mix, so no thread waits and no two draws are the same. Not for secrets.
public struct RandomSource {
    private let state: UnsafeMutablePointer<UInt64>

    /// The caller owns the word, seeds it, and keeps it alive.
    public init(state: UnsafeMutablePointer<UInt64>) { self.state = state }

    @inline(__always)
    public func next() -> UInt64 { Self.mixed(farm_add64(state, Self.gamma) &+ Self.gamma) }

    static let gamma: UInt64 = 0x9E37_79B9_7F4A_7C15

    @inline(__always)
    static func mixed(_ word: UInt64) -> UInt64 {
        var z = word
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }

    /// A number below `bound` from the high half of a random word (Lemire's multiplication without the rejection: the
    /// bias is below bound / 2^32).
    @inline(__always)
    static func below(_ bound: UInt32, from word: UInt64) -> UInt32 {
        UInt32(truncatingIfNeeded: ((word >> 32) &* UInt64(bound)) >> 32)
    }
}
