import CFarm
import CFarmABI
import FarmCore

/// What a valid cookie asks for.
private struct Order {
    /// The farm that is to serve the request.
    var farm: UInt32
    /// Farm-local.
    var member: UInt32?
    var isStrict: Bool
    /// Unix time in seconds.
    var expires: UInt64
    /// A hash of its text.
    var key: UInt64
    /// The module itself has set the cookie.
    var isOwn: Bool
}

/// Which of the cookies of a name are looked for.
private struct Search {
    /// The farm that they must be for.
    var farm: UInt32
    /// Only cookies that name a member of that farm are taken: the request was moved to it already.
    var tiesOnly = false
    /// Cookies of the module's own with `farm=*` are taken too.
    var takesOwnOfAny = true
    /// Cookies that are not valid are counted and logged.
    var counts = true
}

/// Instruction cookies: what a backend, or the module itself, wants of later requests of a client.
extension UnsafeMutablePointer where Pointee == Engine {
    /// Cookies of one name that are looked at.
    private static var mostCookies: Int { 8 }

    /// Follows a backend's instruction, which is under FarmCookie's name. Where there is none, or it names no member, follows the
    /// module's own cookie of the farm that serves then. `client`: the address that the request came from.
    public func instruct(
        _ request: UnsafeMutablePointer<farm_request>, cookies: Instruction.Bytes, client: Instruction.Bytes
    ) {
        let addressed = request.pointee.farm
        guard Int(addressed) < pointee.farms.count else { return }
        let common = pointee.commonCookie
        let counts = request.pointee.flags & FARM_REQUEST_ASKED == 0
        let search = Search(
            farm: addressed, takesOwnOfAny: pointee.ownCookie(addressed)?.isSame(as: common) ?? false, counts: counts)
        let found = find(common, cookies, search, client: client)
        if let found, !found.isOwn {
            follow(request, found)
            if found.member == nil && counts { stick(request, cookies: cookies, client: client) }
            return
        }
        // A cookie that an earlier version has set under FarmCookie's name is used until it expires, unless there is a newer one.
        if let own = pointee.ownCookie(addressed), !own.isSame(as: common),
            let newer = find(own, cookies, Search(farm: addressed, counts: counts), client: client)
        {
            follow(request, newer)
        } else if let found {
            follow(request, found)
        }
    }

    /// Ties a request that was moved to another farm to the member of that farm which its cookie names, where there is one.
    public func stick(
        _ request: UnsafeMutablePointer<farm_request>, cookies: Instruction.Bytes, client: Instruction.Bytes
    ) {
        let farm = request.pointee.farm
        guard Int(farm) < pointee.farms.count, let own = pointee.ownCookie(farm) else { return }
        let search = Search(farm: farm, tiesOnly: true, counts: !own.isSame(as: pointee.commonCookie))
        if let found = find(own, cookies, search, client: client) { follow(request, found) }
    }

    /// The first valid cookie of a name. A backend's takes precedence over the module's own.
    private func find(
        _ name: Instruction.Bytes, _ cookies: Instruction.Bytes, _ search: Search, client: Instruction.Bytes
    ) -> Order? {
        var header = CookieHeader(cookies)
        var own: Order?
        for _ in 0..<Self.mostCookies {
            guard let value = header.next(name) else { break }
            var order: Order?
            guard let result = judge(value, search, client: client, &order) else { continue }
            if let order {
                guard order.isOwn else { return order }
                if own == nil { own = order }
            } else if search.counts {
                pointee.count(result)
                Log.instructionIgnored(pointee.farms[Int(search.farm)].row, result)
            }
        }
        return own
    }

    /// Judges one cookie; nil: it is for another farm, which is no fault. `order` is what a valid one asks for.
    private func judge(
        _ value: Instruction.Bytes, _ search: Search, client: Instruction.Bytes, _ order: inout Order?
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
            // It is decoded in place.
            let isOwn = OwnInstruction.isOne(Instruction.Bytes(payload))
            guard let instruction = Instruction.read(payload) else { return .malformed }
            if let ip = instruction.client, !isSame(ip, ip) { return .malformed }
            return judge(instruction, token, search, isOwn: isOwn, client: client, &order)
        }
    }

    private func isSame(_ address: Instruction.Bytes, _ other: Instruction.Bytes) -> Bool {
        farm_host_same_address(Engine.chars(address), UInt32(address.count), Engine.chars(other), UInt32(other.count))
            != 0
    }

    private func judge(
        _ instruction: Instruction, _ token: InstructionToken, _ search: Search, isOwn: Bool,
        client: Instruction.Bytes, _ order: inout Order?
    ) -> InstructionResult? {
        if let farm = instruction.farm {
            guard pointee.findFarm(farm) == search.farm else { return nil }
        } else if isOwn && !search.takesOwnOfAny {
            return nil
        }
        if search.tiesOnly && !isOwn && (!search.counts || instruction.to != nil || instruction.member == nil) {
            return nil
        }
        guard farm_host_wall_clock() / 1_000_000 <= instruction.expires else { return .expired }
        if let ip = instruction.client, !isSame(ip, client) { return .otherClient }
        let farm = instruction.to.map { pointee.findFarm($0) } ?? search.farm
        guard farm != FARM_NONE else { return .unknownTarget }
        var member: UInt32?
        if let name = instruction.member {
            guard let local = pointee.findMember(name, farm: Int(farm)) else { return .unknownTarget }
            member = UInt32(local)
        }
        order = Order(
            farm: farm, member: member, isStrict: instruction.isStrict, expires: instruction.expires,
            key: RequestKey.of(token.mac), isOwn: isOwn)
        return .accepted
    }

    private func follow(_ request: UnsafeMutablePointer<farm_request>, _ order: Order) {
        let counts = request.pointee.flags & FARM_REQUEST_ASKED == 0
        if counts { pointee.count(.accepted) }
        if order.farm != request.pointee.addressed { request.pointee.came = Arrival.to.rawValue &+ 1 }
        request.pointee.farm = order.farm
        request.pointee.expires = order.expires
        request.pointee.flags |= FARM_REQUEST_INSTRUCTED
        guard let member = order.member else { return }
        request.pointee.named = member
        request.pointee.flags |= FARM_REQUEST_NAMED
        if order.isOwn {
            request.pointee.tie = order.key
            request.pointee.flags |= FARM_REQUEST_OWN
        } else if order.isStrict {
            request.pointee.flags |= FARM_REQUEST_STRICT
        }
        guard counts && !pointee.isOutside else { return }
        pointee.clients(farm: Int(order.farm), local: Int(member)).note(
            order.key, expires: order.expires, now: farm_host_wall_clock() / 1_000_000)
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

    /// FarmCookie's name.
    var commonCookie: Instruction.Bytes { Engine.bytes(config.cookie, config.cookie_length) }

    /// The name of the cookie that a farm sets; nil: it sets none.
    func ownCookie(_ farm: UInt32) -> Instruction.Bytes? {
        let farm = config.farms[Int(farm)]
        return farm.sets_cookie != 0
            ? Engine.bytes(farm.instruction_cookie, farm.instruction_cookie_length) : nil
    }

    func count(_ result: InstructionResult) {
        _ = farm_add64(farm_block_cookies(tables.first.header) + Int(result.rawValue), 1)
    }

    /// Who is tied to a member.
    func clients(farm: Int, local: Int) -> TiedClients {
        tables.clients(memberPlaces[Int(firstMember(UInt32(farm))) + local])
    }
}
