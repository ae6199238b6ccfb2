/// Text of the page for people: escaped, and numbers as short as people read them.
extension ByteWriter {
    /// Text between tags or in an attribute's quotes.
    public mutating func html(_ bytes: UnsafeBufferPointer<UInt8>) {
        for byte in bytes {
            switch byte {
            case 0x26: text("&amp;")
            case 0x3C: text("&lt;")
            case 0x3E: text("&gt;")
            case 0x22: text("&quot;")
            case 0x27: text("&#39;")
            default: self.byte(byte)
            }
        }
    }

    /// What a person wrote: in UTF-8, or else without what is none.
    public mutating func htmlText(_ bytes: UnsafeBufferPointer<UInt8>) {
        if PlainText.isPlain(bytes) { return html(bytes) }
        for byte in bytes { self.byte(byte >= 0x20 && byte < 0x7F && byte != 0x3C && byte != 0x26 ? byte : 0x3F) }
    }

    /// A count with a comma at each thousand.
    public mutating func grouped(_ value: UInt64) {
        guard value >= 1000 else { return number(value) }
        grouped(value / 1000)
        byte(0x2C)
        let rest = value % 1000
        byte(0x30 + UInt8(rest / 100))
        byte(0x30 + UInt8(rest / 10 % 10))
        byte(0x30 + UInt8(rest % 10))
    }

    /// A number with as many decimals, 0 to 3, as make three digits; a dash when it is not known.
    public mutating func short(_ value: Double) {
        guard value.isFinite else { return text("&ndash;") }
        let magnitude = value.magnitude
        if value < 0 { text("&minus;") }
        guard magnitude < 1e15 else { return text("over 1e15") }
        var decimals = magnitude >= 99.95 ? 0 : magnitude >= 9.995 ? 1 : magnitude >= 0.9995 ? 2 : 3
        var scale: UInt64 = decimals == 0 ? 1 : decimals == 1 ? 10 : decimals == 2 ? 100 : 1000
        var scaled = UInt64((magnitude * Double(scale)).rounded())
        while decimals > 0 && scaled % 10 == 0 {
            scaled /= 10
            scale /= 10
            decimals -= 1
        }
        grouped(scaled / scale)
        guard decimals > 0 else { return }
        byte(0x2E)
        var rest = scaled % scale
        while scale > 1 {
            scale /= 10
            byte(0x30 + UInt8(rest / scale))
            rest %= scale
        }
    }

    /// A part of one, as percent.
    public mutating func percent(_ part: Double) {
        guard part.isFinite else { return text("&ndash;") }
        let percent = part * 100
        short(percent >= 10 ? percent.rounded() : (percent * 10).rounded() / 10)
        text(" %")
    }

    /// How long something lasts, in seconds, in its largest unit; a dash when it is not known.
    public mutating func duration(_ seconds: Double) {
        guard seconds.isFinite else { return text("&ndash;") }
        let whole = UInt64(max(0, min(seconds, 1e12)))
        if seconds < 10 && seconds >= 0 {
            short((seconds * 10).rounded() / 10)
            text(" s")
        } else if whole < 120 {
            number(whole)
            text(" s")
        } else if whole < 7200 {
            number(whole / 60)
            text(" min")
        } else if whole < 172_800 {
            number(whole / 3600)
            text(" h")
        } else {
            grouped(whole / 86400)
            text(" d")
        }
    }

    /// A latency in microseconds, as milliseconds or seconds; a dash when it is not known.
    public mutating func latency(_ microseconds: Double?) {
        guard let microseconds else { return text("&ndash;") }
        if microseconds < 10_000_000 {
            short(microseconds / 1000)
            text(" ms")
        } else {
            short(microseconds / 1_000_000)
            text(" s")
        }
    }

    /// A number for scripts; nothing when it is not known.
    mutating func attribute(thousandths value: Double) {
        guard value.isFinite, value.magnitude < 1e15 else { return }
        if value < 0 { byte(0x2D) }
        let scaled = UInt64((value.magnitude * 1000).rounded())
        number(scaled / 1000)
        byte(0x2E)
        byte(0x30 + UInt8(scaled / 100 % 10))
        byte(0x30 + UInt8(scaled / 10 % 10))
        byte(0x30 + UInt8(scaled % 10))
    }

    /// `data-v="…"`, by which scripts sort.
    public mutating func sortKey(_ value: Double) {
        text(" data-v=\"")
        attribute(thousandths: value)
        byte(0x22)
    }
}
