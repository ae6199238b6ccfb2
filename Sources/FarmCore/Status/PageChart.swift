/// A small chart of the last minutes: the requests a second as an area, the failures as a line above it.
public struct PageChart {
    static let width = 640.0
    static let height = 24.0

    private let history: History
    private let now: UInt64
    /// Steps that are joined to one point, so that a page with many charts stays small.
    private var every = 1
    /// Seconds from the left end to the right one.
    private var span = 1.0

    /// With at most about `points` points.
    public init(_ history: History, now: UInt64, points: Int) {
        self.history = history
        self.now = now
        var steps = 0
        var oldest = 0.0
        history.steps(now: now) { step in
            if steps == 0 { oldest = step.age }
            steps += 1
        }
        every = max(1, (steps + points - 1) / max(1, points))
        span = max(1, oldest)
    }

    /// Nothing, where nothing has happened.
    public func write(to out: inout ByteWriter, of what: StaticString, failures: StaticString) {
        var highest = 0.0
        history.steps(now: now) { highest = max(highest, $0.rates.requests, $0.rates.failures) }
        guard highest > 0 else { return }
        out.text("<svg viewBox=\"0 0 640 24\" preserveAspectRatio=\"none\" role=\"img\"><title>")
        out.text(what)
        out.text(" in the last ")
        out.duration(span)
        out.text(", at most ")
        out.short(highest)
        out.text(" per second; the line is ")
        out.text(failures)
        out.text("</title><path class=\"area\" d=\"")
        line(&out, highest, isArea: true) { $0.rates.requests }
        var failed = false
        history.steps(now: now) { if $0.rates.failures > 0 { failed = true } }
        if failed {
            out.text("\"/><path class=\"bad\" d=\"")
            line(&out, highest, isArea: false) { $0.rates.failures }
        }
        out.text("\"/></svg>")
    }

    private func line(_ out: inout ByteWriter, _ highest: Double, isArea: Bool, _ value: (History.Step) -> Double) {
        var count = 0
        var sum = 0.0
        var first: UInt64?
        var last: UInt64 = 0
        history.steps(now: now) { step in
            sum += value(step)
            count += 1
            guard count % every == 0 else { return }
            let x = UInt64(max(0, (1 - step.age / span) * Self.width).rounded())
            // A higher one may have been noted since the highest was looked for.
            let part = min(1, sum / Double(every) / highest)
            let y = UInt64((Self.height - part * (Self.height - 1)).rounded())
            sum = 0
            out.byte(first == nil ? 0x4D : 0x4C)
            if first == nil, isArea {
                out.number(x)
                out.byte(0x20)
                out.number(UInt64(Self.height))
                out.byte(0x4C)
            }
            first = first ?? x
            last = x
            out.number(x)
            out.byte(0x20)
            out.number(y)
        }
        guard isArea, first != nil else { return }
        out.byte(0x4C)
        out.number(last)
        out.byte(0x20)
        out.number(UInt64(Self.height))
        out.byte(0x5A)
    }
}
