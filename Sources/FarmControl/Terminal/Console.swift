/// Where a command writes and how it waits: apart from the terminal, so that tests need neither one nor time.
public protocol Console: Sendable {
    /// What is written for, as it is now.
    var screen: Screen { get }
    /// Whether it can show a picture in the place of the one before.
    var isLive: Bool { get }
    /// Seconds of a clock that never goes back.
    var time: Double { get }

    /// Writes text; throws `OutputClosed` when nobody reads it any more.
    func write(_ text: String) throws
    /// One line for people, beside the output.
    func complain(_ line: String)
    func sleep(_ seconds: Double) async throws
}

extension Console {
    /// Writes a line.
    public func line(_ text: String) throws { try write(text + "\n") }

    /// Writes a value as a line of JSON.
    public func line(_ json: JSON) throws { try write(json.text + "\n") }
}

/// Nobody reads what is written: the command ends, and nothing is wrong.
public struct OutputClosed: Error, Equatable {
    public init() {}
}

/// The console that there is.
public struct RealConsole: Console {
    public init() {}

    public var screen: Screen { Terminal.screen }
    public var isLive: Bool { Terminal.isThere }
    public var time: Double { Moment.monotonic }

    public func write(_ text: String) throws {
        guard Terminal.write(text) else { throw OutputClosed() }
    }

    public func complain(_ line: String) { Terminal.complain(line) }

    public func sleep(_ seconds: Double) async throws { try await Task.sleep(for: .seconds(seconds)) }
}
