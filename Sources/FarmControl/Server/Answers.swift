/// What is wrong with an answer, or with there being none, and what to do about it.
enum Answers {
    static func failure(_ error: TransportError, _ url: String, timeout: Double) -> Failure {
        switch error {
        case .connectionRefused:
            Failure(
                .unreachable,
                "\(url): connection refused; is httpd running there? Name the server with --server or FARMCTL_SERVER")
        case .unknownHost:
            Failure(
                .unreachable, "\(url): there is no host of that name; name the server with --server or FARMCTL_SERVER")
        case .timedOut:
            Failure(
                .unreachable,
                "\(url): no complete answer within \(Moment.length(timeout)); is the server busy? --timeout gives it longer"
            )
        case .tls(let what):
            Failure(
                .unreachable,
                "\(url): TLS: \(what); --cacert FILE names whom to trust, --insecure trusts anybody")
        case .tooLong:
            Failure(
                .wrongServer, "\(url): the answer has more than 64 MiB, so it is not the module's; is the URL right?")
        case .noHTTP(let what):
            Failure(
                .wrongServer,
                "\(url): what answers speaks no HTTP (\(what)); is it https:// instead of http://, or another port?")
        case .broken(let what):
            Failure(.unreachable, "\(url): the exchange failed: \(what)")
        }
    }

    /// Of an answer that is not what was asked for.
    static func failure(_ answer: HTTPResponse, _ handler: Handler, _ url: String) -> Failure {
        let error = moduleError(answer)
        switch answer.status {
        case 401:
            return Failure(
                .refused, "\(url): the server wants a name and a password (401); give --user or FARMCTL_USER")
        case 403:
            let why = error.map { ": \($0)" } ?? ""
            return Failure(
                .refused,
                "\(url): the server does not allow it (403)\(why); in <Location> of \(handler.rawValue) a line such as "
                    + "'Require ip ADDRESS' or 'Require local' is missing for this machine or user")
        case 300...399:
            let place = answer.header("Location").map { " to \($0)" } ?? ""
            return Failure(
                .wrongServer,
                "\(url): the server redirects (\(answer.status))\(place), which is not followed; name that URL with "
                    + "\(handler.option) or --server if it is right")
        case 404:
            if let error { return Failure(.data, "\(url): \(error)") }
            return Failure(
                .wrongServer,
                "\(url): there is nothing here (404): 'SetHandler \(handler.rawValue)' is not at this URL; name the right "
                    + "one with \(handler.option)")
        case 400, 413, 415:
            if let error { return Failure(.data, "\(url): \(error)") }
            return Failure(
                .wrongServer,
                "\(url): what answers refuses the request (\(answer.status)), and not in this module's words; is it another "
                    + "server, or https:// instead of http://?")
        case 502, 503, 504:
            let why = error ?? "the server cannot answer now (\(answer.status))"
            return Failure(.unreachable, "\(url): \(why)")
        default: break
        }
        let kind = answer.header("Content-Type").map { " (\(PrintableText.cut($0, to: 60)))" } ?? ""
        return Failure(
            .wrongServer,
            "\(url): what answers is not \(handler.rawValue) of mod_proxy_farm: status \(answer.status)\(kind); is "
                + "'SetHandler \(handler.rawValue)' at this URL, and 'ProxyPass … !' for it? \(handler.option) names another"
        )
    }

    /// What the module says is wrong, in its one line; nil: it was not the module.
    private static func moduleError(_ answer: HTTPResponse) -> String? {
        let text = answer.text
        guard text.hasPrefix("error: "), let end = text.firstIndex(of: "\n"), text.count < 2000 else { return nil }
        let line = String(text[..<end].dropFirst(7))
        // farmctl sends one group only.
        return line.hasSuffix(" (group 1)") ? String(line.dropLast(10)) : line
    }
}
