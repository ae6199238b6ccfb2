/// What came through farm_host_status and farm_host_write; hand its `handle` on as `out`.
public final class FuzzAnswer {
    public private(set) var status: UInt32 = 0
    public private(set) var bytes: [UInt8] = []

    /// `status`: of what is written without one, such as a file.
    public init(status: UInt32 = 0) { self.status = status }

    public var handle: UnsafeMutableRawPointer { Unmanaged.passUnretained(self).toOpaque() }

    static func of(_ out: UnsafeMutableRawPointer?) -> FuzzAnswer {
        guard let out else { finding("an answer without a request") }
        return Unmanaged<FuzzAnswer>.fromOpaque(out).takeUnretainedValue()
    }

    func setStatus(_ status: UInt32) {
        guard self.status == 0, bytes.isEmpty else { finding("the status is set twice, or after the answer has begun") }
        self.status = status
    }

    func append(_ piece: UnsafeRawBufferPointer) {
        guard status != 0 else { finding("the answer begins before its status") }
        bytes.append(contentsOf: piece)
    }

    /// The lines of an answer that has one of these statuses, ends its last line, and is printable, without markup.
    public func lines(allowed: [UInt32]) -> [String] {
        guard allowed.contains(status) else { finding("status \(status)") }
        guard bytes.last == 0x0A else { finding("the answer does not end its line: \(text)") }
        for byte in bytes where byte != 0x0A && (byte < 0x20 || byte > 0x7E || byte == 0x3C || byte == 0x3E) {
            finding("the answer has the byte \(byte): \(text)")
        }
        return text.split(separator: "\n", omittingEmptySubsequences: false).dropLast().map(String.init)
    }

    public var text: String { String(decoding: bytes, as: UTF8.self) }

    /// An error is one line that begins so and is no essay.
    public static func checkError(_ lines: [String]) {
        guard lines.count == 1, lines[0].hasPrefix("error: "), lines[0].utf8.count < 400 else {
            finding("no error of one line: \(lines)")
        }
    }
}
