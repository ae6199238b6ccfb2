import AsyncHTTPClient
import FarmControl
import NIOCore
import NIOHTTP1
import NIOPosix
import NIOSSL

#if canImport(Glibc)
    import Glibc
#endif

/// HTTP over the network, with TLS.
struct HTTPTransport: Transport {
    private let client: HTTPClient

    /// `authorities` is a file of certificates (PEM) to trust instead of the system's; nil: the system's.
    init(authorities: String?, isInsecure: Bool) throws {
        var tls = TLSConfiguration.makeClientConfiguration()
        if let authorities {
            guard (try? NIOSSLCertificate.fromPEMFile(authorities))?.isEmpty == false else {
                throw Failure(.noInput, "--cacert \(authorities): there is no such file, or no certificate (PEM) in it")
            }
            tls.trustRoots = .file(authorities)
        }
        if isInsecure { tls.certificateVerification = .none }
        var configuration = HTTPClient.Configuration(tlsConfiguration: tls, redirectConfiguration: .disallow)
        // `send` has the one limit that there is.
        configuration.timeout.connect = .hours(24)
        configuration.httpVersion = .http1Only
        configuration.connectionPool.retryConnectionEstablishment = false
        client = HTTPClient(eventLoopGroupProvider: .singleton, configuration: configuration)
    }

    func send(_ request: HTTPRequest, timeout: Double) async throws(TransportError) -> HTTPResponse {
        var sent = HTTPClientRequest(url: request.url)
        sent.method = HTTPMethod(rawValue: request.method)
        for (name, value) in request.headers { sent.headers.add(name: name, value: value) }
        if request.method == "POST" { sent.body = .bytes(ByteBuffer(string: request.body)) }
        do {
            return try await withThrowingTaskGroup(of: HTTPResponse.self) { group in
                // The client's own deadline ends with the head of the answer.
                group.addTask { [sent] in try await exchange(sent, deadline: .now() + .seconds(366 * 86_400)) }
                group.addTask {
                    try await Task.sleep(for: .seconds(min(timeout, 1e9)))
                    throw TransportError.timedOut
                }
                defer { group.cancelAll() }
                guard let answer = try await group.next() else { throw TransportError.timedOut }
                return answer
            }
        } catch {
            throw Self.told(error)
        }
    }

    private func exchange(_ request: HTTPClientRequest, deadline: NIODeadline) async throws -> HTTPResponse {
        let answer = try await client.execute(request, deadline: deadline)
        var body: [UInt8] = []
        for try await piece in answer.body {
            body += piece.readableBytesView
            guard body.count <= HTTPResponse.longest else { throw TransportError.tooLong }
        }
        return HTTPResponse(
            status: Int(answer.status.code), headers: answer.headers.map { (name: $0.name, value: $0.value) },
            body: body)
    }

    /// Closes the connections.
    func close() async { try? await client.shutdown() }

    private static func told(_ error: any Error) -> TransportError {
        switch error {
        case let error as TransportError: error
        case let error as HTTPClientError: told(error)
        case let error as NIOConnectionError: told(error)
        case let error as IOError where error.errnoCode == ECONNREFUSED: .connectionRefused
        case let error as IOError: .broken(String(cString: strerror(error.errnoCode)))
        case is NIOSSLError, is BoringSSLError, is NIOSSLExtraError: .tls(tls("\(error)"))
        case is HTTPParserError: .noHTTP("\(error)")
        default: .broken("\(error)")
        }
    }

    private static func told(_ error: HTTPClientError) -> TransportError {
        switch error {
        case .deadlineExceeded, .connectTimeout, .readTimeout, .writeTimeout, .getConnectionFromPoolTimeout,
            .tlsHandshakeTimeout:
            .timedOut
        case .remoteConnectionClosed: .broken("the server closed the connection without an answer")
        default: .broken(error.shortDescription)
        }
    }

    private static func told(_ error: NIOConnectionError) -> TransportError {
        let reasons = error.connectionErrors.compactMap { ($0.error as? IOError)?.errnoCode }
        if reasons.contains(ECONNREFUSED) { return .connectionRefused }
        if let reason = reasons.first { return .broken(String(cString: strerror(reason))) }
        if let error = error.connectionErrors.first?.error { return told(error) }
        return .unknownHost
    }

    /// The words of libssl that say something to those who do not know it.
    private static func tls(_ text: String) -> String {
        if text.contains("WRONG_VERSION_NUMBER") { return "the server speaks no TLS at this port; is it http://?" }
        if text.contains("CERTIFICATE_VERIFY_FAILED") {
            return "the server's certificate is signed by nobody who is trusted"
        }
        if text.lowercased().contains("hostname") { return "the server's certificate is for another name" }
        return text
    }
}
