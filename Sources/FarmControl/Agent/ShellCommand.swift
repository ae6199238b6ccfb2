#if canImport(Glibc)
    import Glibc
#endif

/// A command that the agent runs with /bin/sh.
struct ShellCommand: Sendable {
    let text: String
    /// Seconds it may take; then it is killed, with all that it has started.
    let limit: Double

    enum Outcome: Equatable {
        /// It ended: its exit status, and the first bytes that it wrote to standard output.
        case ended(Int32, String)
        case signalled(Int32)
        case timedOut
        /// It could not be started.
        case failed(String)
    }

    /// More than that is no number, and is not kept.
    private static let longest = 4096

    func run() -> Outcome {
        var ends: [Int32] = [0, 0]
        guard pipe(&ends) == 0 else { return .failed(String(cString: strerror(errno))) }
        for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        defer { close(ends[0]) }
        var actions = posix_spawn_file_actions_t()
        var attributes = posix_spawnattr_t()
        posix_spawn_file_actions_init(&actions)
        posix_spawnattr_init(&attributes)
        defer {
            posix_spawn_file_actions_destroy(&actions)
            posix_spawnattr_destroy(&attributes)
        }
        posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0)
        posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO)
        // A group of its own, so that all of it can be ended; and no signal ignored or held back that this program ignores.
        var signals = sigset_t()
        sigfillset(&signals)
        posix_spawnattr_setsigdefault(&attributes, &signals)
        sigemptyset(&signals)
        posix_spawnattr_setsigmask(&attributes, &signals)
        posix_spawnattr_setpgroup(&attributes, 0)
        posix_spawnattr_setflags(
            &attributes, Int16(POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK))
        var arguments: [UnsafeMutablePointer<CChar>?] = (["sh", "-c", text] as [String]).map { strdup($0) } + [nil]
        defer { arguments.forEach { free($0) } }
        var child: pid_t = 0
        let error = posix_spawn(&child, "/bin/sh", &actions, &attributes, &arguments, environ)
        close(ends[1])
        guard error == 0 else { return .failed(String(cString: strerror(error))) }
        return outcome(child, output: ends[0])
    }

    private func outcome(_ child: pid_t, output: Int32) -> Outcome {
        let end = Moment.monotonic + limit
        var said: [UInt8] = []
        var isOpen = true
        while true {
            // When it has closed its output and goes on, its end is waited for in the same small steps.
            if isOpen { isOpen = read(output, &said, until: end) } else { usleep(10_000) }
            var status: Int32 = 0
            if waitpid(child, &status, WNOHANG) == child {
                while isOpen && said.count < Self.longest && isReady(output) {
                    isOpen = read(output, &said, until: end)
                }
                kill(-child, SIGKILL)
                let signal = status & 0x7F
                return signal == 0
                    ? .ended(status >> 8 & 0xFF, String(decoding: said, as: UTF8.self)) : .signalled(signal)
            }
            if Moment.monotonic >= end {
                kill(-child, SIGKILL)
                waitpid(child, &status, 0)
                return .timedOut
            }
        }
    }

    private func isReady(_ descriptor: Int32) -> Bool {
        var ready = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        return poll(&ready, 1, 0) > 0
    }

    /// Waits for output, a short time; false: there is no more.
    private func read(_ descriptor: Int32, _ said: inout [UInt8], until end: Double) -> Bool {
        var ready = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        let milliseconds = max(0, min(50, (end - Moment.monotonic) * 1000))
        guard poll(&ready, 1, Int32(milliseconds.rounded(.up))) > 0 else { return true }
        var piece = [UInt8](repeating: 0, count: 4096)
        let count = Glibc.read(descriptor, &piece, piece.count)
        if count < 0 { return errno == EINTR }
        said += piece[..<min(count, Self.longest - min(said.count, Self.longest))]
        return count > 0
    }
}
