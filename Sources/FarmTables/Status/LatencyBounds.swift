import CFarm
import CFarmABI
import FarmCore

/// The bounds of the latency histogram that OpenMetrics shows, one an octave, as the texts of the numbers in seconds: each
/// is written for every member. Owns memory until it goes.
struct LatencyBounds: ~Copyable {
    /// Without the first octave's, which begins at 0, and the infinite one.
    static let count = LatencyBuckets.count / bucketsOfOctave - 1
    private static let bucketsOfOctave = 4
    private static let longest = 33
    private let texts: UnsafeMutablePointer<CChar>

    init() {
        texts = .allocate(capacity: Self.count * Self.longest)
        for octave in 0..<Self.count {
            let text = texts + octave * Self.longest
            let seconds = Double(LatencyBuckets.lowerBound(of: Self.bucket(octave))) / 1_000_000
            text[Int(farm_host_number(seconds, text))] = 0
        }
    }

    deinit { texts.deallocate() }

    /// The first bucket that lies above the bound.
    static func bucket(_ octave: Int) -> Int { (octave + 1) * bucketsOfOctave }

    subscript(_ octave: Int) -> UnsafeBufferPointer<UInt8> { ByteWriter.bytes(of: texts + octave * Self.longest) }
}
