/// The server that a command talks to.
public struct Server: Sendable {
    public let address: ServerAddress
    let transport: any Transport
    /// Sent with each request.
    let headers: [(name: String, value: String)]
    /// Of a whole exchange, in seconds.
    public let timeout: Double

    /// `user` is `NAME:PASSWORD`; `host` what the Host header says.
    public init(
        _ address: ServerAddress, transport: any Transport, user: String? = nil, host: String? = nil, timeout: Double
    ) {
        self.address = address
        self.transport = transport
        self.timeout = timeout
        var headers = [(name: "User-Agent", value: "farmctl"), (name: "Accept", value: "*/*")]
        if let host { headers.append((name: "Host", value: host)) }
        if let user { headers.append((name: "Authorization", value: "Basic " + Base64.text(user))) }
        self.headers = headers
    }

    /// The state of all farms.
    public func status() async throws -> FarmsStatus {
        let answer = try await ask(.status, "GET", query: "?format=json")
        guard answer.status == 200, let json = JSONReader.read(answer.body), let status = FarmsStatus(json) else {
            throw Answers.failure(answer, .status, address.url(.status))
        }
        return status
    }

    /// Pushes an update; the lines about the members.
    public func update(_ form: String) async throws -> [String] {
        let answer = try await post(.update, form)
        var lines = answer.text.split(separator: "\n").map { PrintableText.line(String($0)) }
        guard answer.status == 200, let first = lines.first, first.hasPrefix("ok "), Int(first.dropFirst(3)) != nil
        else {
            throw await explained(answer, .update, form)
        }
        lines.removeFirst()
        return lines
    }

    /// Makes a change; what the server says of the member or farm.
    public func change(_ form: String) async throws -> String {
        let answer = try await post(.manager, form, [(name: "X-Farm-Manager", value: "1")])
        let line = PrintableText.line(String(answer.text.prefix { $0 != "\n" }))
        guard answer.status == 200, line.hasPrefix("ok ") else { throw await explained(answer, .manager, form) }
        return String(line.dropFirst(3))
    }

    /// Who would serve a request now: the farm, and the URL of the member or the farm's condition.
    public func balance(_ farms: [String]) async throws -> [(farm: String, says: String)] {
        let form = FormText(farms.map { ("farm", $0) }).text
        let answer = try await ask(.balance, "GET", query: "?" + form)
        let lines = answer.text.split(separator: "\n").map { PrintableText.line(String($0)) }
        let parts = lines.map { farms.count == 1 ? [farms[0], $0] : $0.split(separator: " ").map(String.init) }
        guard answer.status == 200 || answer.status == 503, lines.count == farms.count,
            parts.allSatisfy({ $0.count == 2 && ($0[1].contains("://") || Condition.names.contains($0[1])) })
        else { throw await explained(answer, .balance, form) }
        return parts.map { (farm: $0[0], says: $0[1]) }
    }

    private func post(
        _ handler: Handler, _ form: String, _ more: [(name: String, value: String)] = []
    ) async throws -> HTTPResponse {
        try await ask(
            handler, "POST", body: form, [(name: "Content-Type", value: "application/x-www-form-urlencoded")] + more)
    }

    private func ask(
        _ handler: Handler, _ method: String, query: String = "", body: String = "",
        _ more: [(name: String, value: String)] = []
    ) async throws -> HTTPResponse {
        let url = address.url(handler)
        let request = HTTPRequest(method: method, url: url + query, headers: headers + more, body: body)
        do {
            return try await transport.send(request, timeout: timeout)
        } catch {
            throw Answers.failure(error, url, timeout: timeout)
        }
    }

    /// A refusal; where it is of a name, with the names that there are, if the status can be had.
    private func explained(_ answer: HTTPResponse, _ handler: Handler, _ form: String) async -> Failure {
        let failure = Answers.failure(answer, handler, address.url(handler))
        guard answer.status == 404, failure.status == .data, let known = try? await status() else {
            return failure
        }
        var names: [String: String] = [:]
        for pair in form.split(separator: "&") {
            let parts = pair.split(separator: "=", maxSplits: 1).map(String.init)
            if parts.count == 2, names[parts[0]] == nil || known.farm(parts[1]) == nil { names[parts[0]] = parts[1] }
        }
        let hint = known.hint(farm: names["farm"], member: names["member"])
        return Failure(.data, failure.message + (hint.map { "; \($0)" } ?? ""))
    }
}

enum Condition {
    static let names = ["ok", "full", "offline", "down"]
}
