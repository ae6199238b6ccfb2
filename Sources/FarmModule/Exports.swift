import CAPR
import CFarm
import CFarmABI
import FarmCore
import FarmTables

// Everything that C calls: converts, calls, converts. The contract stands in farm_abi.h.

// MARK: Configuration time

@c public func farm_on_farm_name(_ name: UnsafePointer<CChar>?, _ length: UInt32) -> Int32 {
    Names.isFarm(bytes(name, length)) ? 1 : 0
}

@c public func farm_on_member_name(_ name: UnsafePointer<CChar>?, _ length: UInt32) -> Int32 {
    Names.isMember(bytes(name, length)) ? 1 : 0
}

@c public func farm_on_algorithm(_ name: UnsafePointer<CChar>?, _ length: UInt32) -> UInt32 {
    Algorithm(name: bytes(name, length))?.rawValue ?? FARM_NONE
}

@c public func farm_on_algorithm_name(_ number: UInt32) -> UnsafePointer<CChar>? {
    guard let algorithm = Algorithm(rawValue: number) else { return nil }
    return UnsafeRawPointer(algorithm.name.utf8Start).assumingMemoryBound(to: CChar.self)
}

@c public func farm_on_algorithm_wants_key(_ number: UInt32) -> Int32 {
    Algorithm(rawValue: number)?.wantsKey == true ? 1 : 0
}

@c public func farm_on_formula(
    _ text: UnsafePointer<CChar>?, _ length: UInt32, _ column: UnsafeMutablePointer<UInt32>?
) -> UnsafePointer<CChar>? {
    guard let error = Formula.check(bytes(text, length)) else { return nil }
    column?.pointee = UInt32(error.column)
    return UnsafeRawPointer(error.what.utf8Start).assumingMemoryBound(to: CChar.self)
}

@c public func farm_on_metric_count(_ config: UnsafePointer<farm_config>?) -> UInt32 {
    UInt32(config?.pointee.metricCount ?? 0)
}

// MARK: Tables

@c public func farm_on_lock_count(_ granularity: UInt32, _ farms: UInt32, _ members: UInt32) -> UInt32 {
    (LockGranularity(rawValue: granularity) ?? .row).lockCount(farms: farms, members: members)
}

@c public func farm_on_tables_create(
    _ config: UnsafePointer<farm_config>?, _ pool: UnsafeMutableRawPointer?, _ granularity: UInt32,
    _ locks: UnsafePointer<UnsafeMutableRawPointer?>?, _ lockCount: UInt32, _ error: UnsafeMutablePointer<Int32>?
) -> OpaquePointer? {
    guard let config, let error else { return nil }
    let tables = UnsafeMutablePointer<Tables>.allocate(capacity: 1)
    tables.initialize(to: Tables(granularity: LockGranularity(rawValue: granularity) ?? .row))
    let layout = BlockLayout(
        farms: config.pointee.farm_capacity, members: config.pointee.member_capacity,
        slots: config.pointee.slot_capacity, metrics: config.pointee.metric_capacity)
    error.pointee = grow(tables, layout, pool, locks, lockCount)
    guard error.pointee == 0 else {
        tables.pointee.deallocate()
        tables.deallocate()
        return nil
    }
    return OpaquePointer(tables)
}

@c public func farm_on_tables_room(_ tables: OpaquePointer?, _ config: UnsafePointer<farm_config>?) -> farm_room {
    guard let tables = theTables(tables), let config else { return farm_room() }
    let missing = tables.pointee.missing(config.pointee)
    let wanted = tables.pointee.wanted(missing: missing)
    return farm_room(
        farms_missing: missing.farms, members_missing: missing.members, farms_wanted: wanted.farms,
        members_wanted: wanted.members)
}

@c public func farm_on_tables_open(_ granularity: UInt32) -> OpaquePointer? {
    let tables = UnsafeMutablePointer<Tables>.allocate(capacity: 1)
    tables.initialize(to: Tables(granularity: LockGranularity(rawValue: granularity) ?? .row))
    return OpaquePointer(tables)
}

@c public func farm_on_tables_adopt(
    _ tables: OpaquePointer?, _ base: UnsafeMutableRawPointer?, _ locks: UnsafePointer<UnsafeMutableRawPointer?>?,
    _ lockCount: UInt32
) -> Int32 {
    guard let tables = theTables(tables), let base else { return 0 }
    let isOurs = withHandles(locks, lockCount) { tables.pointee.adopt(base, locks: UnsafeBufferPointer($0)) }
    return isOurs == true ? 1 : 0
}

@c public func farm_on_tables_base(_ tables: OpaquePointer?, _ block: UInt32) -> UnsafeMutableRawPointer? {
    theTables(tables)?.pointee.base(block)
}

@c public func farm_on_tables_close(_ tables: OpaquePointer?) {
    guard let tables = theTables(tables) else { return }
    tables.pointee.deallocate()
    tables.deinitialize(count: 1)
    tables.deallocate()
}

@c public func farm_on_tables_grow(
    _ tables: OpaquePointer?, _ farms: UInt32, _ members: UInt32, _ pool: UnsafeMutableRawPointer?,
    _ locks: UnsafePointer<UnsafeMutableRawPointer?>?, _ lockCount: UInt32, _ error: UnsafeMutablePointer<Int32>?
) -> Int32 {
    guard let tables = theTables(tables), let error else { return 0 }
    // Its part of the ledger has the slots of the first block: a slot's number is the same in all.
    let first = tables.pointee.first.layout
    let layout = BlockLayout(farms: farms, members: members, slots: first.slots, metrics: first.metrics)
    error.pointee = grow(tables, layout, pool, locks, lockCount)
    return error.pointee == 0 ? 1 : 0
}

@c public func farm_on_tables_granularity(_ tables: OpaquePointer?) -> UInt32 {
    theTables(tables)?.pointee.granularity.rawValue ?? FARM_NONE
}

@c public func farm_on_tables_metrics(_ tables: OpaquePointer?) -> UInt32 {
    theTables(tables)?.pointee.first.layout.metrics ?? 0
}

private func grow(
    _ tables: UnsafeMutablePointer<Tables>, _ layout: BlockLayout, _ pool: UnsafeMutableRawPointer?,
    _ locks: UnsafePointer<UnsafeMutableRawPointer?>?, _ lockCount: UInt32
) -> Int32 {
    let wanted = tables.pointee.granularity.lockCount(farms: layout.farms, members: layout.members)
    guard let pool, lockCount == wanted else { return Int32(CAPR.APR_EINVAL) }
    let status = withHandles(locks, lockCount) { handles in
        tables.pointee.grow(
            layout, pool: OpaquePointer(pool), locks: UnsafePointer(handles.baseAddress!), lockCount: lockCount)
    }
    return status ?? Int32(CAPR.APR_EINVAL)
}

/// Locks as Swift has them; nil when one of them is missing.
private func withHandles<Result>(
    _ locks: UnsafePointer<UnsafeMutableRawPointer?>?, _ count: UInt32,
    _ body: (UnsafeMutableBufferPointer<OpaquePointer>) -> Result
) -> Result? {
    guard let locks else { return nil }
    return withUnsafeTemporaryAllocation(of: OpaquePointer.self, capacity: Int(count)) { handles in
        for at in 0..<Int(count) {
            guard let lock = locks[at] else { return nil }
            handles.initializeElement(at: at, to: OpaquePointer(lock))
        }
        return body(handles)
    }
}

// MARK: Engine

@c public func farm_on_engine_create(_ tables: OpaquePointer?, _ config: UnsafePointer<farm_config>?) -> OpaquePointer?
{
    guard let tables = theTables(tables), let config, let made = Engine(tables.pointee, config: config.pointee) else {
        return nil
    }
    let engine = UnsafeMutablePointer<Engine>.allocate(capacity: 1)
    engine.initialize(to: made)
    return OpaquePointer(engine)
}

@c public func farm_on_engine_destroy(_ engine: OpaquePointer?) {
    guard let engine = theEngine(engine) else { return }
    engine.pointee.deallocate()
    engine.deinitialize(count: 1)
    engine.deallocate()
}

@c public func farm_on_child_start(_ engine: OpaquePointer?, _ pid: UInt32) -> UInt32 {
    (theEngine(engine)?.pointee.startChild(pid: pid) ?? .outside).rawValue
}

@c public func farm_on_child_gone(_ tables: OpaquePointer?, _ pid: UInt32) {
    theTables(tables)?.pointee.processGone(pid: pid)
}

@c public func farm_on_sweep(_ tables: OpaquePointer?) { theTables(tables)?.pointee.sweep() }

@c public func farm_on_processes(
    _ tables: OpaquePointer?, _ pids: UnsafeMutablePointer<UInt32>?, _ most: UInt32
) -> UInt32 {
    guard let tables = theTables(tables) else { return 0 }
    guard most > 0 else { return tables.pointee.first.layout.slots }
    guard let pids else { return 0 }
    return UInt32(tables.pointee.processes(into: UnsafeMutableBufferPointer(start: pids, count: Int(most))))
}

@c public func farm_on_old_processes(_ tables: OpaquePointer?, _ count: UInt32) {
    theTables(tables)?.pointee.oldProcesses = count
}

// MARK: Requests

@c public func farm_on_find_farm(_ engine: OpaquePointer?, _ host: UnsafePointer<CChar>?, _ length: UInt32) -> UInt32 {
    theEngine(engine)?.pointee.findFarm(bytes(host, length)) ?? FARM_NONE
}

@c public func farm_on_key(
    _ request: UnsafeMutablePointer<farm_request>?, _ text: UnsafePointer<CChar>?, _ length: UInt32
) {
    guard let request, text != nil, length > 0 else { return }
    request.pointee.key = RequestKey.of(bytes(text, length))
    request.pointee.flags |= FARM_REQUEST_KEYED
}

@c public func farm_on_route(
    _ engine: OpaquePointer?, _ request: UnsafeMutablePointer<farm_request>?, _ cookies: UnsafePointer<CChar>?,
    _ cookiesLength: UInt32, _ path: UnsafePointer<CChar>?, _ pathLength: UInt32, _ query: UnsafePointer<CChar>?,
    _ queryLength: UInt32
) {
    guard let engine = theEngine(engine), let request else { return }
    engine.tie(
        request, cookies: bytes(cookies, cookiesLength), path: bytes(path, pathLength), query: bytes(query, queryLength)
    )
}

@c public func farm_on_instruct(
    _ engine: OpaquePointer?, _ request: UnsafeMutablePointer<farm_request>?, _ cookies: UnsafePointer<CChar>?,
    _ cookiesLength: UInt32, _ client: UnsafePointer<CChar>?, _ clientLength: UInt32
) {
    guard let engine = theEngine(engine), let request else { return }
    engine.instruct(request, cookies: bytes(cookies, cookiesLength), client: bytes(client, clientLength))
}

@c public func farm_on_target(
    _ engine: OpaquePointer?, _ request: UnsafePointer<farm_request>?, _ cookies: UnsafePointer<CChar>?,
    _ cookiesLength: UInt32, _ client: UnsafePointer<CChar>?, _ clientLength: UInt32
) -> UInt32 {
    guard let request else { return FARM_NONE }
    guard let engine = theEngine(engine) else { return request.pointee.farm }
    return engine.target(request, cookies: bytes(cookies, cookiesLength), client: bytes(client, clientLength))
}

@c public func farm_on_stick(
    _ engine: OpaquePointer?, _ request: UnsafeMutablePointer<farm_request>?, _ cookies: UnsafePointer<CChar>?,
    _ cookiesLength: UInt32, _ client: UnsafePointer<CChar>?, _ clientLength: UInt32
) {
    guard let engine = theEngine(engine), let request else { return }
    engine.stick(request, cookies: bytes(cookies, cookiesLength), client: bytes(client, clientLength))
}

@c public func farm_on_shares_cookies(
    _ cacheControl: UnsafePointer<CChar>?, _ length: UInt32, _ isPrivate: Int32
) -> Int32 {
    CacheControl.sharesCookies(bytes(cacheControl, length), privateIsEnough: isPrivate != 0) ? 1 : 0
}

@c public func farm_on_hide(
    _ engine: OpaquePointer?, _ request: UnsafePointer<farm_request>?, _ cookies: UnsafePointer<CChar>?,
    _ length: UInt32,
    _ into: UnsafeMutablePointer<CChar>?
) -> UInt32 {
    guard let engine = theEngine(engine), let request, into != nil else { return FARM_NONE }
    return engine.hide(request, bytes(cookies, length), into: mutableBytes(into, length)).map { UInt32($0) }
        ?? FARM_NONE
}

@c public func farm_on_set_cookie(
    _ engine: OpaquePointer?, _ request: UnsafePointer<farm_request>?, _ into: UnsafeMutablePointer<CChar>?
) -> UInt32 {
    guard let engine = theEngine(engine), let request, into != nil else { return 0 }
    return UInt32(engine.setCookie(request, into: mutableBytes(into, UInt32(FARM_SET_COOKIE_MOST))))
}

@c public func farm_on_redirected(_ request: UnsafeMutablePointer<farm_request>?) { request?.wasRedirected() }

@c public func farm_on_forwarded(_ request: UnsafeMutablePointer<farm_request>?, _ farm: UInt32) {
    request?.wasForwarded(toFarm: farm != FARM_NONE)
}

@c public func farm_on_finished(
    _ engine: OpaquePointer?, _ request: UnsafeMutablePointer<farm_request>?, _ status: UInt32, _ clientLeft: Int32
) {
    guard let engine = theEngine(engine), let request else { return }
    engine.finish(request, status: status, clientLeft: clientLeft != 0)
}

@c public func farm_on_choose(
    _ engine: OpaquePointer?, _ request: UnsafeMutablePointer<farm_request>?,
    _ now: UInt64
) -> Int32 {
    guard let engine = theEngine(engine), let request else { return 0 }
    return engine.choose(request, now: now) ? 1 : 0
}

@c public func farm_on_trial_due(
    _ engine: OpaquePointer?, _ request: UnsafePointer<farm_request>?, _ now: UInt64
) -> Int32 {
    guard let engine = theEngine(engine), let request else { return 0 }
    return engine.trialIsDue(request, now: now) ? 1 : 0
}

@c public func farm_on_condition(_ engine: OpaquePointer?, _ request: UnsafePointer<farm_request>?) -> UInt32 {
    guard let engine = theEngine(engine), let request else { return Condition.down.rawValue }
    return engine.pointee.condition(of: request.pointee).rawValue
}

@c public func farm_on_refused(
    _ engine: OpaquePointer?, _ request: UnsafePointer<farm_request>?, _ condition: UInt32,
    _ into: UnsafeMutablePointer<CChar>?, _ room: UInt32
) -> UInt32 {
    guard let engine = theEngine(engine), let request, into != nil else { return 0 }
    let condition = Condition(rawValue: condition) ?? .down
    return UInt32(engine.pointee.refused(request.pointee, condition: condition, into: mutableBytes(into, room)))
}

@c public func farm_on_answer(
    _ engine: OpaquePointer?, _ request: UnsafeMutablePointer<farm_request>?,
    _ status: UInt32, _ mayResend: Int32, _ now: UInt64
) -> Int32 {
    guard let engine = theEngine(engine), let request else { return 1 }
    return engine.answered(request, status: status, mayResend: mayResend != 0, now: now) ? 1 : 0
}

@c public func farm_on_end(
    _ engine: OpaquePointer?, _ request: UnsafeMutablePointer<farm_request>?, _ saw: UInt32,
    _ mayResend: Int32, _ bytesIn: UInt64, _ bytesOut: UInt64
) -> Int32 {
    guard let engine = theEngine(engine), let request else { return 0 }
    return engine.end(
        request, saw: Evidence(rawValue: saw), mayResend: mayResend != 0, bytesIn: bytesIn,
        bytesOut: bytesOut) ? 1 : 0
}

@c public func farm_on_connected(_ engine: OpaquePointer?, _ request: UnsafeMutablePointer<farm_request>?) {
    guard let engine = theEngine(engine), let request else { return }
    engine.connected(request)
}

@c public func farm_on_connect_limit(_ engine: OpaquePointer?, _ request: UnsafePointer<farm_request>?) -> UInt64 {
    guard let engine = theEngine(engine), let request else { return 0 }
    return engine.connectLimit(request)
}

@c public func farm_on_drop(_ engine: OpaquePointer?, _ request: UnsafeMutablePointer<farm_request>?) {
    guard let engine = theEngine(engine), let request else { return }
    engine.drop(request)
}

// MARK: What members report

@c public func farm_on_update(
    _ engine: OpaquePointer?, _ text: UnsafeMutablePointer<CChar>?, _ length: UInt32,
    _ caller: UnsafeMutableRawPointer?, _ out: UnsafeMutableRawPointer?
) {
    theEngine(engine)?.pointee.update(mutableBytes(text, length), caller: caller, out: out)
}

@c public func farm_on_report(
    _ engine: OpaquePointer?, _ request: UnsafeMutablePointer<farm_request>?, _ text: UnsafePointer<CChar>?,
    _ length: UInt32
) {
    guard let request else { return }
    theEngine(engine)?.reported(request, bytes(text, length))
}

@c public func farm_on_balance(
    _ engine: OpaquePointer?, _ query: UnsafeMutablePointer<CChar>?, _ length: UInt32,
    _ key: UnsafeMutableRawPointer?, _ out: UnsafeMutableRawPointer?
) {
    theEngine(engine)?.balance(mutableBytes(query, length), key: key, out: out)
}

// MARK: Management

@c public func farm_on_manage(
    _ engine: OpaquePointer?, _ text: UnsafeMutablePointer<CChar>?, _ length: UInt32, _ by: UnsafePointer<CChar>?,
    _ byLength: UInt32, _ nonce: UnsafePointer<CChar>?, _ nonceLength: UInt32, _ flags: UInt32,
    _ out: UnsafeMutableRawPointer?
) -> Int32 {
    guard let engine = theEngine(engine) else { return 0 }
    let asker = Engine.Asker(
        name: bytes(by, byLength), nonce: flags & FARM_MANAGE_BY_FORM != 0 ? bytes(nonce, nonceLength) : nil)
    return engine.pointee.manage(mutableBytes(text, length), by: asker, out: out) ? 1 : 0
}

@c public func farm_on_state_write(_ engine: OpaquePointer?, _ out: UnsafeMutableRawPointer?) {
    theEngine(engine)?.pointee.writeState(to: out)
}

@c public func farm_on_state_read(
    _ engine: OpaquePointer?, _ text: UnsafeMutablePointer<CChar>?, _ length: UInt32,
    _ line: UnsafeMutablePointer<UInt32>?
) -> UnsafePointer<CChar>? {
    guard let engine = theEngine(engine), let fault = engine.pointee.readState(mutableBytes(text, length)) else {
        return nil
    }
    line?.pointee = UInt32(clamping: fault.line)
    return UnsafeRawPointer(fault.what.utf8Start).assumingMemoryBound(to: CChar.self)
}

@c public func farm_on_tick(_ engine: OpaquePointer?) { theEngine(engine)?.pointee.tick() }

// MARK: Reading

@c public func farm_on_status(
    _ engine: OpaquePointer?, _ format: UInt32, _ controls: UnsafePointer<farm_controls>?,
    _ out: UnsafeMutableRawPointer?
) {
    guard let engine = theEngine(engine), let format = StatusFormat(rawValue: format) else { return }
    let wanted = controls?.pointee ?? farm_controls()
    engine.pointee.writeStatus(
        format,
        controls: StatusControls(
            manager: bytes(wanted.manager, wanted.manager_length), nonce: bytes(wanted.nonce, wanted.nonce_length)),
        to: out)
}

// MARK: Conversions

private func bytes(_ text: UnsafePointer<CChar>?, _ length: UInt32) -> UnsafeBufferPointer<UInt8> {
    UnsafeBufferPointer(
        start: UnsafeRawPointer(text)?.assumingMemoryBound(to: UInt8.self),
        count: text == nil ? 0 : Int(length))
}

private func mutableBytes(_ text: UnsafeMutablePointer<CChar>?, _ length: UInt32) -> UnsafeMutableBufferPointer<UInt8> {
    UnsafeMutableBufferPointer(
        start: UnsafeMutableRawPointer(text)?.assumingMemoryBound(to: UInt8.self),
        count: text == nil ? 0 : Int(length))
}

private func theTables(_ tables: OpaquePointer?) -> UnsafeMutablePointer<Tables>? {
    tables.map { UnsafeMutablePointer($0) }
}

private func theEngine(_ engine: OpaquePointer?) -> UnsafeMutablePointer<Engine>? {
    engine.map { UnsafeMutablePointer($0) }
}
