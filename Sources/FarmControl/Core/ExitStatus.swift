/// What farmctl ends with. One table for all commands; docs/farmctl.md and the manual page say it too. From 64 on they are
/// those of sysexits(3).
public enum ExitStatus: Int32, CaseIterable, Sendable {
    /// Done, or the answer is yes.
    case done = 0
    /// The answer is no: a warning of `status --check`, differences, a cookie that does not hold, nobody available.
    case no = 1
    /// `status --check`: a farm's condition is not ok.
    case critical = 2
    /// `status --check`: the server does not say.
    case unknown = 3
    /// `drain --wait`: the time was up.
    case timeUp = 4
    /// `drain --wait`: somebody ended the drain.
    case drainEnded = 5
    /// The command line is wrong.
    case usage = 64
    /// The data are wrong: refused here or by the server, or no such farm or member.
    case data = 65
    /// A file cannot be read.
    case noInput = 66
    /// The server cannot be reached, or took too long.
    case unreachable = 69
    /// What answers is not this module.
    case wrongServer = 76
    /// The server does not allow it.
    case refused = 77
}

/// Why a command ends without having done what was asked: one line for people, and the exit status.
public struct Failure: Error, Equatable, Sendable {
    public let status: ExitStatus
    /// One line without its end, without the name of the program.
    public let message: String

    public init(_ status: ExitStatus, _ message: String) {
        self.status = status
        self.message = PrintableText.line(message)
    }
}
