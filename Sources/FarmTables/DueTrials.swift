import CFarmABI
import FarmCore

extension UnsafeMutablePointer where Pointee == Engine {
    /// Whether a member of a request's farm waits for a trial that is due. Asked for requests whose body has not been read,
    /// on any thread of a child; takes no lock.
    public func trialIsDue(_ request: UnsafePointer<farm_request>, now: UInt64) -> Bool {
        let farmAt = Int(request.pointee.farm)
        guard pointee.serves, farmAt < pointee.farms.count else { return false }
        let farm = pointee.farm(farmAt)
        guard let view = farm.pointee.freshView(now: now) ?? pointee.renewedView(farmAt, now: now) else { return false }
        return farm.pointee.trialIsDue(in: view)
    }
}
