import CFarm
import CFarmABI
import FarmCore

/// Members of one farm by the route that a client's session names: open addressing, at most half full.
struct RouteIndex {
    private let entries: UnsafeMutablePointer<UInt32>
    private let mask: UInt32
    private let members: UnsafePointer<farm_member_config>

    init(_ config: farm_config, farm at: Int) {
        let farm = config.farms[at]
        let count = farm.sticky_cookie == nil ? 0 : farm.member_count
        var size: UInt32 = 8
        while size < count &* 2 { size *= 2 }
        mask = size - 1
        entries = .allocate(capacity: Int(size))
        entries.initialize(repeating: FARM_NONE, count: Int(size))
        members = config.members + Int(farm.first_member)
        for member in 0..<count {
            var place = RequestKey.of(Self.route(of: members[Int(member)])).low & mask
            while entries[Int(place)] != FARM_NONE { place = (place &+ 1) & mask }
            entries[Int(place)] = member
        }
    }

    func deallocate() { entries.deallocate() }

    /// The member of that route, farm-local; nil when there is none.
    func find(_ route: UnsafeBufferPointer<UInt8>) -> UInt32? {
        var place = RequestKey.of(route).low & mask
        while entries[Int(place)] != FARM_NONE {
            let member = entries[Int(place)]
            let known = Self.route(of: members[Int(member)])
            if known.count == route.count && (0..<route.count).allSatisfy({ known[$0] == route[$0] }) { return member }
            place = (place &+ 1) & mask
        }
        return nil
    }

    private static func route(of member: farm_member_config) -> UnsafeBufferPointer<UInt8> {
        UnsafeBufferPointer(
            start: UnsafeRawPointer(member.route)?.assumingMemoryBound(to: UInt8.self),
            count: member.route == nil ? 0 : Int(member.route_length))
    }
}

extension UInt64 {
    fileprivate var low: UInt32 { UInt32(truncatingIfNeeded: self) }
}
