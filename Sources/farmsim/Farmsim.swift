import ArgumentParser
import FarmSimulator
import Foundation

@main
struct Farmsim: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Compares balancing algorithms on the same requests, in simulated time.",
        subcommands: [List.self, Run.self])
}

struct List: ParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Names the scenarios and the algorithms.")

    func run() {
        print("scenarios:")
        for scenario in Scenarios.all {
            print("  " + scenario.name.padding(toLength: 18, withPad: " ", startingAt: 0) + scenario.summary)
        }
        print("algorithms:")
        for competitor in Competitor.all { print("  " + competitor.name) }
    }
}

struct Run: ParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Runs scenarios and prints a table.")

    @Argument(help: "Scenarios, as `farmsim list` names them; report-delay is three.")
    var scenarios: [String] = []

    @Flag(help: "Every scenario.")
    var all = false

    @Option(help: "The seed of all random numbers.")
    var seed: UInt64 = 1

    @Option(help: "Algorithms, separated by commas. Without it, all.")
    var algorithms: String?

    @Option(help: ArgumentHelp("Also write the results as comma-separated values.", valueName: "file"))
    var csv: String?

    @Option(help: ArgumentHelp("Also draw the latencies.", valueName: "file"))
    var svg: String?

    func validate() throws {
        if all && !scenarios.isEmpty { throw ValidationError("--all runs every scenario: leave the names out.") }
        if !all && scenarios.isEmpty {
            throw ValidationError("Name a scenario, or say --all. `farmsim list` names them.")
        }
        for name in scenarios where Scenarios.named(name).isEmpty {
            let known = Scenarios.all.map(\.name).joined(separator: ", ")
            throw ValidationError("There is no scenario '\(name)'. There are: \(known).")
        }
        _ = try chosen()
    }

    private func chosen() throws -> [Competitor]? {
        guard let algorithms else { return nil }
        return try algorithms.split(separator: ",", omittingEmptySubsequences: false).map { name in
            guard let competitor = Competitor(name: String(name)) else {
                let known = Competitor.all.map(\.name).joined(separator: ", ")
                throw ValidationError("There is no algorithm '\(name)'. There are: \(known).")
            }
            return competitor
        }
    }

    func run() throws {
        let chosen = try chosen()
        var outcomes: [Outcome] = []
        for scenario in all ? Scenarios.all : scenarios.flatMap(Scenarios.named) {
            let results = (chosen ?? Competitor.all(in: scenario)).map {
                Simulation(scenario, $0, seed: seed).run()
            }
            if !outcomes.isEmpty { print() }
            print(ResultTable.text(results) { _ in scenario.summary }, terminator: "")
            fflush(nil)
            outcomes += results
        }
        try write(csv, CSV.text(outcomes))
        try write(svg, SVGPlot.text(outcomes) { name in Scenarios.named(name).first?.summary ?? "" })
    }

    private func write(_ path: String?, _ text: String) throws {
        guard let path else { return }
        do {
            try text.write(toFile: path, atomically: true, encoding: .utf8)
        } catch {
            throw ValidationError("Cannot write '\(path)': \(error.localizedDescription)")
        }
    }
}
