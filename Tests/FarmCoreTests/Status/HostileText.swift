/// Texts that somebody may write to break out of where they stand.
enum HostileText {
    /// In UTF-8, with or without control characters.
    static let texts: [String] = [
        "", " ", "a", "-", "null", "true", "\"", "\\", "\\\"", "'", "<", ">", "&", "&amp;",
        "</q><script>alert(1)</script>",
        "\" onload=\"x", "' onload='x", "a: b", "x\nfarm[app].condition: down", "x\r\ny", "x\u{0B}y\u{0C}z", "\u{0}",
        "\u{1}",
        "\u{1F}", "\u{7F}", "\u{80}", "\u{85}", "\u{9F}", "\u{A0}", "ä", "neue Kühlung ❄", "\u{2028}", "\u{2029}",
        "\u{202E}gnp.exe", "\u{2066}a\u{2069}", "\u{200F}", "a\u{FEFF}", "\u{FFFD}", "\u{FFFE}", "😀", "\u{10FFFF}",
        "}\n# EOF\n", "a\"} 1\nfarm_x 2", "\\n", "]]>", "<!--", "-->", "${x}", "%0A",
        String(repeating: "\"", count: 5_000),
    ]

    /// Not in UTF-8.
    static let bytes: [[UInt8]] = [
        [0xFF], [0xC3], [0xE4], [0x61, 0xE4, 0x62], [0xC0, 0xAF], [0xC0, 0xBC], [0xED, 0xA0, 0x80],
        [0xF4, 0x90, 0x80, 0x80], [0xE2, 0x80], [0x80], [0x22, 0xFF, 0x22], [0x3C, 0xFF, 0x3E], [0x0A, 0xFF],
        [UInt8](0...255),
    ]

    static let all: [[UInt8]] = texts.map { Array($0.utf8) } + bytes
}
