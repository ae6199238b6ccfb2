/// Text from elsewhere, made fit for a terminal.
public enum PrintableText {
    /// What is not printable as `?`: control characters of either set, so that nobody's text moves a cursor, and the
    /// characters by which text changes its direction or hides.
    public static func line(_ text: String) -> String {
        String(String.UnicodeScalarView(text.unicodeScalars.map { isPlain($0) ? $0 : "?" }))
    }

    /// At most so many characters, the last an ellipsis where some are missing.
    public static func cut(_ text: String, to count: Int) -> String {
        guard text.count > count else { return text }
        return count < 1 ? "" : String(text.prefix(count - 1)) + "…"
    }

    private static func isPlain(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.properties.generalCategory {
        case .control, .format, .lineSeparator, .paragraphSeparator, .surrogate, .unassigned, .privateUse: false
        default: true
        }
    }
}
