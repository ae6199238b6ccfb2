/// HTML as strictly as the page writes it: what stands in it, apart from text and the values of attributes.
public struct Markup {
    /// Tags with the names of their attributes, in order.
    public private(set) var shape: [String] = []
    /// What `id` attributes say.
    public private(set) var ids: [String] = []
    /// The text between tags, as it is written.
    public private(set) var text = ""

    private static let empty: Set<String> = ["input", "rect", "path", "hr", "meta", "link", "br"]

    public struct Fault: Error { public var what: String }

    public init(_ html: String) throws {
        var rest = html.unicodeScalars[...]
        var open: [String] = []
        while let next = rest.popFirst() {
            guard next == "<" else {
                text.unicodeScalars.append(next)
                continue
            }
            let isEnd = rest.first == "/"
            if isEnd { rest.removeFirst() }
            let name = Self.word(&rest)
            if name.isEmpty { throw Fault(what: "a < in text after \(shape.last ?? "-")") }
            if isEnd {
                guard rest.popFirst() == ">", open.popLast() == name else {
                    throw Fault(what: "a wrong end of \(name)")
                }
                shape.append("/\(name)")
                continue
            }
            let closesItself = try attributes(&rest, name)
            if !closesItself && !Self.empty.contains(name) { open.append(name) }
        }
        if !open.isEmpty { throw Fault(what: "open at the end: \(open)") }
    }

    /// Reads to the end of a tag; whether it ends itself.
    private mutating func attributes(_ rest: inout Substring.UnicodeScalarView, _ name: String) throws -> Bool {
        var tag = name
        defer { shape.append(tag) }
        while true {
            switch rest.popFirst() {
            case ">": return false
            case "/":
                guard rest.popFirst() == ">" else { throw Fault(what: "a / in <\(name)") }
                return true
            case " ":
                let attribute = Self.word(&rest)
                if attribute.isEmpty { continue }
                tag += " \(attribute)"
                guard rest.first == "=" else { continue }
                rest.removeFirst()
                guard rest.popFirst() == "\"", let end = rest.firstIndex(of: "\"") else {
                    throw Fault(what: "\(attribute) of <\(name) is not in quotes")
                }
                let value = String(rest[..<end])
                if value.contains("<") || value.contains(">") { throw Fault(what: "a tag in \(attribute)") }
                if attribute == "id" { ids.append(value) }
                rest = rest[rest.index(after: end)...]
            default: throw Fault(what: "<\(name) does not end")
            }
        }
    }

    private static func word(_ rest: inout Substring.UnicodeScalarView) -> String {
        var word = ""
        while let next = rest.first,
            next == "-" || next == ":" || next.properties.isAlphabetic || ("0"..."9").contains(next)
        {
            word.unicodeScalars.append(next)
            rest.removeFirst()
        }
        return word
    }
}
