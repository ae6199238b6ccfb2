import CFarmABI
import Foundation

extension FuzzWorld {
    /// The status in each of its forms, which is whole and well formed whatever has happened.
    public func checkStatus(manager: some Collection<UInt8> = [], nonce: some Collection<UInt8> = []) {
        let json = status(FARM_STATUS_JSON)
        guard (try? JSONSerialization.jsonObject(with: Data(json.bytes))) is [String: Any] else {
            finding("no JSON: \(json.text)")
        }
        checkLines(status(FARM_STATUS_TEXT).text)
        let metrics = status(FARM_STATUS_OPENMETRICS).text
        do { _ = try OpenMetrics(metrics) } catch { finding("\(error) in \(metrics)") }
        let section = status(FARM_STATUS_SECTION).text
        do { _ = try Markup(section) } catch { finding("\(error) in \(section)") }
        checkPage(manager, nonce)
    }

    private func status(_ format: UInt32, _ controls: UnsafePointer<farm_controls>? = nil) -> FuzzAnswer {
        let status = FuzzAnswer(status: 200)
        farm_on_status(engine, format, controls, status.handle)
        guard String(validating: status.bytes, as: UTF8.self) != nil || format == FARM_STATUS_PAGE else {
            finding("form \(format) is not UTF-8: \(status.text)")
        }
        for byte in status.bytes where byte < 0x20 && byte != 0x0A || byte == 0x7F {
            // Of a path and a nonce the page keeps every byte.
            guard format == FARM_STATUS_PAGE else { finding("form \(format) has the byte \(byte): \(status.text)") }
        }
        return status
    }

    private func checkLines(_ text: String) {
        var keys: Set<Substring> = []
        for line in text.split(separator: "\n", omittingEmptySubsequences: false).dropLast() {
            guard let end = line.range(of: ": "), end.upperBound < line.endIndex else { finding("no line: \(line)") }
            guard keys.insert(line[..<end.lowerBound]).inserted else { finding("twice: \(line)") }
        }
    }

    private func checkPage(_ manager: some Collection<UInt8>, _ nonce: some Collection<UInt8>) {
        withText(manager) { manager, managerLength in
            withText(nonce) { nonce, nonceLength in
                var controls = farm_controls()
                (controls.manager, controls.manager_length) = (UnsafePointer(manager), managerLength)
                (controls.nonce, controls.nonce_length) = (UnsafePointer(nonce), nonceLength)
                let page = status(FARM_STATUS_PAGE, &controls).text
                do {
                    let markup = try Markup(page)
                    guard Set(markup.ids).count == markup.ids.count else {
                        finding("an id stands twice: \(markup.ids)")
                    }
                    let hasForms = managerLength > 0 && nonceLength > 0
                    guard markup.shape.contains(where: { $0.hasPrefix("form ") }) == hasForms else {
                        finding("forms where there are none to be, or none where there are: \(page)")
                    }
                } catch { finding("\(error) in \(page)") }
            }
        }
    }
}
