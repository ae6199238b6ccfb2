import CFarm
import CFarmABI
import FarmCore

/// What becomes of a request in the end, and where it is counted.
extension UnsafeMutablePointer where Pointee == farm_request {
    /// Notes what the request has come to.
    @inline(__always)
    func note(_ outcome: RequestOutcome) { pointee.ended = outcome.rawValue &+ 1 }

    /// The farm that has the request redirects it.
    public func wasRedirected() { note(.redirected) }

    /// The farm that has the request forwards it. `toFarm`: to another farm, which may serve it.
    public func wasForwarded(toFarm: Bool) {
        note(.forwarded)
        pointee.came = toFarm ? Arrival.forward.rawValue &+ 1 : 0
    }
}

extension UnsafeMutablePointer where Pointee == Engine {
    /// Counts the outcome of a request, once, in the farm that it was addressed to; and in the farm that served it how it came
    /// there. A request that was not counted when it began is not counted here either.
    @inline(__always)
    public func finish(_ request: UnsafeMutablePointer<farm_request>, status: UInt32, clientLeft: Bool) {
        let addressed = Int(request.pointee.addressed)
        guard request.pointee.flags & FARM_REQUEST_COUNTED != 0, addressed < pointee.farms.count else { return }
        request.pointee.flags &= ~FARM_REQUEST_COUNTED
        let last = RequestOutcome(rawValue: request.pointee.ended &- 1)
        let came = Arrival(rawValue: request.pointee.came &- 1)
        let outcome = RequestOutcome.of(
            last: last, wasForwarded: came == .forward, attempts: request.pointee.attempts, clientLeft: clientLeft)
        pointee.farm(addressed).pointee.row.count(outcome, AnswerClass(status: status))
        guard let came, last == .served, !clientLeft, Int(request.pointee.farm) < pointee.farms.count else { return }
        pointee.farm(Int(request.pointee.farm)).pointee.row.count(came)
    }
}
