/// How a server differs from a configuration file.
public struct Differences: Sendable {
    public struct Difference: Equatable, Sendable {
        /// FARM or FARM/MEMBER.
        public let place: String
        /// What differs: `farm`, `member`, or a setting.
        public let what: String
        /// As the file has it; nil: it has none.
        public let file: String?
        /// As the server has it.
        public let server: String?

        /// One line.
        public var line: String {
            switch (file, server) {
            case (let file?, nil): "\(place): \(what) \(file) is in the file and not in the server"
            case (nil, let server?): "\(place): \(what) \(server) is in the server and not in the file"
            default: "\(place): \(what) is \(server ?? "-") in the server and \(file ?? "-") in the file"
            }
        }
    }

    public private(set) var all: [Difference] = []

    /// What `farms` and the status say differently.
    public init(_ farms: [ConfiguredFarms.Farm], _ status: FarmsStatus) {
        for farm in farms {
            guard let running = status.farm(farm.name) else {
                all.append(.init(place: farm.name, what: "farm", file: farm.name, server: nil))
                continue
            }
            compare(farm.name, "algorithm", farm.algorithm, running.algorithm)
            compare(farm.name, "admin", "on", running.admin.state)
            for member in farm.members { compare(farm, member, running.member(member.name)) }
            for member in running.members where !farm.members.contains(where: { $0.name == member.name }) {
                all.append(.init(place: farm.name, what: "member", file: nil, server: member.name))
            }
        }
        for farm in status.farms where !farms.contains(where: { Grammar.sameFarm($0.name, farm.name) }) {
            all.append(.init(place: farm.name, what: "farm", file: nil, server: farm.name))
        }
    }

    private mutating func compare(
        _ farm: ConfiguredFarms.Farm, _ member: ConfiguredFarms.Member, _ running: MemberStatus?
    ) {
        guard let running else {
            all.append(.init(place: farm.name, what: "member", file: member.name, server: nil))
            return
        }
        let place = "\(farm.name)/\(member.name)"
        compare(place, "url", Self.plain(member.url), running.url.map(Self.plain))
        compare(place, "weight", "\(member.weight)", running.weight.map(String.init))
        compare(place, "tier", "\(member.tier)", running.tier.map(String.init))
        compare(place, "maxinflight", "\(member.mostInflight)", running.json["max_inflight"]?.count.map(String.init))
        compare(place, "admin", member.admin, running.admin.state)
    }

    /// What the server does not say is no difference.
    private mutating func compare(_ place: String, _ what: String, _ file: String, _ server: String?) {
        guard let server, server != "-", server != file else { return }
        all.append(.init(place: place, what: what, file: file, server: server))
    }

    private static func plain(_ url: String) -> String { url.hasSuffix("/") ? String(url.dropLast()) : url }
}

/// `farmctl check`: whether a server runs what files say.
public struct ConfigurationCheck: Sendable {
    private let farms: [ConfiguredFarms.Farm]
    private let notes: [String]

    /// Reads the files; throws what is wrong with them.
    public init(files: [String]) throws {
        let read = try files.map { try ConfiguredFarms(TextFile.read($0), path: $0) }
        farms = read.flatMap(\.farms)
        notes = read.flatMap(\.notes)
        for (at, farm) in farms.enumerated()
        where farms[..<at].contains(where: { Grammar.sameFarm($0.name, farm.name) }) {
            throw Failure(.data, "the farm \(farm.name) is in two of the files")
        }
    }

    /// Writes each difference; `no` when there is one.
    public func check(_ server: Server, on console: some Console, isJSON: Bool) async throws -> ExitStatus {
        let differences = Differences(farms, try await server.status()).all
        notes.forEach(console.complain)
        for one in differences {
            if isJSON {
                try console.line(
                    .object([
                        "place": .string(one.place), "what": .string(one.what), "file": .text(one.file),
                        "server": .text(one.server),
                    ]))
            } else {
                try console.line(PrintableText.line(one.line))
            }
        }
        if differences.isEmpty && !isJSON {
            let members = farms.map(\.members.count).reduce(0, +)
            try console.line(
                "the server runs what is in the file: \(Figures.many(farms.count, "farm")), "
                    + Figures.many(members, "member"))
        }
        return differences.isEmpty ? .done : .no
    }
}
