/// One HTTP exchange, as commands want it made. The executable has the real one; it is apart so that what is here needs no
/// network.
public protocol Transport: Sendable {
    /// Sends a request and reads the whole answer, in at most `timeout` seconds. Redirects are not followed.
    func send(_ request: HTTPRequest, timeout: Double) async throws(TransportError) -> HTTPResponse
}

/// A request. `body` goes with POST.
public struct HTTPRequest: Sendable {
    public var method: String
    public var url: String
    public var headers: [(name: String, value: String)]
    public var body: String

    public init(method: String, url: String, headers: [(name: String, value: String)] = [], body: String = "") {
        self.method = method
        self.url = url
        self.headers = headers
        self.body = body
    }
}

/// An answer, its body complete.
public struct HTTPResponse: Sendable {
    public var status: Int
    public var headers: [(name: String, value: String)]
    public var body: [UInt8]

    public init(status: Int, headers: [(name: String, value: String)] = [], body: [UInt8] = []) {
        self.status = status
        self.headers = headers
        self.body = body
    }

    /// The longest body that is read, in bytes.
    public static let longest = 64 << 20

    /// The first header of that name.
    public func header(_ name: String) -> String? {
        headers.first { $0.name.lowercased() == name.lowercased() }?.value
    }

    /// The body as text, whatever it is.
    var text: String { String(decoding: body, as: UTF8.self) }
}

/// Why there is no answer.
public enum TransportError: Error, Equatable, Sendable {
    case connectionRefused
    case unknownHost
    case timedOut
    /// What TLS found wrong.
    case tls(String)
    /// More than `HTTPResponse.longest`.
    case tooLong
    /// What came was no HTTP.
    case noHTTP(String)
    /// Anything else, in words.
    case broken(String)
}
