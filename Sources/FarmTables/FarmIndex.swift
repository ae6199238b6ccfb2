import CFarm
import CFarmABI
import FarmCore

/// Farms by name: open addressing, at most half full. Asked for every proxied request, also those that name no farm.
struct FarmIndex {
    private struct Entry {
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
        entries.initialize(repeating: Entry(hash: 0, farm: FARM_NONE), count: Int(size))
        for number in 0..<config.farm_count {
            let hash = Names.hashIgnoringCase(Self.name(number, config))
            var at = hash & mask
            while entries[Int(at)].farm != FARM_NONE { at = (at &+ 1) & mask }
            entries[Int(at)] = Entry(hash: hash, farm: number)
        }
    }

    func deallocate() { entries.deallocate() }

    func find(_ name: UnsafeBufferPointer<UInt8>, _ config: farm_config) -> UInt32 {
        guard name.count <= Names.longest else { return FARM_NONE }
        let hash = Names.hashIgnoringCase(name)
        var at = hash & mask
        while entries[Int(at)].farm != FARM_NONE {
            let entry = entries[Int(at)]
            if entry.hash == hash && Names.equalIgnoringCase(name, Self.name(entry.farm, config)) { return entry.farm }
            at = (at &+ 1) & mask
        }
        return FARM_NONE
    }

    private static func name(_ farm: UInt32, _ config: farm_config) -> UnsafeBufferPointer<UInt8> {
        let farm = config.farms[Int(farm)]
        let start = UnsafeRawPointer(farm.name).assumingMemoryBound(to: UInt8.self)
        return UnsafeBufferPointer(start: start, count: Int(farm.name_length))
    }
}
