import CAPR
import CFarm
import FarmCore

/// The names of metrics, one table for all members: a name gets a number when it is first pushed, or named in a formula, and
/// keeps it until the full stop.
///
/// Names are written under one lock and published one by one: a row, then the count, then the index. A writer that dies
/// between the last two leaves a number that nobody finds, and the next one of that name takes another.
extension Tables {
    /// The number of a metric; nil when no member has ever pushed it. Any thread of any process, without a lock.
    func metric(_ name: MetricName) -> UInt32? {
        let block = first
        let mask = UInt32(block.layout.nameIndexSize - 1)
        var at = name.hash & mask
        for _ in 0...mask {
            let entry = farm_read32(block.nameIndex + Int(at))
            if entry == 0 { return nil }
            if isName(Int(entry - 1), name) { return entry - 1 }
            at = (at &+ 1) & mask
        }
        return nil
    }

    /// How many names are in use.
    var metricCount: Int {
        Int(min(first.layout.metrics, farm_read32(&first.header.pointee.metric_count)))
    }

    /// What became of names that were to have numbers.
    enum NamesAdded: Equatable {
        case all
        /// There is no room for all, and none of them has got one; the first that there is no room for.
        case noRoom(Int)
        /// The lock over the names cannot be taken, and none of them has got one.
        case noLock
    }

    /// Gives numbers to names: to all of them, or to none. `names` are different from each other.
    func addMetrics(_ names: [MetricName], isParent: Bool = false) -> NamesAdded {
        guard !names.isEmpty else { return .all }
        guard Locking.take(metricNamesLock, isParent: isParent) else { return .noLock }
        defer { _ = apr_global_mutex_unlock(metricNamesLock) }
        var room = Int(first.layout.metrics) - metricCount
        for (at, name) in names.enumerated() where metric(name) == nil {
            if room == 0 { return .noRoom(at) }
            room -= 1
        }
        for name in names where metric(name) == nil { addMetric(name) }
        return .all
    }

    private func addMetric(_ name: MetricName) {
        let number = metricCount
        let row = first.metricName(number)
        let text = farm_metric_row_name(row)!
        for at in 0..<name.count { text[at] = CChar(bitPattern: name.byte(at)) }
        text[name.count] = 0
        row.pointee.hash = name.hash
        row.pointee.length = UInt32(name.count)
        farm_publish32(&first.header.pointee.metric_count, UInt32(number + 1))
        let mask = UInt32(first.layout.nameIndexSize - 1)
        var at = name.hash & mask
        while farm_get32(first.nameIndex + Int(at)) != 0 { at = (at &+ 1) & mask }
        farm_publish32(first.nameIndex + Int(at), UInt32(number + 1))
    }

    private func isName(_ number: Int, _ name: MetricName) -> Bool {
        guard number < Int(first.layout.metrics) else { return false }
        let row = first.metricName(number)
        guard row.pointee.hash == name.hash, Int(row.pointee.length) == name.count else { return false }
        let text = farm_metric_row_name(row)!
        for at in 0..<name.count where UInt8(bitPattern: text[at]) != name.byte(at) { return false }
        return true
    }
}
