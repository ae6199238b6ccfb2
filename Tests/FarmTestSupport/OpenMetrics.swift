/// OpenMetrics text 1.0, read as strictly as the standard has it.
public struct OpenMetrics {
    public struct Sample: Equatable {
        public var name: String
        public var labels: [(name: String, value: String)]
        public var value: String

        public static func == (a: Sample, b: Sample) -> Bool { a.name == b.name && a.isOf(b) && a.value == b.value }
        private func isOf(_ other: Sample) -> Bool {
            labels.count == other.labels.count && zip(labels, other.labels).allSatisfy { $0 == $1 }
        }

        public subscript(_ name: String) -> String? { labels.first { $0.name == name }?.value }
        public var number: Double { value == "+Inf" ? .infinity : Double(value) ?? .nan }
    }

    public struct Family {
        public var name: String
        public var type: String
        public var unit: String?
        public var help: String
        public var samples: [Sample] = []
    }

    public private(set) var families: [Family] = []

    public struct Fault: Error { public var what: String }

    private static let suffixes: [String: [String]] = [
        "counter": ["_total"], "gauge": [""], "stateset": [""], "info": ["_info"],
        "histogram": ["_bucket", "_count", "_sum"],
    ]

    public init(_ text: String) throws {
        guard text.hasSuffix("\n") else { throw Fault(what: "the last line does not end") }
        var lines = text.dropLast().split(separator: "\n", omittingEmptySubsequences: false)
        guard lines.popLast() == "# EOF" else { throw Fault(what: "no # EOF at the end") }
        var seen: Set<String> = []
        for line in lines {
            if line.hasPrefix("#") {
                try head(line)
            } else {
                guard let last = families.indices.last else { throw Fault(what: "a sample before its family") }
                let sample = try Self.sample(line)
                let family = families[last]
                guard Self.suffixes[family.type]!.contains(where: { family.name + $0 == sample.name }),
                    !family.help.isEmpty
                else { throw Fault(what: "\(line) in \(family.name)") }
                guard seen.insert(String(line[..<line.lastIndex(of: " ")!])).inserted else {
                    throw Fault(what: "twice: \(line)")
                }
                families[last].samples.append(sample)
            }
        }
    }

    private mutating func head(_ line: Substring) throws {
        let words = line.split(separator: " ", maxSplits: 3, omittingEmptySubsequences: false).map(String.init)
        guard words.count == 4, words[0] == "#" else { throw Fault(what: String(line)) }
        if words[1] == "TYPE" {
            guard Self.suffixes[words[3]] != nil, !families.contains(where: { $0.name == words[2] }) else {
                throw Fault(what: String(line))
            }
            return families.append(Family(name: words[2], type: words[3], unit: nil, help: ""))
        }
        guard let last = families.indices.last, families[last].name == words[2], families[last].samples.isEmpty else {
            throw Fault(what: "out of its place: \(line)")
        }
        switch words[1] {
        case "UNIT" where words[2].hasSuffix("_\(words[3])"): families[last].unit = words[3]
        case "HELP" where families[last].help.isEmpty: families[last].help = words[3]
        default: throw Fault(what: String(line))
        }
    }

    private static func sample(_ line: Substring) throws -> Sample {
        var rest = line[...]
        let name = rest.prefix { $0 != "{" && $0 != " " }
        rest = rest.dropFirst(name.count)
        var sample = Sample(name: String(name), labels: [], value: "")
        if rest.popFirst(if: "{") {
            repeat {
                let label = rest.prefix { $0 != "=" }
                rest = rest.dropFirst(label.count + 1)
                guard rest.popFirst(if: "\"") else { throw Fault(what: "no quote: \(line)") }
                sample.labels.append((String(label), try Self.value(&rest)))
            } while rest.popFirst(if: ",")
            guard rest.popFirst(if: "}") else { throw Fault(what: "labels do not end: \(line)") }
        }
        guard rest.popFirst(if: " "), !rest.isEmpty, !rest.contains(" ") else { throw Fault(what: "no value: \(line)") }
        sample.value = String(rest)
        return sample
    }

    private static func value(_ rest: inout Substring) throws -> String {
        var value = ""
        while let next = rest.popFirst() {
            if next == "\"" { return value }
            guard next == "\\" else {
                value.append(next)
                continue
            }
            switch rest.popFirst() {
            case "n": value.append("\n")
            case "\\": value.append("\\")
            case "\"": value.append("\"")
            default: throw Fault(what: "a wrong escape")
            }
        }
        throw Fault(what: "a label does not end")
    }

    public subscript(_ family: String) -> Family? { families.first { $0.name == family } }
}

extension Substring {
    fileprivate mutating func popFirst(if character: Character) -> Bool {
        guard first == character else { return false }
        removeFirst()
        return true
    }
}
