import CFarm
import CFarmABI
import FarmCore

/// The cookie of `FarmSticky cookie`: when the module sets it, and how it is hidden from members.
extension UnsafeMutablePointer where Pointee == Engine {
    /// The cookie that the answer of the member now open shall set, into `room`; its length, 0: none.
    public func setCookie(
        _ request: UnsafePointer<farm_request>, into room: UnsafeMutableBufferPointer<UInt8>
    ) -> Int {
        let farmAt = Int(request.pointee.farm)
        guard farmAt < pointee.farms.count else { return 0 }
        let farm = pointee.config.farms[farmAt]
        let local = Int(request.pointee.member &- farm.first_member)
        let now = farm_host_wall_clock() / 1_000_000
        guard farm.sets_cookie != 0, request.pointee.flags & FARM_REQUEST_OPEN != 0,
            local < pointee.farms[farmAt].members.count, isDue(request, local: local, now: now),
            let key = farm_host_signing_key()
        else { return 0 }
        let expires = now &+ UInt64(farm.sticky_seconds)
        let count = writeCookie(
            farm, local, isForAny: request.pointee.addressed != request.pointee.farm,
            key: ByteWriter.bytes(of: key, limit: 16), expires: expires, into: room)
        guard let count else { return 0 }
        pointee.clients(farm: farmAt, local: local).note(
            RequestKey.of(Instruction.Bytes(rebasing: room[(count - 43)..<count])), expires: expires, now: now)
        return count
    }

    /// Whether the client is to have a cookie that names the member which answers it.
    private func isDue(_ request: UnsafePointer<farm_request>, local: Int, now: UInt64) -> Bool {
        let flags = request.pointee.flags
        guard flags & FARM_REQUEST_NAMED != 0 else { return true }
        // A tie that a backend has made is never changed.
        guard flags & FARM_REQUEST_OWN != 0 else { return false }
        if flags & FARM_REQUEST_MOVES != 0 { return true }
        // A cookie of a draining member is not renewed, so that its clients leave when the cookie expires.
        let farm = pointee.farms[Int(request.pointee.farm)]
        guard request.pointee.named == UInt32(local), farm.members[local].row.state.admin == .on, farm.admin == .on
        else { return false }
        let ttl = UInt64(pointee.config.farms[Int(request.pointee.farm)].sticky_seconds)
        return request.pointee.expires < now &+ ttl / 2
    }

    private func writeCookie(
        _ farm: farm_farm_config, _ local: Int, isForAny: Bool, key: Instruction.Bytes, expires: UInt64,
        into room: UnsafeMutableBufferPointer<UInt8>
    ) -> Int? {
        var written = 0
        func byte(_ byte: UInt8) {
            if written < room.count { room[written] = byte }
            written += 1
        }
        for letter in Engine.bytes(farm.instruction_cookie, farm.instruction_cookie_length) { byte(letter) }
        byte(0x3D)
        let start = written
        for letter: UInt8 in [0x76, 0x31, 0x2E] { byte(letter) }
        for letter in key { byte(letter) }
        byte(0x2E)
        let member = pointee.config.members[Int(farm.first_member) + local]
        withUnsafeTemporaryAllocation(of: UInt8.self, capacity: OwnInstruction.longest) { payload in
            var count = 0
            OwnInstruction.write(
                farm: isForAny ? nil : Engine.bytes(farm.name, farm.name_length),
                member: Engine.bytes(member.name, member.name_length), expires: expires, bits: pointee.random.next()
            ) {
                if count < payload.count { payload[count] = $0 }
                count += 1
            }
            Base64URL.encode(Instruction.Bytes(rebasing: payload[..<min(count, payload.count)]), byte)
        }
        guard written + 44 <= room.count else { return nil }
        return withUnsafeTemporaryAllocation(of: UInt8.self, capacity: InstructionToken.macCount) { mac in
            let signed = Instruction.Bytes(rebasing: room[start..<written])
            guard
                farm_host_mac(
                    Engine.chars(key), UInt32(key.count), Engine.chars(signed), UInt32(signed.count), mac.baseAddress)
                    != 0
            else { return nil }
            byte(0x2E)
            Base64URL.encode(Instruction.Bytes(mac), byte)
            return written
        }
    }

    /// A Cookie header without instruction cookies and those of any farm, into `room`; nil: it stays as it is.
    public func hide(
        _ request: UnsafePointer<farm_request>, _ cookies: Instruction.Bytes,
        into room: UnsafeMutableBufferPointer<UInt8>
    ) -> Int? {
        let farms = UInt32(pointee.farms.count)
        guard request.pointee.farm < farms, pointee.config.farms[Int(request.pointee.farm)].passes_cookie == 0 else {
            return nil
        }
        let common = pointee.commonCookie
        let hidden = CookieHeader.without(cookies, into: room) { name in
            if name.isSame(as: common) { return true }
            for farm in 0..<farms {
                if let own = pointee.ownCookie(farm), name.isSame(as: own) { return true }
            }
            return false
        }
        return hidden?.count
    }
}
