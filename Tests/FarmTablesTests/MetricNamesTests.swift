import CFarm
import FarmCore
import FarmTestSupport
import Testing

@testable import FarmTables

/// Names of metrics: each has one number, whoever pushes it first.
@Suite struct MetricNamesTests {
    private func name(_ text: String) -> MetricName {
        var bytes = Array(text.utf8)
        return bytes.withUnsafeMutableBufferPointer { MetricName(UnsafeBufferPointer($0))! }
    }

    @Test func aNameKeepsItsNumber() {
        let world = World(metrics: 3)
        let tables = world.tables.pointee
        #expect(tables.metric(name("cpu")) == nil)
        #expect(tables.addMetrics([name("cpu"), name("db")]) == .all)
        #expect(tables.metric(name("cpu")) == 0 && tables.metric(name("db")) == 1)
        #expect(tables.metric(name("CPU")) == nil, "case matters")
        #expect(tables.addMetrics([name("db")]) == .all)
        #expect(tables.metricCount == 2)
    }

    @Test func allOrNone() {
        let world = World(metrics: 3)
        let tables = world.tables.pointee
        #expect(tables.addMetrics([name("a"), name("b")]) == .all)
        #expect(tables.addMetrics([name("a"), name("c"), name("d")]) == .noRoom(2))
        #expect(tables.metricCount == 2 && tables.metric(name("c")) == nil)
        #expect(tables.addMetrics([name("c")]) == .all)
        #expect(tables.addMetrics([name("d")]) == .noRoom(0))
        #expect(tables.addMetrics([name("a"), name("b"), name("c")]) == .all, "what is there needs no room")
    }

    /// Threads that push the same new names at the same time agree on their numbers.
    @Test func racersAgree() {
        let world = World(metrics: 1024)
        let tables = world.tables.pointee
        let names = (0..<1000).map { name("metric_\($0)") }
        let shared = Shared((tables, names))
        onThreads(4) { thread in
            let (tables, names) = shared.value
            for at in 0..<names.count { _ = tables.addMetrics([names[(at + thread * 250) % names.count]]) }
        }
        #expect(tables.metricCount == 1000)
        #expect(Set(names.map { tables.metric($0) }).count == 1000)
    }

    /// A writer that died after it had counted a name and before the index had it: the name gets another number.
    @Test func aWriterThatDied() {
        let world = World(metrics: 4)
        let tables = world.tables.pointee
        tables.first.header.pointee.metric_count = 1
        #expect(tables.addMetrics([name("cpu")]) == .all)
        #expect(tables.metric(name("cpu")) == 1 && tables.metricCount == 2)
    }
}
