#if canImport(Glibc)
    import Glibc
#endif

/// An address of a client, of either family; IPv4 as IPv6 has it mapped.
public struct IPAddress: Equatable, Sendable {
    private let bytes: [UInt8]

    /// Nil when the text is none.
    public init?(_ text: String) {
        guard !text.utf8.contains(0) else { return nil }
        var six = [UInt8](repeating: 0, count: 16)
        var four = [UInt8](repeating: 0, count: 4)
        if inet_pton(AF_INET6, text, &six) == 1 {
            bytes = six
        } else if inet_pton(AF_INET, text, &four) == 1 {
            bytes = [UInt8](repeating: 0, count: 10) + [0xFF, 0xFF] + four
        } else {
            return nil
        }
    }
}
