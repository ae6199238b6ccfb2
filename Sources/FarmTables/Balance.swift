import CFarm
import CFarmABI
import FarmCore

/// farm-balance: who would serve a request now. Each answer counts as a choice.
extension UnsafeMutablePointer where Pointee == Engine {
    /// Answers a form-encoded query through `out`; it is written over.
    public func balance(
        _ query: UnsafeMutableBufferPointer<UInt8>, key: UnsafeMutableRawPointer?, out: UnsafeMutableRawPointer?
    ) {
        var asked: [UInt32] = []
        var reader = FormReader(query)
        reading: while true {
            switch reader.next() {
            case .end:
                break reading
            case .badEscape:
                return refuse(out, 400, "a % stands without two hexadecimal digits after it; write farm=NAME")
            case .pair(let name, let value, _):
                guard Names.isWord(name, "farm"), !value.isEmpty else {
                    return refuse(out, 400, "farm-balance takes farm=NAME, once or several times, and nothing else")
                }
                let farm = pointee.findFarm(value)
                guard farm != FARM_NONE else { return refuse(out, 404, "there is no such farm", naming: value) }
                asked.append(farm)
            }
        }
        guard !asked.isEmpty else { return refuse(out, 400, "farm= is missing; write farm=NAME") }
        answer(asked, key, out)
    }

    /// What a farm answered: the member, or the farm's condition.
    private enum Answer {
        case member(UInt32)
        case condition(Condition)
    }

    private func answer(_ farms: [UInt32], _ key: UnsafeMutableRawPointer?, _ out: UnsafeMutableRawPointer?) {
        let now = farm_host_clock()
        var answers: [Answer] = []
        var found = false
        for farm in farms {
            var request = farm_request()
            request.farm = farm
            request.addressed = farm
            // It counts as a choice of the member's; it is no request of a client's.
            request.flags = FARM_REQUEST_ASKED | FARM_REQUEST_COUNTED
            farm_host_key(key, farm, &request)
            _ = pointee.endStates(farm: Int(farm), now: now)
            if choose(&request, now: now) {
                drop(&request)
                answers.append(.member(request.member))
                found = true
            } else {
                answers.append(.condition(pointee.farms[Int(farm)].condition(now: now)))
            }
        }
        farm_host_status(out, found ? 200 : 503)
        var writer = ByteWriter(host: out)
        for (at, farm) in farms.enumerated() {
            if farms.count > 1 {
                writer.cString(farm_row_name(pointee.farms[Int(farm)].row), limit: Names.longest)
                writer.byte(0x20)
            }
            switch answers[at] {
            case .member(let member): writer.cString(farm_host_url(member))
            // A child without a slot chooses nobody, whatever the farm could do.
            case .condition(let condition): writer.text(condition == .ok ? Condition.down.name : condition.name)
            }
            writer.byte(0x0A)
        }
    }

    private func refuse(
        _ out: UnsafeMutableRawPointer?, _ status: UInt32, _ what: StaticString,
        naming name: UnsafeBufferPointer<UInt8>? = nil
    ) {
        farm_host_status(out, status)
        var writer = ByteWriter(host: out)
        writer.text("error: ")
        writer.text(what)
        if let name {
            writer.text(": ")
            UpdateRefusal.echo(name, to: &writer)
        }
        writer.byte(0x0A)
    }
}
