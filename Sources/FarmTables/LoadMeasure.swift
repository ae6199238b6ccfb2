import CFarm
import CFarmABI
import FarmCore

/// How a farm turns its members' metrics into one number: `FarmLoad`, or the mean of all that was pushed. Evaluated when
/// something is reported, never when a request is routed.
struct LoadMeasure {
    private let formula: Formula?
    private let tables: Tables

    /// Names that the table has no room for stay unknown, and with them the load; that is logged. The parent.
    init(_ farm: farm_farm_config, _ tables: Tables) {
        self.tables = tables
        guard let text = farm.load else {
            formula = nil
            return
        }
        let bytes = UnsafeBufferPointer(
            start: UnsafeRawPointer(text).assumingMemoryBound(to: UInt8.self), count: Int(farm.load_length))
        // A formula that does not parse was refused when it was read.
        switch Formula.parse(bytes, number: Number.read, metric: { Self.number(of: $0, tables) }) {
        case .formula(let formula): self.formula = formula
        case .error: formula = nil
        }
    }

    func deallocate() { formula?.deallocate() }

    private static func number(of name: MetricName, _ tables: Tables) -> UInt32 {
        switch tables.addMetrics([name], isParent: true) {
        case .all: break
        case .noRoom: Log.noRoomForMetric(name, capacity: tables.first.layout.metrics)
        case .noLock: Log.namesLockFailed()
        }
        return tables.metric(name) ?? FARM_NONE
    }

    /// The load of a member by the values of its metrics; NaN when it is unknown.
    func load(of values: UnsafePointer<UInt64>) -> Double {
        let capacity = tables.first.layout.metrics
        if let formula {
            return formula.value { $0 < capacity ? SharedDouble.value(farm_get64(values + Int($0))) : .nan }
        }
        var sum = 0.0
        var count = 0.0
        for metric in 0..<tables.metricCount {
            let value = SharedDouble.value(farm_get64(values + metric))
            guard !value.isNaN else { continue }
            count += 1
            // Kept as a mean all along: a sum of large numbers would not be finite.
            sum += (value - sum) / count
        }
        return count > 0 && sum.isFinite ? sum : .nan
    }
}

/// Numbers from text, by the host.
enum Number {
    static func read(_ text: UnsafeBufferPointer<UInt8>) -> Double {
        farm_host_double(UnsafeRawPointer(text.baseAddress!).assumingMemoryBound(to: CChar.self), UInt32(text.count))
    }
}

extension farm_config {
    /// How many different metrics its formulas name.
    public var metricCount: Int {
        var names: [MetricName] = []
        for at in 0..<Int(farm_count) {
            guard let text = farms[at].load else { continue }
            let bytes = UnsafeBufferPointer(
                start: UnsafeRawPointer(text).assumingMemoryBound(to: UInt8.self), count: Int(farms[at].load_length))
            let outcome = Formula.parse(bytes, number: Number.read) { name in
                if !names.contains(name) { names.append(name) }
                return 0
            }
            if case .formula(let formula) = outcome { formula.deallocate() }
        }
        return names.count
    }
}

extension Formula {
    /// What is wrong with a formula, and where; nil when nothing is.
    public static func check(_ text: UnsafeBufferPointer<UInt8>) -> (column: Int, what: StaticString)? {
        switch parse(text, number: Number.read, metric: { _ in 0 }) {
        case .formula(let formula):
            formula.deallocate()
            return nil
        case .error(let column, let what):
            return (column, what)
        }
    }
}
