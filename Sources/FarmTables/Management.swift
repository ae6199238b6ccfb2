import CFarm
import CFarmABI
import FarmCore

/// farm-manager: the administrator changes what holds until it is changed again. All of a change is made, or nothing.
extension Engine {
    /// What a change comes with besides its text.
    public struct Asker {
        /// Who asks, when the text does not say.
        public var name: UnsafeBufferPointer<UInt8>
        /// What a browser's form must hold; nil: a program asks, which needs none.
        public var nonce: UnsafeBufferPointer<UInt8>?

        public init(name: UnsafeBufferPointer<UInt8>, nonce: UnsafeBufferPointer<UInt8>?) {
            self.name = name
            self.nonce = nonce
        }
    }

    /// Makes the change in `text`, which is written over, and answers through `out`; whether it was made.
    public func manage(
        _ text: UnsafeMutableBufferPointer<UInt8>, by asker: Asker, out: UnsafeMutableRawPointer?
    ) -> Bool {
        guard let refusal = refusal(text, asker, out) else { return true }
        farm_host_status(out, refusal.status)
        var writer = ByteWriter(host: out)
        refusal.write(to: &writer)
        writer.byte(0x0A)
        return false
    }

    private func refusal(
        _ text: UnsafeMutableBufferPointer<UInt8>, _ asker: Asker, _ out: UnsafeMutableRawPointer?
    ) -> ChangeRefusal? {
        guard !isOutside else { return ChangeRefusal(.outside) }
        if let nonce = asker.nonce, !Nonce.isIn(UnsafeBufferPointer(text), nonce) { return ChangeRefusal(.wrongNonce) }
        switch Change.parse(text, isForm: asker.nonce != nil, wallClock: farm_host_wall_clock()) {
        case .refused(let refusal):
            return refusal
        case .change(let change):
            let farm = findFarm(change.farm)
            guard farm != FARM_NONE else { return ChangeRefusal(.unknownFarm, value: change.farm) }
            let wallClock = farm_host_wall_clock()
            let word = AdminWord(
                by: change.by ?? asker.name,
                reason: change.reason ?? UnsafeBufferPointer(start: nil, count: 0),
                since: wallClock, until: change.until ?? 0)
            guard let name = change.member else { return changeFarm(Int(farm), change, word, out) }
            guard let local = findMember(name, farm: Int(farm)) else {
                return ChangeRefusal(.unknownMember, value: name, farm: change.farm)
            }
            return changeMember(Int(farm), local, change, word, out)
        }
    }

    private func changeFarm(
        _ at: Int, _ change: Change, _ word: AdminWord, _ out: UnsafeMutableRawPointer?
    ) -> ChangeRefusal? {
        let farm = farms[at]
        guard let admin = change.admin else { return nil }
        let word = word.with(admin == .on ? nil : work(farm: at))
        let written: Void? = write(farm: at) { row in
            farm_row_note(row).set(word) { farm_publish32(&row.pointee.admin, admin.rawValue) }
        }
        guard written != nil else { return ChangeRefusal(.locked) }
        farm.changed()
        Log.administered(farm.row, nil, admin, word)
        watch(farm: at, now: farm_host_clock())
        farm_host_status(out, 200)
        var writer = ByteWriter(host: out)
        writer.text("ok ")
        writer.cString(farm_row_name(farm.row), limit: Names.longest)
        writer.text(" admin=")
        writer.text(admin.name)
        writer.text(" condition=")
        writer.text(farm.condition(now: farm_host_clock()).name)
        writer.byte(0x0A)
        return nil
    }

    private func changeMember(
        _ at: Int, _ local: Int, _ change: Change, _ word: AdminWord, _ out: UnsafeMutableRawPointer?
    ) -> ChangeRefusal? {
        let farm = farms[at]
        let now = farm_host_clock()
        let word = word.with(change.admin == .on ? nil : work(farm: at, local: local))
        let changed = write(farm: UInt32(at), local: local) { row in
            let wasAvailable = farm.freshness.isAvailable(row, now: now)
            if let weight = change.weight { farm_set32(&row.pointee.weight, weight) }
            let health = change.health.map { MonitoredHealth.note($0, row, wallClock: word.since, byManager: true) }
            if let admin = change.admin {
                farm_member_row_note(row).set(word) { row.publish(row.state.with(admin: admin)) }
            }
            if !wasAvailable { farm.cameBack(local, now: now) }
            return health ?? .none
        }
        guard let changed else { return ChangeRefusal(.locked) }
        farm.changed()
        let row = farm.members[local].row
        if let admin = change.admin { Log.administered(farm.row, row, admin, word) }
        if let weight = change.weight { Log.weighed(farm.row, row, weight, by: word.by) }
        Log.monitored(farm.row, row, changed, by: word.by)
        watch(farm: at, now: now)
        farm_host_status(out, 200)
        var writer = ByteWriter(host: out)
        writer.text("ok ")
        writeState(&writer, farm: at, local, now: now)
        writer.text(" weight=")
        writer.number(UInt64(farm_get32(&row.pointee.weight)))
        writer.byte(0x0A)
        return nil
    }

    /// What a member has to end when it is taken out now.
    private func work(farm at: Int, local: Int) -> AdminWord.Work {
        let clients = clients(farm: at, local: local).count(now: farm_host_wall_clock() / 1_000_000)
        return AdminWord.Work(
            inflight: InFlight.count(farms[at].members[local].row), clients: UInt32(max(0, min(clients, 1e9)).rounded())
        )
    }

    /// The same of a whole farm.
    private func work(farm at: Int) -> AdminWord.Work {
        (0..<farms[at].members.count).reduce(AdminWord.Work(inflight: 0, clients: 0)) { sum, local in
            let here = work(farm: at, local: local)
            return AdminWord.Work(inflight: sum.inflight &+ here.inflight, clients: sum.clients &+ here.clients)
        }
    }
}

extension AdminWord {
    fileprivate func with(_ work: Work?) -> AdminWord {
        var word = self
        word.work = work
        return word
    }
}
