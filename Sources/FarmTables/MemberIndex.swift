import CFarm
import CFarmABI
import FarmCore

/// Members of one farm by what a client's cookie calls them, their name or their route: open addressing, at most half full.
struct MemberIndex {
    enum Key { case name, route }

    private let entries: UnsafeMutablePointer<UInt32>
    private let mask: UInt32
    private let members: UnsafePointer<farm_member_config>
    private let key: Key

    /// `isUsed`: otherwise it finds nobody, and takes no room.
    init(_ config: farm_config, farm at: Int, by key: Key, isUsed: Bool = true) {
        let farm = config.farms[at]
        let count = isUsed ? farm.member_count : 0
        var size: UInt32 = 8
        while size < count &* 2 { size *= 2 }
        mask = size - 1
        entries = .allocate(capacity: Int(size))
        entries.initialize(repeating: FARM_NONE, count: Int(size))
        members = config.members + Int(farm.first_member)
        self.key = key
        for member in 0..<count {
            var place = RequestKey.of(text(of: member)).low & mask
            while entries[Int(place)] != FARM_NONE { place = (place &+ 1) & mask }
            entries[Int(place)] = member
        }
    }

    func deallocate() { entries.deallocate() }

    /// The member of that name or route, farm-local; nil when there is none.
    func find(_ wanted: UnsafeBufferPointer<UInt8>) -> UInt32? {
        var place = RequestKey.of(wanted).low & mask
        while entries[Int(place)] != FARM_NONE {
            let member = entries[Int(place)]
            let known = text(of: member)
            if known.count == wanted.count && (0..<wanted.count).allSatisfy({ known[$0] == wanted[$0] }) {
                return member
            }
            place = (place &+ 1) & mask
        }
        return nil
    }

    private func text(of member: UInt32) -> UnsafeBufferPointer<UInt8> {
        let member = members[Int(member)]
        return switch key {
        case .name: Engine.bytes(member.name, member.name_length)
        case .route: Engine.bytes(member.route, member.route_length)
        }
    }
}

extension UInt64 {
    fileprivate var low: UInt32 { UInt32(truncatingIfNeeded: self) }
}
