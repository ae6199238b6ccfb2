import ArgumentParser
import FarmCore
import FarmTables

@main
struct Farmbench: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Measures single parts of the module, without httpd; prints comma-separated values.",
        subcommands: [Choices.self, Locks.self])
}

extension Algorithm: ExpressibleByArgument {
    public init?(argument: String) {
        guard let found = Algorithm.allCases.first(where: { "\($0.name)" == argument }) else { return nil }
        self = found
    }
    public static var allValueStrings: [String] { allCases.map { "\($0.name)" } }
}

extension LockGranularity: ExpressibleByArgument {
    static var all: [LockGranularity] { [.row, .farm, .engine] }
    public init?(argument: String) {
        guard let found = Self.all.first(where: { "\($0.name)" == argument }) else { return nil }
        self = found
    }
    public static var allValueStrings: [String] { all.map { "\($0.name)" } }
}
