/// The lines of a configuration of httpd: joined where a backslash ends one, taken apart into words.
struct ConfigurationText {
    struct Line: Equatable {
        /// Of its beginning, from 1.
        let number: Int
        /// The directive or `<Section` as written, and what follows; quotes are taken away.
        let words: [String]
    }

    let lines: [Line]

    init(_ text: String) {
        var lines: [Line] = []
        var held = ""
        var start = 0
        for (at, piece) in text.lines.enumerated() {
            if held.isEmpty { start = at + 1 }
            if piece.hasSuffix("\\") {
                held += piece.dropLast()
                continue
            }
            let line = (held + piece).trimmed
            held = ""
            if line.isEmpty || line.hasPrefix("#") { continue }
            lines.append(Line(number: start, words: Self.words(line)))
        }
        self.lines = lines
    }

    /// As httpd takes words: between blanks, or in quotes of either kind, in which a backslash makes a quote plain.
    static func words(_ line: String) -> [String] {
        var words: [String] = []
        var rest = Substring(line)
        while let first = rest.first {
            if first == " " || first == "\t" {
                rest.removeFirst()
            } else if first == "\"" || first == "'" {
                rest.removeFirst()
                var word = ""
                while let next = rest.first, next != first {
                    rest.removeFirst()
                    if next == "\\", let quoted = rest.first, quoted == first || quoted == "\\" {
                        word.append(quoted)
                        rest.removeFirst()
                    } else {
                        word.append(next)
                    }
                }
                rest = rest.dropFirst()
                words.append(word)
            } else {
                let word = rest.prefix { $0 != " " && $0 != "\t" }
                words.append(String(word))
                rest = rest.dropFirst(word.count)
            }
        }
        return words
    }
}
