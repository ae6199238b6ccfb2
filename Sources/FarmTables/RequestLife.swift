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
            trials: flags & FARM_REQUEST_BODY_READY == 0
                ? .never : flags & FARM_REQUEST_IDEMPOTENT != 0 ? .whenDue : .whenOverdue,
            key: flags & FARM_REQUEST_KEYED != 0 ? request.pointee.key : nil,
            named: flags & FARM_REQUEST_NAMED != 0 ? request.pointee.named : nil,
            isStrict: flags & FARM_REQUEST_STRICT != 0, tie: flags & FARM_REQUEST_OWN != 0 ? request.pointee.tie : nil)
        request.pointee.member = FARM_NONE
        guard let choice = farm.pointee.choose(wish, from: view, now: now, random: pointee.random) else {
            // Nobody is left who could show that those who broke it are to blame.
            if request.pointee.broken != 0 { blame(request, isDoubtful: true) }
            return false
        }
        if request.pointee.attempts > 0 { _ = farm_add64(&farm.pointee.row.pointee.failovers, 1) }
        begin(request, at: choice.index, now: now)
        request.pointee.flags |=
            (choice.isTrial ? FARM_REQUEST_TRIAL : 0) | (choice.isTied ? FARM_REQUEST_TIED : 0)
            | (choice.isStranded ? FARM_REQUEST_STRANDED : 0) | (choice.moves ? FARM_REQUEST_MOVES : 0)
        return true
    }

    /// Flags that belong to one attempt.
    private static var ofAttempt: UInt32 {
        FARM_REQUEST_TRIAL | FARM_REQUEST_TIED | FARM_REQUEST_STRANDED | FARM_REQUEST_MOVES
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
        request.pointee.flags = request.pointee.flags & ~Self.ofAttempt | FARM_REQUEST_OPEN
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

    /// A final status came from the member, or 101. Whether to pass it on.
    @inline(__always)
    public func answered(
        _ request: UnsafeMutablePointer<farm_request>, status: UInt32, mayResend: Bool,
        now: UInt64
    ) -> Bool {
        guard let open = open(request) else { return true }
        request.pointee.status = status
        let policy = pointee.policy(Int(request.pointee.farm))
        let fails = policy.pointee.fails(on: status)
        if status != Self.switching {
            Experience.answered(
                open.row, latency: now &- request.pointee.chosen_at, isError: status >= 500 || fails, now: now)
        }
        guard fails else {
            if request.pointee.broken != 0 || request.pointee.flags & FARM_REQUEST_TRIAL != 0
                || status == Self.switching
            {
                answersWell(request, open, status: status, now: now)
            }
            return true
        }
        return !policy.pointee.mayResend(
            idempotent: request.pointee.flags & FARM_REQUEST_IDEMPOTENT != 0, bodyCanBeResent: mayResend,
            attempts: request.pointee.attempts)
    }

    /// 101 Switching Protocols.
    private static var switching: UInt32 { 101 }

    /// A good status came after failures: those who broke the request are to blame, and a trial has held.
    @inline(never)
    private func answersWell(
        _ request: UnsafeMutablePointer<farm_request>, _ open: OpenAttempt, status: UInt32, now: UInt64
    ) {
        if status == Self.switching { farm_set64(&open.row.pointee.switched_at, now) }
        if request.pointee.broken != 0 { blame(request, isDoubtful: false) }
        let wasTrial = request.pointee.flags & FARM_REQUEST_TRIAL != 0
        request.pointee.flags &= ~(FARM_REQUEST_TRIAL | FARM_REQUEST_STRANDED)
        let completes = status == Self.switching && PassiveHealth.successMatters(open.row)
        if wasTrial || completes { noteSuccess(request, open, wasTrial: wasTrial, completes: completes) }
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
            : judged(request, open, saw, bodyCanBeResent: mayResend)
        if bytesIn != 0 { _ = farm_add64(&open.row.pointee.bytes_in, bytesIn) }
        if bytesOut != 0 { _ = farm_add64(&open.row.pointee.bytes_out, bytesOut) }
        request.note(RequestOutcome.of(saw))
        if verdict.charge == .success {
            if PassiveHealth.successMatters(open.row) || request.pointee.broken != 0
                || request.pointee.flags & FARM_REQUEST_TRIAL != 0
            {
                completed(request, open)
            }
        } else {
            charge(request, open, verdict, saw)
        }
        close(request, open)
        return verdict.retry
    }

    @inline(never)
    private func judged(
        _ request: UnsafeMutablePointer<farm_request>, _ open: OpenAttempt, _ saw: Evidence, bodyCanBeResent: Bool
    ) -> Verdict {
        let policy = pointee.policy(Int(request.pointee.farm)).pointee
        let flags = request.pointee.flags
        var now = Verdict.Circumstances(
            attempts: request.pointee.attempts, isIdempotent: flags & FARM_REQUEST_IDEMPOTENT != 0,
            bodyCanBeResent: bodyCanBeResent, wasStaleBefore: flags & FARM_REQUEST_AFRESH != 0,
            waited: request.pointee.waited, brokeBefore: flags & FARM_REQUEST_BROKE != 0,
            memberIsSound: !PassiveHealth.successMatters(open.row))
        let verdict = Verdict.of(saw, status: request.pointee.status, now, policy: policy)
        now.attempts = 0
        if !verdict.retry && Verdict.of(saw, status: request.pointee.status, now, policy: policy).retry {
            request.pointee.flags |= FARM_REQUEST_USED_UP
        }
        if saw.contains(.timeout) { request.pointee.waited &+= 1 }
        if Verdict.reached(saw) {
            request.pointee.flags &= ~FARM_REQUEST_BROKE
            if Verdict.isClose(saw) && now.memberIsSound { request.pointee.flags |= FARM_REQUEST_BROKE }
        }
        return verdict
    }

    /// Gives back what the request still holds. Who broke it is charged a doubtful failure, for nobody has answered it.
    public func drop(_ request: UnsafeMutablePointer<farm_request>) {
        if request.pointee.broken != 0, Int(request.pointee.farm) < pointee.farms.count {
            blame(request, isDoubtful: true)
        }
        guard let open = open(request) else { return }
        if request.pointee.flags & FARM_REQUEST_TRIAL != 0 {
            PassiveHealth.connected(open.row, began: request.pointee.chosen_at)
        }
        close(request, open)
    }

    /// The trial that the request is has connected to its member.
    public func connected(_ request: UnsafeMutablePointer<farm_request>) {
        guard let open = open(request), request.pointee.flags & FARM_REQUEST_TRIAL != 0 else { return }
        PassiveHealth.connected(open.row, began: request.pointee.chosen_at)
    }

    /// How long the open attempt may take to connect, in microseconds; 0: as its member's parameters have it.
    public func connectLimit(_ request: UnsafePointer<farm_request>) -> UInt64 {
        let farmAt = Int(request.pointee.farm)
        guard request.pointee.flags & FARM_REQUEST_TRIAL != 0, farmAt < pointee.farms.count else { return 0 }
        return pointee.farm(farmAt).pointee.health.connectLimit
    }

    /// Charges an attempt that did not end well.
    @inline(never)
    private func charge(
        _ request: UnsafeMutablePointer<farm_request>, _ open: OpenAttempt, _ verdict: Verdict, _ saw: Evidence
    ) {
        let isTrial = request.pointee.flags & FARM_REQUEST_TRIAL != 0
        let isStranded = request.pointee.flags & FARM_REQUEST_STRANDED != 0
        let now = farm_host_clock()
        if isTrial {
            if saw.contains(.unreachable) {
                pointee.farm(Int(request.pointee.farm)).pointee.health.didNotConnect(
                    open.row, began: request.pointee.chosen_at, now: now)
            } else {
                PassiveHealth.connected(open.row, began: request.pointee.chosen_at)
            }
        }
        if verdict.charge != .nothing {
            _ = farm_add64(&open.row.pointee.errors, 1)
            if !saw.contains(.answer) && !saw.contains(.held) { Experience.failed(open.row, now: now) }
        }
        let cause = LastError(saw, status: request.pointee.status).word
        switch verdict.charge {
        case .nothing, .success: break
        case .error: noteError(request.pointee.farm, open.local, cause)
        case .unreachable:
            noteFailure(
                request.pointee.farm, open.local, .init(isDoubtful: false, wasTrial: isTrial && !isStranded), cause)
        case .broken:
            let at = min(request.pointee.attempts &- 1, UInt32(FARM_MOST_ATTEMPTS) - 1)
            request.pointee.broken |= 1 << at | (isTrial && !isStranded ? 1 << (at + 16) : 0)
            farm_request_causes(request)[Int(at)] = cause
        }
        if verdict.isSuspect {
            request.pointee.flags |= FARM_REQUEST_SUSPECT
            _ = farm_add64(&pointee.farm(Int(request.pointee.farm)).pointee.row.pointee.suspects, 1)
        }
        if verdict.afresh {
            request.pointee.flags |= FARM_REQUEST_AFRESH
            if request.pointee.attempts > 0 { request.pointee.attempts -= 1 }
        }
        if !verdict.retry && request.pointee.broken != 0 { blame(request, isDoubtful: true) }
    }

    /// Charges the members that broke the request, now that it is known whether another member could answer it.
    @inline(never)
    private func blame(_ request: UnsafeMutablePointer<farm_request>, isDoubtful: Bool) {
        let broken = request.pointee.broken
        request.pointee.broken = 0
        // What several members cannot do is no sign against one that is tried.
        let isOfRequest = isDoubtful && (broken & 0xFFFF).nonzeroBitCount > 1
        for at in 0..<min(Int(request.pointee.attempts), Int(FARM_MOST_ATTEMPTS)) where broken >> UInt32(at) & 1 != 0 {
            let wasTrial = broken >> UInt32(at + 16) & 1 != 0 && !isOfRequest
            noteFailure(
                request.pointee.farm, Int(farm_request_tried(request)[at]),
                .init(isDoubtful: isDoubtful, wasTrial: wasTrial), farm_request_causes(request)[at])
        }
    }

    /// Notes an error that is no step towards `down`.
    @inline(never)
    private func noteError(_ farmAt: UInt32, _ local: Int, _ cause: UInt32) {
        guard local < pointee.farm(Int(farmAt)).pointee.members.count else { return }
        let row = pointee.farm(Int(farmAt)).pointee.members[local].row
        farm_set32(&row.pointee.last_error, cause)
        farm_set64(&row.pointee.last_error_at, farm_host_wall_clock())
    }

    @inline(never)
    private func noteFailure(_ farmAt: UInt32, _ local: Int, _ failure: PassiveHealth.Failure, _ cause: UInt32) {
        let farm = pointee.farm(Int(farmAt))
        guard local < farm.pointee.members.count else { return }
        noteError(farmAt, local, cause)
        let row = farm.pointee.members[local].row
        let health = farm.pointee.health
        var failure = failure
        if failure.isDoubtful && health.isLastDoubt(row, now: farm_host_clock()) {
            failure.mayPutDown =
                DoubtGuard(
                    farm.pointee.constMembers, freshness: farm.pointee.freshness, retry: health.retry,
                    now: farm_host_clock()
                ).mayPutDown
        }
        let change = pointee.write(farm: farmAt, local: local) {
            // The time at which the lock was had: others may have held it for long.
            health.failed($0, failure, now: farm_host_clock(), wallClock: farm_host_wall_clock())
        }
        switch change {
        case .wentDown:
            farm.pointee.changed()
            Log.wentDown(farm.pointee.row, row, LastError(word: cause), health, failure)
        case .stillDown:
            farm.pointee.changed()
            Log.stillDown(farm.pointee.row, row, LastError(word: cause), now: farm_host_clock())
        default:
            break
        }
    }

    /// A good answer came to its end, where that changes something.
    @inline(never)
    private func completed(_ request: UnsafeMutablePointer<farm_request>, _ open: OpenAttempt) {
        if request.pointee.broken != 0 { blame(request, isDoubtful: false) }
        noteSuccess(
            request, open, wasTrial: request.pointee.flags & FARM_REQUEST_TRIAL != 0, completes: true)
    }

    @inline(never)
    private func noteSuccess(
        _ request: UnsafeMutablePointer<farm_request>, _ open: OpenAttempt, wasTrial: Bool, completes: Bool
    ) {
        if wasTrial { PassiveHealth.connected(open.row, began: request.pointee.chosen_at) }
        let farm = pointee.farm(Int(request.pointee.farm))
        let health = farm.pointee.health
        let change = pointee.write(farm: request.pointee.farm, local: open.local) { row in
            if completes { PassiveHealth.completed(row) }
            guard wasTrial else { return PassiveHealth.Change.none }
            let change = health.trialHeld(row, wallClock: farm_host_wall_clock())
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
        request.pointee.flags &= ~(FARM_REQUEST_OPEN | FARM_REQUEST_TRIAL | FARM_REQUEST_STRANDED)
        pointee.farm(Int(request.pointee.farm)).pointee.giveBack(open.member)
    }
}
