/// Numbers as the tables show them; what is unknown is `-`.
enum Figures {
    static func count(_ value: Int?) -> String { value.map(String.init) ?? "-" }

    /// `1 farm`, `2 farms`.
    static func many(_ count: Int, _ noun: String) -> String { "\(count) \(noun)" + (count == 1 ? "" : "s") }

    static func percent(_ part: Double?) -> String {
        guard let part else { return "-" }
        return fixed(part * 100, part > 0 && part < 0.1 ? 1 : 0) + "%"
    }

    /// Three digits that mean something, and no exponent up to a billion.
    static func number(_ value: Double?) -> String {
        guard let value else { return "-" }
        switch abs(value) {
        case 0: return "0"
        case 1e9...: return "\(value)"
        case 100...: return fixed(value, 0)
        case 10..<100: return fixed(value, 1)
        case 0.001..<10: return fixed(value, abs(value) < 0.1 ? 3 : 2)
        default: return "\(value)"
        }
    }

    /// Milliseconds.
    static func milliseconds(_ value: Double?) -> String {
        guard let value else { return "-" }
        return value >= 10_000 ? fixed(value / 1000, 1) + "s" : number(value) + "ms"
    }

    static func age(_ seconds: Double?) -> String { seconds.map { Moment.length($0) } ?? "-" }

    /// With so many decimals.
    static func fixed(_ value: Double, _ decimals: Int) -> String {
        let scale = [1.0, 10.0, 100.0, 1000.0][decimals]
        let scaled = (abs(value) * scale).rounded()
        guard scaled < 9e15 else { return "\(value)" }
        let whole = Int(scaled) / Int(scale)
        let rest = String(Int(scaled) % Int(scale))
        let fraction = String(repeating: "0", count: max(0, decimals - rest.count)) + rest
        return (value < 0 && scaled > 0 ? "-" : "") + "\(whole)" + (decimals > 0 ? "." + fraction : "")
    }
}
