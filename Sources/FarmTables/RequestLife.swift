import CFarm
import CFarmABI
import FarmCore

/// A request from its first choice to its end. All of it runs on threads of a child; a request is used by one thread at
/// a time. What each request passes through is inlined into what C calls, the one place that calls it.
extension UnsafeMutablePointer where Pointee == Engine {
    /// Chooses a member for the next attempt; false when none will do.
    @inline(__always)
    public func choose(_ request: UnsafeMutablePointer<farm_request>, now: UInt64) -> Bool {
        let farmAt = Int(request.pointee.farm)
        guard pointee.serves, farmAt < pointee.farms.count, request.pointee.attempts < UInt32(FARM_MOST_ATTEMPTS),
            request.pointee.flags & FARM_REQUEST_OPEN == 0
        else { return false }
        let farm = pointee.farm(farmAt)
        if request.pointee.flags & FARM_REQUEST_COUNTED == 0 {
            request.pointee.flags |= FARM_REQUEST_COUNTED
            let addressed = min(Int(request.pointee.addressed), pointee.farms.count - 1)
            _ = farm_add64(&pointee.farm(addressed).pointee.row.pointee.requests, 1)
        }
        let view = farm.pointee.freshView(now: now) ?? pointee.renewedView(farmAt, now: now)
        if request.pointee.attempts == 0, request.pointee.flags & Self.particular == 0, let view,
            let index = farm.pointee.firstDraw(from: view, now: now, random: pointee.random)
        {
            begin(request, at: index, now: now)
            return true
        }
        return choose(request, from: view, now: now)
    }

    /// Flags of requests that say more of the member they want than that it shall be one of the farm.
    private static var particular: UInt32 { FARM_REQUEST_KEYED | FARM_REQUEST_NAMED | FARM_REQUEST_STRICT }

    @inline(never)
    private func choose(
        _ request: UnsafeMutablePointer<farm_request>, from view: UnsafeMutablePointer<View>?, now: UInt64
    ) -> Bool {
        let farm = pointee.farm(Int(request.pointee.farm))
        let flags = request.pointee.flags
        let wish = Wish(
            tried: farm_request_tried(request).unsafelyUnwrapped, triedCount: Int(request.pointee.attempts),
            trials: flags & FARM_REQUEST_MAY_TRY != 0 ? .whenDue : flags & FARM_REQUEST_ASKED != 0 ? .never : .ifNeeded,
            key: flags & FARM_REQUEST_KEYED != 0 ? request.pointee.key : nil,
            named: flags & FARM_REQUEST_NAMED != 0 ? request.pointee.named : nil,
            isStrict: flags & FARM_REQUEST_STRICT != 0)
        request.pointee.member = FARM_NONE
        guard let choice = farm.pointee.choose(wish, from: view, now: now, random: pointee.random) else { return false }
        if request.pointee.attempts > 0 { _ = farm_add64(&farm.pointee.row.pointee.failovers, 1) }
        begin(request, at: choice.index, now: now)
        request.pointee.flags |=
            (choice.isTrial ? FARM_REQUEST_TRIAL : 0) | (choice.isTied ? FARM_REQUEST_TIED : 0)
        return true
    }

    /// Begins an attempt at a member where the request has its place.
    @inline(__always)
    private func begin(_ request: UnsafeMutablePointer<farm_request>, at index: Int, now: UInt64) {
        _ = farm_add64(&pointee.farm(Int(request.pointee.farm)).pointee.members[index].row.pointee.requests, 1)
        let index = UInt32(truncatingIfNeeded: index)
        farm_request_tried(request)[Int(request.pointee.attempts)] = index
        request.pointee.attempts &+= 1
        request.pointee.member = pointee.firstMember(request.pointee.farm) &+ index
        request.pointee.chosen_at = now
        request.pointee.status = 0
        request.pointee.flags = request.pointee.flags & ~(FARM_REQUEST_TRIAL | FARM_REQUEST_TIED) | FARM_REQUEST_OPEN
    }

    /// Ties a request to the member that the route of its session names, where its farm asks for that.
    public func tie(
        _ request: UnsafeMutablePointer<farm_request>, cookies: Route.Bytes, path: Route.Bytes, query: Route.Bytes
    ) {
        let farmAt = Int(request.pointee.farm)
        guard farmAt < pointee.farms.count else { return }
        let farm = pointee.config.farms[farmAt]
        let route = Route.find(
            cookie: Engine.bytes(farm.sticky_cookie, farm.sticky_cookie_length),
            parameter: Engine.bytes(farm.sticky_parameter, farm.sticky_parameter_length), cookies: cookies, path: path,
            query: query)
        guard let route, let member = pointee.routes[farmAt].find(route) else { return }
        request.pointee.named = member
        request.pointee.flags |= FARM_REQUEST_NAMED
    }

    /// A final status came from the member. Whether to pass it on.
    @inline(__always)
    public func answered(
        _ request: UnsafeMutablePointer<farm_request>, status: UInt32, mayResend: Bool,
        now: UInt64
    ) -> Bool {
        guard let open = open(request) else { return true }
        request.pointee.status = status
        let policy = pointee.policy(Int(request.pointee.farm))
        let fails = policy.pointee.fails(on: status)
        Experience.answered(
            open.row, latency: now &- request.pointee.chosen_at, isError: status >= 500 || fails, now: now)
        guard fails else { return true }
        return !policy.pointee.mayResend(
            idempotent: request.pointee.flags & FARM_REQUEST_IDEMPOTENT != 0, bodyCanBeResent: mayResend,
            attempts: request.pointee.attempts)
    }

    /// Ends the attempt. Whether the request is to be sent to another member.
    @inline(__always)
    public func end(
        _ request: UnsafeMutablePointer<farm_request>, saw: Evidence, mayResend: Bool, bytesIn: UInt64,
        bytesOut: UInt64
    ) -> Bool {
        guard let open = open(request) else { return false }
        let policy = pointee.policy(Int(request.pointee.farm))
        let verdict =
            saw == [.answer, .sent]
            ? Verdict.ofAnswer(request.pointee.status, policy: policy)
            : judged(request, saw, bodyCanBeResent: mayResend)
        if bytesIn != 0 { _ = farm_add64(&open.row.pointee.bytes_in, bytesIn) }
        if bytesOut != 0 { _ = farm_add64(&open.row.pointee.bytes_out, bytesOut) }
        request.note(RequestOutcome.of(saw))
        charge(request, open, verdict.charge, answered: saw.contains(.answer) || saw.contains(.held))
        close(request, open)
        if verdict.afresh {
            request.pointee.flags |= FARM_REQUEST_AFRESH
            if request.pointee.attempts > 0 { request.pointee.attempts -= 1 }
        }
        return verdict.retry
    }

    @inline(never)
    private func judged(
        _ request: UnsafeMutablePointer<farm_request>, _ saw: Evidence, bodyCanBeResent: Bool
    ) -> Verdict {
        let policy = pointee.policy(Int(request.pointee.farm)).pointee
        func verdict(attempts: UInt32) -> Verdict {
            .of(
                saw, status: request.pointee.status, attempts: attempts,
                idempotent: request.pointee.flags & FARM_REQUEST_IDEMPOTENT != 0, bodyCanBeResent: bodyCanBeResent,
                wasStaleBefore: request.pointee.flags & FARM_REQUEST_AFRESH != 0, policy: policy)
        }
        let verdictNow = verdict(attempts: request.pointee.attempts)
        if !verdictNow.retry && verdict(attempts: 0).retry { request.pointee.flags |= FARM_REQUEST_USED_UP }
        return verdictNow
    }

    /// Gives back what the request still holds.
    public func drop(_ request: UnsafeMutablePointer<farm_request>) {
        if let open = open(request) { close(request, open) }
    }

    private func charge(
        _ request: UnsafeMutablePointer<farm_request>, _ open: OpenAttempt, _ charge: Verdict.Charge,
        answered: Bool
    ) {
        let wasTrial = request.pointee.flags & FARM_REQUEST_TRIAL != 0
        switch charge {
        case .nothing:
            break
        case .success:
            if PassiveHealth.successMatters(open.row, wasTrial: wasTrial) {
                noteSuccess(request.pointee.farm, open, wasTrial: wasTrial)
            }
        case .error, .failure:
            let now = farm_host_clock()
            _ = farm_add64(&open.row.pointee.errors, 1)
            if !answered { Experience.failed(open.row, now: now) }
            if charge == .failure { noteFailure(request.pointee.farm, open, wasTrial: wasTrial) }
        }
    }

    @inline(never)
    private func noteFailure(_ farmAt: UInt32, _ open: OpenAttempt, wasTrial: Bool) {
        let farm = pointee.farm(Int(farmAt))
        let health = farm.pointee.health
        let change = pointee.write(farm: farmAt, local: open.local) {
            // The time at which the lock was had: others may have held it for long.
            health.failed($0, wasTrial: wasTrial, now: farm_host_clock(), wallClock: farm_host_wall_clock())
        }
        switch change {
        case .wentDown:
            farm.pointee.changed()
            Log.wentDown(farm.pointee.row, open.row, retry: health.retry)
        case .stillDown:
            farm.pointee.changed()
            Log.stillDown(farm.pointee.row, open.row, now: farm_host_clock())
        default:
            break
        }
    }

    @inline(never)
    private func noteSuccess(_ farmAt: UInt32, _ open: OpenAttempt, wasTrial: Bool) {
        let farm = pointee.farm(Int(farmAt))
        let health = farm.pointee.health
        let change = pointee.write(farm: farmAt, local: open.local) { row in
            let change = health.succeeded(row, wasTrial: wasTrial, wallClock: farm_host_wall_clock())
            if change == .cameUp { farm.pointee.cameBack(open.local, now: farm_host_clock()) }
            return change
        }
        if change == .cameUp {
            farm.pointee.changed()
            Log.cameUp(farm.pointee.row, open.row)
        }
    }

    /// Takes what the member that answers says of its load.
    public func reported(_ request: UnsafeMutablePointer<farm_request>, _ text: UnsafeBufferPointer<UInt8>) {
        guard let open = open(request) else { return }
        pointee.storeReport(text, farm: Int(request.pointee.farm), local: open.local)
    }

    /// The member that an open attempt holds a place at.
    private struct OpenAttempt {
        let member: Member
        let local: Int
        var row: MemberRow { member.row }
    }

    @inline(__always)
    private func open(_ request: UnsafeMutablePointer<farm_request>) -> OpenAttempt? {
        let farmAt = Int(request.pointee.farm)
        guard request.pointee.flags & FARM_REQUEST_OPEN != 0, farmAt < pointee.farms.count else { return nil }
        let farm = pointee.farm(farmAt)
        let local = Int(request.pointee.member &- pointee.firstMember(request.pointee.farm))
        guard local < farm.pointee.members.count else { return nil }
        return OpenAttempt(member: farm.pointee.members[local], local: local)
    }

    @inline(__always)
    private func close(_ request: UnsafeMutablePointer<farm_request>, _ open: OpenAttempt) {
        request.pointee.flags &= ~(FARM_REQUEST_OPEN | FARM_REQUEST_TRIAL)
        pointee.farm(Int(request.pointee.farm)).pointee.giveBack(open.member)
    }
}
