/// Text in columns.
public struct Table: Sendable {
    public struct Column: Sendable {
        let title: String
        let isRight: Bool
        /// Left away when there is no room: the highest first; 0: never.
        let sacrifice: Int
        /// May be cut to so many characters, if that helps; nil: not.
        let shortest: Int?

        public init(_ title: String, isRight: Bool = true, sacrifice: Int = 0, shortest: Int? = nil) {
            self.title = title
            self.isRight = isRight
            self.sacrifice = sacrifice
            self.shortest = shortest
        }
    }

    public struct Cell: Sendable {
        var text: String
        var paint: Paint

        public init(_ text: String, _ paint: Paint = .plain) {
            self.text = PrintableText.line(text)
            self.paint = paint
        }
    }

    /// A line of cells, and text below it.
    public struct Row: Sendable {
        var cells: [Cell]
        var notes: [Cell]

        public init(_ cells: [Cell], notes: [Cell] = []) {
            self.cells = cells
            self.notes = notes
        }
    }

    private static let gap = 2

    public let columns: [Column]
    public var rows: [Row] = []

    public init(_ columns: [Column]) { self.columns = columns }

    /// The lines of the table, none longer than the screen is wide as long as there is room for the columns that stay.
    public func lines(_ screen: Screen, indent: Int = 2) -> [String] {
        var widths = columns.indices.map { at in
            max(columns[at].title.count, rows.map { $0.cells[at].text.count }.max() ?? 0)
        }
        var kept = Array(columns.indices)
        if let width = screen.width { fit(&kept, &widths, width - indent) }
        let margin = String(repeating: " ", count: indent)
        var lines = [margin + line(kept, widths, Row(columns.map { Cell($0.title, .dim) }), screen.colour)]
        for row in rows {
            lines.append(margin + line(kept, widths, row, screen.colour))
            for note in row.notes {
                let deep = margin + "  "
                let room = screen.width.map { max(10, $0 - deep.count) }
                lines += Self.wrapped(note.text, room).map { deep + note.paint.on($0, screen.colour) }
            }
        }
        return lines
    }

    /// First makes shorter what may be, then leaves columns away.
    private func fit(_ kept: inout [Int], _ widths: inout [Int], _ width: Int) {
        func total() -> Int { kept.map { widths[$0] }.reduce(0, +) + Self.gap * (kept.count - 1) }
        while total() > width {
            let over = total() - width
            if let at = kept.first(where: { widths[$0] > columns[$0].shortest ?? .max }) {
                widths[at] = max(columns[at].shortest ?? 0, widths[at] - over)
            } else if let at = kept.filter({ columns[$0].sacrifice > 0 }).max(by: {
                columns[$0].sacrifice < columns[$1].sacrifice
            }) {
                kept.removeAll { $0 == at }
                restore(&widths, room: width - total())
            } else {
                return
            }
        }
    }

    /// Gives back what was taken from a column, as far as there is room again.
    private func restore(_ widths: inout [Int], room: Int) {
        guard room > 0, let at = columns.firstIndex(where: { $0.shortest != nil }) else { return }
        let full = max(columns[at].title.count, rows.map { $0.cells[at].text.count }.max() ?? 0)
        widths[at] = min(full, widths[at] + room)
    }

    private func line(_ kept: [Int], _ widths: [Int], _ row: Row, _ colour: Bool) -> String {
        var out = ""
        for (place, at) in kept.enumerated() {
            let cell = row.cells[at]
            let text = PrintableText.cut(cell.text, to: widths[at])
            let blanks = String(repeating: " ", count: max(0, widths[at] - text.count))
            if place > 0 { out += String(repeating: " ", count: Self.gap) }
            let painted = cell.paint.on(text, colour)
            out += columns[at].isRight ? blanks + painted : painted + (place == kept.count - 1 ? "" : blanks)
        }
        return out
    }

    /// Text in lines of at most so many characters, broken between words where that can be.
    static func wrapped(_ text: String, _ width: Int?) -> [String] {
        guard let width, text.count > width else { return [text] }
        var lines: [String] = []
        var line = ""
        for word in text.split(separator: " ", omittingEmptySubsequences: true) {
            var word = String(word)
            if !line.isEmpty && line.count + 1 + word.count > width {
                lines.append(line)
                line = ""
            }
            while word.count > width {
                lines.append(String(word.prefix(width)))
                word = String(word.dropFirst(width))
            }
            line += (line.isEmpty ? "" : " ") + word
        }
        return line.isEmpty ? lines : lines + [line]
    }
}
