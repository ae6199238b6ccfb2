import CFarm
import CFarmABI
import FarmCore

/// The forms of the status. Raw values are those of the C interface.
public enum StatusFormat: UInt32 {
    case json = 0
    case openMetrics = 1
    /// Lines `key: value`.
    case lines = 2
    /// What stands between the head and the end of the page for people.
    case page = 3
    /// A part of another module's page.
    case section = 4
}

extension Engine {
    /// Writes the status to an answer of the host's. `controls`: for the page.
    public func writeStatus(_ format: StatusFormat, controls: StatusControls, to out: UnsafeMutableRawPointer?) {
        let snapshot = StatusSnapshot(self)
        switch format {
        case .json:
            var json = JSONWriter(
                sink: Self.sink(out), formatNumber: { farm_host_number($0, $1) },
                formatTime: { farm_host_time($0, $1) })
            json.object { snapshot.write(&$0) }
        case .lines:
            var lines = LinesWriter(
                sink: Self.sink(out), formatNumber: { farm_host_number($0, $1) },
                formatTime: { farm_host_time($0, $1) })
            snapshot.write(&lines)
        case .openMetrics:
            var metrics = MetricsWriter(sink: Self.sink(out), formatNumber: { farm_host_number($0, $1) })
            snapshot.writeMetrics(&metrics)
        case .page:
            var writer = ByteWriter(host: out)
            snapshot.writePage(&writer, controls)
        case .section:
            var writer = ByteWriter(host: out)
            snapshot.writeSection(&writer)
        }
    }

    private static func sink(_ out: UnsafeMutableRawPointer?) -> (UnsafePointer<UInt8>, Int) -> Void {
        { bytes, length in
            farm_host_write(out, UnsafeRawPointer(bytes).assumingMemoryBound(to: CChar.self), UInt32(length))
        }
    }
}
