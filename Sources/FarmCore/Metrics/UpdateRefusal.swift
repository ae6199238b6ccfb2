/// Why an update is not stored, and what to write instead.
public struct UpdateRefusal {
    public enum Kind {
        // What the text alone shows.
        case noFarm, badEscape, noEquals, empty, badFarm, badMember, badHealth, badName, badNumber, twice
        // What the farms that there are show.
        case unknownFarm, unknownMember, noCaller, severalCallers
        // What the table has no room for.
        case tooManyNames
        // What this host cannot do, or this process of it; the latter is of no group.
        case locked, namesLocked, outside
    }

    public var kind: Kind
    /// The group that is at fault, from 1; 0: none is.
    public var group: Int
    /// What was sent; parts of the text that was parsed.
    public var name: UnsafeBufferPointer<UInt8>
    public var value: UnsafeBufferPointer<UInt8>

    private var metric: MetricName?

    private static var nothing: UnsafeBufferPointer<UInt8> { UnsafeBufferPointer(start: nil, count: 0) }

    public init(
        _ kind: Kind, group: Int, name: UnsafeBufferPointer<UInt8>? = nil, value: UnsafeBufferPointer<UInt8>? = nil
    ) {
        self.kind = kind
        self.group = group
        self.name = name ?? Self.nothing
        self.value = value ?? Self.nothing
    }

    /// For names that the table has no room for.
    public init(_ kind: Kind, group: Int, metric: MetricName) {
        self.init(kind, group: group)
        self.metric = metric
    }

    /// Of HTTP.
    public var status: UInt32 {
        switch kind {
        case .unknownFarm, .unknownMember, .noCaller: 404
        case .tooManyNames: 413
        case .locked, .namesLocked, .outside: 503
        default: 400
        }
    }

    /// One line, without its end: `error: WHAT (group N)`, or without a group.
    public func write(to out: inout ByteWriter) {
        out.text("error: ")
        writeReason(to: &out)
        guard group > 0 else { return }
        out.text(" (group ")
        out.number(UInt64(group))
        out.text(")")
    }

    private func writeReason(to out: inout ByteWriter) {
        switch kind {
        case .noFarm:
            out.text("farm= is missing; write farm=NAME&member=NAME&METRIC=NUMBER")
        case .badEscape:
            quote(value, to: &out)
            out.text(" has a % without two hexadecimal digits after it; write %25 for a %")
        case .noEquals:
            quote(name, to: &out)
            out.text(" lacks its value; write NAME=NUMBER")
        case .empty:
            echo(name, to: &out)
            out.text("= is empty; write a value, or leave it out")
        case .badFarm:
            out.text("farm= takes 1 to 63 letters, digits, '_' and '-', not ")
            quote(value, to: &out)
        case .badMember:
            out.text("member= takes 1 to 63 letters, digits and '_.:-', not ")
            quote(value, to: &out)
        case .badHealth:
            out.text("health= takes up or down, not ")
            quote(value, to: &out)
        case .badName:
            quote(name, to: &out)
            out.text(" names no metric; write a letter or '_', then up to 31 letters, digits, '_' and '.'")
        case .badNumber:
            echo(name, to: &out)
            out.text("= takes a finite decimal number such as 0.42, not ")
            quote(value, to: &out)
        case .twice:
            echo(name, to: &out)
            out.text("= stands twice in this group; write it once")
        case .unknownFarm:
            out.text("there is no farm ")
            quote(value, to: &out)
        case .unknownMember:
            out.text("farm ")
            echo(name, to: &out)
            out.text(" has no member ")
            quote(value, to: &out)
        case .noCaller:
            out.text("no member of farm ")
            echo(name, to: &out)
            out.text(" has your address, ")
            echo(value, to: &out)
            out.text("; write member=NAME")
        case .severalCallers:
            out.text("several members of farm ")
            echo(name, to: &out)
            out.text(" have your address, ")
            echo(value, to: &out)
            out.text("; write member=NAME")
        case .locked:
            out.text("the lock of the member's row cannot be taken, and it was not stored; the error log says more")
        case .namesLocked:
            out.text("the lock of the metrics' names cannot be taken, and nothing was stored; the error log says more")
        case .outside:
            out.text(ProcessRefusal.reason)
            out.text(", and nothing was stored")
            out.text(ProcessRefusal.advice)
        case .tooManyNames:
            out.text("the table of metrics has no room for the name ")
            if let metric {
                out.text("'")
                metric.write(to: &out)
                out.text("'")
            } else {
                quote(name, to: &out)
            }
            out.text("; raise FarmTable metrics=N")
        }
    }

    private func quote(_ bytes: UnsafeBufferPointer<UInt8>, to out: inout ByteWriter) {
        out.text("'")
        echo(bytes, to: &out)
        out.text("'")
    }

    private func echo(_ bytes: UnsafeBufferPointer<UInt8>, to out: inout ByteWriter) {
        Self.echo(bytes, to: &out)
    }

    /// What a client sent, made harmless: cut to 40 bytes, in printable ASCII, and without what could be markup.
    public static func echo(_ bytes: UnsafeBufferPointer<UInt8>, to out: inout ByteWriter) {
        for byte in bytes.prefix(40) {
            let isHarmless = byte >= 0x20 && byte < 0x7F && byte != 0x3C && byte != 0x3E && byte != 0x26
            out.byte(isHarmless ? byte : 0x3F)
        }
        if bytes.count > 40 { out.text("...") }
    }
}
