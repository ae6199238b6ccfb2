import CFarm
import CFarmABI
import FarmCore

/// Farms by name: open addressing, at most half full. Asked for every proxied request, also those that name no farm.
struct FarmIndex {
    private struct Entry {
        var name: UnsafeBufferPointer<UInt8>
        var hash: UInt32
        var farm: UInt32
    }

    private let entries: UnsafeMutablePointer<Entry>
    private let mask: UInt32

    init(_ config: farm_config) {
        var size: UInt32 = 8
        while size < config.farm_count &* 2 { size *= 2 }
        mask = size - 1
        entries = .allocate(capacity: Int(size))
        let none = UnsafeBufferPointer<UInt8>(start: nil, count: 0)
        entries.initialize(repeating: Entry(name: none, hash: 0, farm: FARM_NONE), count: Int(size))
        for number in 0..<config.farm_count {
            let farm = config.farms[Int(number)]
            let start = UnsafeRawPointer(farm.name).assumingMemoryBound(to: UInt8.self)
            let name = UnsafeBufferPointer(start: start, count: Int(farm.name_length))
            let hash = Names.hashIgnoringCase(name)
            var at = hash & mask
            while entries[Int(at)].farm != FARM_NONE { at = (at &+ 1) & mask }
            entries[Int(at)] = Entry(name: name, hash: hash, farm: number)
        }
    }

    func deallocate() { entries.deallocate() }

    @inline(__always)
    func find(_ name: UnsafeBufferPointer<UInt8>) -> UInt32 {
        guard name.count <= Names.longest else { return FARM_NONE }
        let hash = Names.hashIgnoringCase(name)
        var at = hash & mask
        while true {
            let entry = entries + Int(at)
            if entry.pointee.farm == FARM_NONE { return FARM_NONE }
            if entry.pointee.hash == hash && Names.equalIgnoringCase(name, entry.pointee.name) {
                return entry.pointee.farm
            }
            at = (at &+ 1) & mask
        }
    }
}
