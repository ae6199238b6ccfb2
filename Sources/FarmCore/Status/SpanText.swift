/// Lengths of time as people read them in a log.
extension ByteWriter {
    /// Microseconds in their largest unit, with the next smaller one where that says more: `250 ms`, `1.5 s`, `43 s`,
    /// `5 min 20 s`, `3 h 5 min`, `2 d 4 h`.
    public mutating func span(microseconds: UInt64) {
        let milliseconds = microseconds / 1000
        let seconds = milliseconds / 1000
        if milliseconds < 1000 {
            number(milliseconds)
            text(" ms")
        } else if seconds < 10 {
            number(seconds)
            let tenths = milliseconds % 1000 / 100
            if tenths > 0 {
                byte(0x2E)
                number(tenths)
            }
            text(" s")
        } else if seconds < 120 {
            number(seconds)
            text(" s")
        } else if seconds < 7200 {
            units(seconds / 60, " min", seconds % 60, " s")
        } else if seconds < 172_800 {
            units(seconds / 3600, " h", seconds % 3600 / 60, " min")
        } else {
            units(seconds / 86400, " d", seconds % 86400 / 3600, " h")
        }
    }

    private mutating func units(_ large: UInt64, _ name: StaticString, _ small: UInt64, _ smallName: StaticString) {
        number(large)
        text(name)
        guard small > 0 else { return }
        byte(0x20)
        number(small)
        text(smallName)
    }
}
