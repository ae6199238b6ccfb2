import FarmControl
import FuzzSupport

// What farmctl reads of others: the first byte says what. j is a server's status, c a configuration, k a file of keys, v values of
// cookies (one a line), t a time, a target, an address, fields of a cookie. Whatever it is, it is read or refused with words.

private let now: UInt64 = 1_800_000_000_000_000
private let running = FarmsStatus(
    JSONReader.read(
        Array(
            #"{"module":{},"farms":[{"name":"app","members":[{"name":"app1","url":"http://10.0.0.11:8080","weight":2}]}]}"#
                .utf8
        ))!, now: now)!

@c public func LLVMFuzzerTestOneInput(_ data: UnsafePointer<UInt8>?, _ size: Int) -> Int32 {
    let input = UnsafeBufferPointer(start: data, count: size)
    let bytes = Array(input.dropFirst())
    switch input.first {
    case UInt8(ascii: "j"): status(bytes)
    case UInt8(ascii: "v"): cookies(bytes)
    default:
        // Files and words that are no UTF-8 are refused before they are read.
        guard let text = String(validating: bytes, as: UTF8.self) else { return 0 }
        switch input.first {
        case UInt8(ascii: "c"): configuration(text)
        case UInt8(ascii: "k"): tried { _ = try KeyFile.keys(text, path: "keys") }
        case UInt8(ascii: "t"): words(text)
        default: break
        }
    }
    return 0
}

/// A failure says something, in lines that a terminal can show.
private func tried(_ body: () throws -> Void) {
    do {
        try body()
    } catch let failure as Failure {
        guard !failure.message.isEmpty else { finding("a failure without a word") }
    } catch { finding("\(error)") }
}

private func status(_ bytes: [UInt8]) {
    guard let json = JSONReader.read(bytes) else { return }
    guard JSONReader.read(Array(json.text.utf8)) == json else { finding("written and read again: \(json.text)") }
    guard let status = FarmsStatus(json, now: now) else { return }
    for (width, order) in zip([nil, 20, 79, 200], [nil] + StatusTable.Order.allCases) {
        tried {
            for line in try StatusTable(status, order: order).lines(Screen(width: width)) {
                guard PrintableText.line(line) == line else { finding("a line that moves the cursor: \(line)") }
            }
        }
    }
    tried { _ = try StatusVerdict(status) }
    for farm in status.farms.prefix(3) {
        let names = [nil] + farm.members.prefix(2).map(\.name)
        for name in names { tried { _ = try StatusVerdict(status, of: Target(farm: farm.name, member: name)) } }
    }
}

private func configuration(_ text: String) {
    tried {
        let farms = try ConfiguredFarms(text, path: "farms.conf").farms
        for difference in Differences(farms, running).all { _ = difference.line }
    }
}

private struct NoMAC: Authenticator {
    func mac(key: [UInt8], _ text: [UInt8]) -> [UInt8] { [UInt8](repeating: 0, count: 32) }
}

private func cookies(_ bytes: [UInt8]) {
    guard let key = try? CookieKey(name: "k1", key: String(repeating: "k", count: 32), at: "here") else {
        finding("a key that is good is refused")
    }
    let judge = CookieJudge([key], NoMAC(), farms: [("app", ["app1"])])
    let values = bytes.split(separator: 0x0A, omittingEmptySubsequences: false).map(Array.init)
    for verdict in judge.judge(values, .init(now: now / 1_000_000)) {
        _ = CookieVerdictText.line(verdict, now: now)
        let json = CookieVerdictText.json(verdict).text
        guard JSONReader.read(Array(json.utf8)) != nil else { finding("no JSON: \(json)") }
    }
}

private func words(_ text: String) {
    if let time = Moment.read(text, now: now) { _ = Moment.text(time) }
    if let seconds = Moment.seconds(text) { _ = Moment.length(seconds) }
    _ = IPAddress(text)
    tried { _ = try CookieInput.seconds(text) }
    tried { _ = try Target(parsing: text) }
    tried { _ = try ServerAddress(base: text) }
    tried {
        let fields = InstructionFields.resolved(
            try InstructionFields.read(text.split(separator: " ").map(String.init)), now: now / 1_000_000)
        guard let key = try? CookieKey(name: "k1", key: String(repeating: "k", count: 32), at: "here") else { return }
        _ = try CookieMint(NoMAC()).cookie(fields, key: key)
    }
}
