import CFarm
import CFarmABI
import FarmCore

/// Instruction cookies: what a backend, or the module itself, wants of later requests of a client.
extension UnsafeMutablePointer where Pointee == Engine {
    /// Cookies of one name that are looked at.
    private static var mostCookies: Int { 8 }

    /// Follows the first of a request's cookies that holds. `client`: the address it came from.
    public func instruct(
        _ request: UnsafeMutablePointer<farm_request>, cookies: Instruction.Bytes, client: Instruction.Bytes
    ) {
        let farmAt = Int(request.pointee.farm)
        guard farmAt < pointee.farms.count else { return }
        let farm = pointee.config.farms[farmAt]
        let common = Engine.bytes(pointee.config.cookie, pointee.config.cookie_length)
        let own = Engine.bytes(farm.instruction_cookie, farm.instruction_cookie_length)
        if follow(request, cookies, named: common, client: client) { return }
        let isSame = own.count == common.count && (0..<own.count).allSatisfy { own[$0] == common[$0] }
        if !isSame && farm.sets_cookie != 0 { _ = follow(request, cookies, named: own, client: client) }
    }

    private func follow(
        _ request: UnsafeMutablePointer<farm_request>, _ cookies: Instruction.Bytes, named name: Instruction.Bytes,
        client: Instruction.Bytes
    ) -> Bool {
        var header = CookieHeader(cookies)
        for _ in 0..<Self.mostCookies {
            guard let value = header.next(name) else { return false }
            guard let result = follow(request, value, client: client) else { continue }
            pointee.count(result)
            if result == .accepted { return true }
            Log.instructionIgnored(pointee.farms[Int(request.pointee.farm)].row, result)
        }
        return false
    }

    /// What becomes of one cookie; nil: it is for another farm, which is no fault.
    private func follow(
        _ request: UnsafeMutablePointer<farm_request>, _ value: Instruction.Bytes, client: Instruction.Bytes
    ) -> InstructionResult? {
        guard let token = InstructionToken(value) else { return .malformed }
        let room = 2 * InstructionToken.macCount + Instruction.longest
        return withUnsafeTemporaryAllocation(of: UInt8.self, capacity: room) { room -> InstructionResult? in
            let count = InstructionToken.macCount
            let right = UnsafeMutableBufferPointer(rebasing: room[..<count])
            guard let mac = token.readMAC(into: UnsafeMutableBufferPointer(rebasing: room[count..<2 * count])),
                let payload = token.readPayload(into: UnsafeMutableBufferPointer(rebasing: room[(2 * count)...]))
            else { return .malformed }
            guard
                farm_host_mac(
                    Engine.chars(token.key), UInt32(token.key.count), Engine.chars(token.signed),
                    UInt32(token.signed.count), right.baseAddress) != 0
            else { return .unknownKey }
            guard farm_host_mac_is(mac.baseAddress, right.baseAddress) != 0 else { return .badMAC }
            guard let instruction = Instruction.read(payload) else { return .malformed }
            if let ip = instruction.client, !isSame(ip, ip) { return .malformed }
            return obey(request, instruction, token, client: client)
        }
    }

    private func isSame(_ address: Instruction.Bytes, _ other: Instruction.Bytes) -> Bool {
        farm_host_same_address(Engine.chars(address), UInt32(address.count), Engine.chars(other), UInt32(other.count))
            != 0
    }

    private func obey(
        _ request: UnsafeMutablePointer<farm_request>, _ instruction: Instruction, _ token: InstructionToken,
        client: Instruction.Bytes
    ) -> InstructionResult? {
        let addressed = request.pointee.farm
        if let farm = instruction.farm, pointee.findFarm(farm) != addressed { return nil }
        let now = farm_host_wall_clock() / 1_000_000
        guard now <= instruction.expires else { return .expired }
        if let ip = instruction.client, !isSame(ip, client) { return .otherClient }
        let farm = instruction.to.map { pointee.findFarm($0) } ?? addressed
        guard farm != FARM_NONE else { return .unknownTarget }
        var flags = FARM_REQUEST_INSTRUCTED
        if let name = instruction.member {
            guard let member = pointee.findMember(name, farm: Int(farm)) else { return .unknownTarget }
            request.pointee.named = UInt32(member)
            flags |= FARM_REQUEST_NAMED | (instruction.isStrict ? FARM_REQUEST_STRICT : 0)
            if instruction.to == nil && !instruction.isStrict && instruction.client == nil {
                flags |= FARM_REQUEST_PLAIN
            }
            if !pointee.isOutside {
                pointee.clients(farm: Int(farm), local: member).note(
                    RequestKey.of(token.mac), expires: instruction.expires, now: now)
            }
        }
        request.pointee.farm = farm
        if farm != addressed { request.pointee.came = Arrival.to.rawValue &+ 1 }
        request.pointee.expires = instruction.expires
        request.pointee.flags |= flags
        return .accepted
    }

    /// The cookie that the answer of the member now open shall set, into `room`; its length, 0: none.
    public func setCookie(
        _ request: UnsafePointer<farm_request>, into room: UnsafeMutableBufferPointer<UInt8>
    ) -> Int {
        let farmAt = Int(request.pointee.farm)
        guard farmAt < pointee.farms.count, request.pointee.addressed == request.pointee.farm else { return 0 }
        let farm = pointee.config.farms[farmAt]
        let flags = request.pointee.flags
        let now = farm_host_wall_clock() / 1_000_000
        let ttl = UInt64(farm.sticky_seconds)
        let local = Int(request.pointee.member &- farm.first_member)
        guard farm.sets_cookie != 0, flags & FARM_REQUEST_OPEN != 0, local < pointee.farms[farmAt].members.count else {
            return 0
        }
        if flags & FARM_REQUEST_INSTRUCTED != 0 {
            // The backend's own word is left alone, and so is one that names somebody who cannot serve just now.
            guard flags & FARM_REQUEST_PLAIN != 0, request.pointee.named == UInt32(local),
                request.pointee.expires < now &+ ttl / 2
            else { return 0 }
        }
        guard let key = farm_host_signing_key() else { return 0 }
        let expires = now &+ ttl
        let count = writeCookie(farm, local, key: ByteWriter.bytes(of: key, limit: 16), expires: expires, into: room)
        guard let count else { return 0 }
        pointee.clients(farm: farmAt, local: local).note(
            RequestKey.of(Instruction.Bytes(rebasing: room[(count - 43)..<count])), expires: expires, now: now)
        return count
    }

    private func writeCookie(
        _ farm: farm_farm_config, _ local: Int, key: Instruction.Bytes, expires: UInt64,
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
                farm: Engine.bytes(farm.name, farm.name_length), member: Engine.bytes(member.name, member.name_length),
                expires: expires, bits: pointee.random.next()
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

    /// A Cookie header without instruction cookies, into `room`; nil: it stays as it is.
    public func hide(
        _ request: UnsafePointer<farm_request>, _ cookies: Instruction.Bytes,
        into room: UnsafeMutableBufferPointer<UInt8>
    ) -> Int? {
        let farms = pointee.config.farms!
        let count = UInt32(pointee.farms.count)
        guard request.pointee.farm < count, farms[Int(request.pointee.farm)].passes_cookie == 0 else { return nil }
        let common = Engine.bytes(pointee.config.cookie, pointee.config.cookie_length)
        var hidden = CookieHeader.without(common, cookies, into: room)
        for at in [request.pointee.addressed, request.pointee.farm] where at < count && farms[Int(at)].sets_cookie != 0
        {
            let own = Engine.bytes(farms[Int(at)].instruction_cookie, farms[Int(at)].instruction_cookie_length)
            hidden = CookieHeader.without(own, hidden ?? cookies, into: room) ?? hidden
        }
        return hidden?.count
    }
}

extension Engine {
    static func bytes(_ text: UnsafePointer<CChar>?, _ length: UInt32) -> UnsafeBufferPointer<UInt8> {
        UnsafeBufferPointer(
            start: UnsafeRawPointer(text)?.assumingMemoryBound(to: UInt8.self), count: text == nil ? 0 : Int(length))
    }

    static func chars(_ text: UnsafeBufferPointer<UInt8>) -> UnsafePointer<CChar>? {
        UnsafeRawPointer(text.baseAddress)?.assumingMemoryBound(to: CChar.self)
    }

    func count(_ result: InstructionResult) {
        _ = farm_add64(farm_block_cookies(tables.first.header) + Int(result.rawValue), 1)
    }

    /// Who is tied to a member.
    func clients(farm: Int, local: Int) -> TiedClients {
        tables.clients(memberPlaces[Int(firstMember(UInt32(farm))) + local])
    }
}
