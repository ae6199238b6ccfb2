/// How a piece of text looks on a terminal. Never the only sign of anything.
public enum Paint: String, Sendable {
    case plain = ""
    case bold = "1"
    case dim = "2"
    case good = "32"
    case warning = "33"
    case bad = "31"

    /// The text, painted if `colour` says so (ECMA-48, SGR).
    func on(_ text: String, _ colour: Bool) -> String {
        colour && self != .plain ? "\u{1B}[\(rawValue)m\(text)\u{1B}[0m" : text
    }
}

/// What text is written for.
public struct Screen: Equatable, Sendable {
    /// Columns; nil: as many as it takes.
    public var width: Int?
    /// Rows; nil: as many as it takes.
    public var height: Int?
    public var colour: Bool

    public init(width: Int? = nil, height: Int? = nil, colour: Bool = false) {
        self.width = width
        self.height = height
        self.colour = colour
    }
}
