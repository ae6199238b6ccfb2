import CFarm
import FarmCore
import FarmTestSupport
import Foundation
import Testing

@testable import FarmTables

/// The status as its readers have it.
extension UnsafeMutablePointer where Pointee == Engine {
    func status(_ format: StatusFormat, manager: String = "", nonce: String = "") -> [UInt8] {
        let output = Output()
        bytes(manager).withUnsafeBufferPointer { manager in
            bytes(nonce).withUnsafeBufferPointer { nonce in
                pointee.writeStatus(
                    format, controls: StatusControls(manager: manager, nonce: nonce), to: output.handle)
            }
        }
        return output.bytes
    }

    func text(_ format: StatusFormat, manager: String = "", nonce: String = "") -> String {
        String(decoding: status(format, manager: manager, nonce: nonce), as: UTF8.self)
    }

    func json() throws -> [String: Any] {
        try #require(try JSONSerialization.jsonObject(with: Data(status(.json))) as? [String: Any])
    }

    /// A farm of the JSON, by its number.
    func farmJSON(_ at: Int = 0) throws -> [String: Any] {
        try #require((try json()["farms"] as? [[String: Any]])?[at])
    }

    /// A member of the JSON, by its number.
    func memberJSON(_ at: Int = 0, farm: Int = 0) throws -> [String: Any] {
        try #require((try farmJSON(farm)["members"] as? [[String: Any]])?[at])
    }

    /// The values of the text form, by their keys.
    func lines() -> [String: String] {
        var lines: [String: String] = [:]
        for line in text(.lines).split(separator: "\n") {
            guard let end = line.range(of: ": ") else { continue }
            lines[String(line[..<end.lowerBound])] = String(line[end.upperBound...])
        }
        return lines
    }

    /// The samples of the OpenMetrics form, by all that stands before the value.
    func samples() -> [String: String] {
        var samples: [String: String] = [:]
        for line in text(.openMetrics).split(separator: "\n") where !line.hasPrefix("#") {
            guard let blank = line.lastIndex(of: " ") else { continue }
            samples[String(line[..<blank])] = String(line[line.index(after: blank)...])
        }
        return samples
    }
}
