import FarmTestSupport
import Foundation
import Synchronization

@testable import FarmControl

/// Answers requests by a script, and remembers them.
final class FakeTransport: Transport {
    typealias Answer = Result<HTTPResponse, TransportError>

    private let state: Mutex<(answers: [Answer], requests: [HTTPRequest])>

    /// The last answer is given again and again.
    init(_ answers: [Answer]) { state = Mutex((answers, [])) }

    var requests: [HTTPRequest] { state.withLock { $0.requests } }

    func send(_ request: HTTPRequest, timeout: Double) async throws(TransportError) -> HTTPResponse {
        let answer = state.withLock { state in
            state.requests.append(request)
            return state.answers.count > 1 ? state.answers.removeFirst() : state.answers[0]
        }
        return try answer.get()
    }
}

extension HTTPResponse {
    static func text(_ text: String, status: Int = 200, type: String = "text/plain") -> HTTPResponse {
        HTTPResponse(status: status, headers: [(name: "Content-Type", value: type)], body: Array(text.utf8))
    }
}

extension FakeTransport {
    convenience init(_ texts: String..., status: Int = 200) {
        self.init(texts.map { .success(.text($0, status: status)) })
    }

    var server: Server {
        get throws { Server(try ServerAddress(base: "http://balancer/"), transport: self, timeout: 10) }
    }
}

/// Keeps what is written; its time goes on when it sleeps.
final class FakeConsole: Console {
    struct Closed: Error {}

    let screen: Screen
    let isLive: Bool
    private let state = Mutex((text: "", complaints: [String](), time: 0.0, sleeps: [Double]()))

    init(width: Int? = nil, height: Int? = nil, isLive: Bool = false) {
        screen = Screen(width: width, height: height)
        self.isLive = isLive
    }

    var time: Double { state.withLock { $0.time } }
    var text: String { state.withLock { $0.text } }
    var lines: [String] { text.split(separator: "\n").map(String.init) }
    var complaints: [String] { state.withLock { $0.complaints } }
    var sleeps: [Double] { state.withLock { $0.sleeps } }

    func write(_ text: String) { state.withLock { $0.text += text } }
    func complain(_ line: String) { state.withLock { $0.complaints.append(line) } }

    func sleep(_ seconds: Double) async throws {
        let count = state.withLock { state in
            state.time += seconds
            state.sleeps.append(seconds)
            return state.sleeps.count
        }
        // Nothing here waits that often: a loop that does not end is a fault.
        if count > 1000 { throw Closed() }
    }
}

/// libcrypto's HMAC.
struct TestAuthenticator: Authenticator {
    func mac(key: [UInt8], _ text: [UInt8]) -> [UInt8] {
        text.withUnsafeBytes { HostKeys.mac(String(decoding: key, as: UTF8.self), $0) }
    }
}

/// A status as the server writes it, as far as a test says what is in it.
enum Sample {
    static func member(
        _ name: String, admin: String = "on", health: String = "up", fresh: String = "in", inflight: Int = 0,
        clients: Int = 0, more: String = ""
    ) -> String {
        let isAvailable = admin == "on" && health == "up" && fresh == "in"
        return """
            {"name":"\(name)","url":"http://10.0.0.1:8080/\(name)","admin":"\(admin)","health":"\(health)",\
            "fresh":"\(fresh)","available":\(isAvailable),"tier":0,"weight":1,"share":0.5,"max_inflight":0,\
            "inflight":\(inflight),"sticky":{"clients":\(clients),"until":null}\(more)}
            """
    }

    static func farm(_ name: String, condition: String = "ok", more: String = "", _ members: String...) -> String {
        """
        {"name":"\(name)","algorithm":"adaptive","admin":"on","condition":"\(condition)","available":\(members.count),\
        "failovers":0\(more),"members":[\(members.joined(separator: ","))]}
        """
    }

    static func status(_ farms: String...) -> String {
        """
        {"module":{"version":"0.1.0","now":"2026-11-25T12:00:00.5Z"},"farms":[\(farms.joined(separator: ","))]}
        """
    }

    static func read(_ text: String) throws -> FarmsStatus {
        guard let json = JSONReader.read(Array(text.utf8)), let status = FarmsStatus(json) else {
            throw Failure(.data, "no status: \(text)")
        }
        return status
    }
}

/// The failure with which a call ends; nil: it does not.
func failure(_ call: () async throws -> Void) async -> Failure? {
    do {
        try await call()
        return nil
    } catch let failure as Failure {
        return failure
    } catch {
        return Failure(.usage, "another error: \(error)")
    }
}

/// Testing has a type of that name too.
typealias Exit = FarmControl.ExitStatus
