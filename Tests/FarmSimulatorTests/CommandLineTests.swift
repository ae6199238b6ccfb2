import ArgumentParser
import FarmSimulator
import Testing

@testable import farmsim

@Suite struct CommandLineTests {
    /// Each says what is wrong and what there is instead, and ends with the exit status of a wrong command line.
    @Test(
        arguments: [
            (["run"], "Name a scenario"), (["run", "equl"], "There is no scenario 'equl'. There are: equal,"),
            (["run", "equal", "--algorithms", "adaptive,best"], "There is no algorithm 'best'. There are: adaptive,"),
            (["run", "equal", "--algorithms", ""], "There is no algorithm ''"),
            (["run", "--all", "equal"], "leave the names out"), (["run", "equal", "--seed", "-1"], "seed"),
            (["run", "equal", "--seed", "many"], "seed"), (["run", "equal", "--cvs"], "--cvs"), (["walk"], "walk"),
        ] as [([String], String)])
    func wrongCommandLines(_ arguments: [String], _ message: String) {
        let error = #expect(throws: (any Error).self) { try Farmsim.parseAsRoot(arguments) }
        guard let error else { return }
        #expect(Farmsim.exitCode(for: error).rawValue == 64)
        #expect(Farmsim.fullMessage(for: error).contains(message), "\(Farmsim.fullMessage(for: error))")
    }

    @Test func rightCommandLines() throws {
        let command = try Farmsim.parseAsRoot([
            "run", "equal", "report-delay", "--seed", "7", "--algorithms", "adaptive,ref-prequal", "--csv", "a",
            "--svg", "b",
        ])
        let run = try #require(command as? Run)
        #expect(run.scenarios == ["equal", "report-delay"] && run.seed == 7 && run.csv == "a" && run.svg == "b")
        #expect(try Farmsim.parseAsRoot(["list"]) is List)
    }

    @Test func namesAreNamesOfOne() {
        let names = Scenarios.all.map(\.name)
        #expect(Set(names).count == names.count)
        #expect(names.allSatisfy { Scenarios.named($0).count == 1 })
        #expect(Scenarios.named("report-delay").count == 3)
        #expect(Competitor.all.allSatisfy { Competitor(name: $0.name) == $0 })
    }
}
