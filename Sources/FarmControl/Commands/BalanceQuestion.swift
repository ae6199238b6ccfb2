/// `farmctl balance`: who would serve a request now.
public struct BalanceQuestion: Sendable {
    private let farms: [String]

    public init(_ farms: [String]) throws {
        for farm in farms where try Target(parsing: farm).member != nil {
            throw Failure(.usage, "balance takes farms, not '\(farm)': a farm chooses among its members")
        }
        self.farms = farms
    }

    /// The URL of the member, or the farm's condition; of several farms, each after its name. `no` when one of them has
    /// nobody.
    public func ask(_ server: Server, on console: some Console, isJSON: Bool) async throws -> ExitStatus {
        var status = ExitStatus.done
        for (farm, says) in try await server.balance(farms) {
            let isURL = says.contains("://")
            if !isURL { status = .no }
            if isJSON {
                try console.line(
                    .object([
                        "farm": .string(farm), "url": .text(isURL ? says : nil), "condition": .text(isURL ? nil : says),
                    ]))
            } else {
                try console.line(farms.count == 1 ? says : "\(farm) \(says)")
            }
        }
        return status
    }
}
