import CFarm

/// A double in shared memory that may be unknown, as one word that is read and replaced whole. A word of fresh memory is
/// an unknown one.
public enum SharedDouble {
    /// The value of a word; NaN when it is unknown.
    @inline(__always)
    public static func value(_ word: UInt64) -> Double { Double(bitPattern: word ^ UInt64(FARM_UNKNOWN_BITS)) }

    /// The word of a value; every NaN is the one that means "unknown".
    @inline(__always)
    public static func word(_ value: Double) -> UInt64 {
        value.isNaN ? 0 : value.bitPattern ^ UInt64(FARM_UNKNOWN_BITS)
    }
}
