import CFarm
import CFarmABI
import FarmCore

/// The slots of the ledger: one for each live child, claimed by its pid. Not the scoreboard's, in which an old
/// generation's children share their places with new ones.
extension Tables {
    /// Claims a slot for a child of a configuration; nil when none is free. The child itself, before it serves.
    public func claimSlot(pid: UInt32, generation: UInt32) -> Int? {
        guard pid != 0 else { return nil }
        let block = first
        for index in 0..<Int(block.layout.slots) {
            let slot = block.slot(index)
            if farm_get32(&slot.pointee.pid) == 0 && farm_swap32(&slot.pointee.pid, 0, pid) != 0 {
                farm_set32(&slot.pointee.config_generation, generation)
                return index
            }
        }
        return nil
    }

    /// Whether a child of this configuration, which has claimed its slot just now, may know rows that are others' by now: the
    /// parent frees a row in the second configuration after the last that had it, if no slot tells of a process that knows it.
    /// Who finds no more than one after its own here is seen by the parent when it takes the second (`generationsInUse`).
    func isLate(generation: UInt32) -> Bool {
        farm_fence()
        return farm_get32(&first.header.pointee.config_generation) &- generation > 1
    }

    /// A process is gone: what it left in flight is taken off the members. The parent only.
    public func processGone(pid: UInt32) {
        guard pid != 0 else { return }
        for index in 0..<Int(first.layout.slots) where farm_get32(&first.slot(index).pointee.pid) == pid {
            releaseSlot(index)
        }
    }

    /// Looks for slots of processes that died without being seen. The parent only.
    public func sweep() {
        for index in 0..<Int(first.layout.slots) {
            let pid = farm_get32(&first.slot(index).pointee.pid)
            if pid != 0 && farm_host_process_lives(pid) == 0 { releaseSlot(index) }
        }
        // Also mends what an earlier repair got wrong because a process was waiting for a core between its two writes.
        reconcile()
    }

    private func releaseSlot(_ slot: Int) {
        for block in known {
            for member in 0..<Int(block.layout.members) where block.member(member).pointee.use != FARM_ROW_FREE {
                let row = block.member(member)
                InFlight.forget(block.cell(slot: slot, member: member), of: row, farm: farm(number: row.pointee.farm))
            }
        }
        // Who claims it next must not seem to be of this one's configuration before it has said its own.
        farm_set32(&first.slot(slot).pointee.config_generation, 0)
        farm_publish32(&first.slot(slot).pointee.pid, 0)
        repairRows()
        changedAll()
        reconcile()
    }

    /// A process that was killed while it wrote a row left it marked. The next writer would repair it, and may be long in coming;
    /// until then readers have no copy of the row that they may believe.
    private func repairRows() {
        for (number, block) in known.enumerated() {
            for index in 0..<Int(block.layout.farms) where block.farm(index).pointee.use != FARM_ROW_FREE {
                let place = Place(block: number, index: index)
                RowWriting.repairLeft(farm(place), lock: lock(farm: place))
            }
            for index in 0..<Int(block.layout.members) where block.member(index).pointee.use != FARM_ROW_FREE {
                let place = Place(block: number, index: index)
                guard let farm = self.place(farm: member(place).pointee.farm) else { continue }
                RowWriting.repairLeft(member(place), lock: lock(member: place, farm: farm))
            }
        }
    }

    /// A process that was killed after it had published a state and before it told of it has left the views of others as they
    /// were.
    private func changedAll() {
        for block in known {
            for index in 0..<Int(block.layout.farms) where block.farm(index).pointee.use == FARM_ROW_USED {
                Farm.changed(block.farm(index))
            }
        }
    }

    /// A process that was killed between its two writes left a row one too low. A difference between a row and its
    /// cells that does not move while nothing else is half done is such an error, and is taken off.
    private func reconcile() {
        for block in known {
            for member in 0..<Int(block.layout.members) where block.member(member).pointee.use != FARM_ROW_FREE {
                let drift = settled { self.drift(block, member) }
                if drift != 0 { _ = farm_add32(&block.member(member).pointee.inflight, 0 &- UInt32(bitPattern: drift)) }
            }
        }
        reconcileFarms()
    }

    /// The same for farms that count their requests in flight: the sum of their members'.
    private func reconcileFarms() {
        for (number, block) in known.enumerated() {
            for index in 0..<Int(block.layout.farms) where block.farm(index).pointee.use != FARM_ROW_FREE {
                let farm = block.farm(index)
                guard farm_get32(&farm.pointee.counts_inflight) != 0 else { continue }
                let of = self.number(of: Place(block: number, index: index))
                let drift = settled { Int32(bitPattern: farm_get32(&farm.pointee.inflight) &- inFlight(farm: of)) }
                if drift != 0 { _ = farm_add32(&farm.pointee.inflight, 0 &- UInt32(bitPattern: drift)) }
            }
        }
    }

    private func inFlight(farm: UInt32) -> UInt32 {
        var sum: UInt32 = 0
        for block in known {
            for index in 0..<Int(block.layout.members) {
                let row = block.member(index)
                if row.pointee.use != FARM_ROW_FREE && row.pointee.farm == farm {
                    sum &+= farm_get32(&row.pointee.inflight)
                }
            }
        }
        return sum
    }

    /// A difference seen six times in a row over ten milliseconds, else 0: a live process is between its two writes for
    /// nanoseconds, or for as long as it waits for a core.
    private func settled(_ drift: () -> Int32) -> Int32 {
        var last = drift()
        guard last != 0 else { return 0 }
        var seen = 1
        for _ in 0..<24 where seen < 6 {
            farm_host_pause(2000)
            let next = drift()
            seen = next == last ? seen + 1 : 1
            last = next
        }
        return seen == 6 ? last : 0
    }

    private func drift(_ block: Block, _ member: Int) -> Int32 {
        var sum: UInt32 = 0
        for slot in 0..<Int(block.layout.slots) where farm_get32(&first.slot(slot).pointee.pid) != 0 {
            sum &+= farm_get32(block.cell(slot: slot, member: member))
        }
        return Int32(bitPattern: farm_get32(&block.member(member).pointee.inflight) &- sum)
    }

    /// The processes that have a slot; how many were written.
    public func processes(into pids: UnsafeMutableBufferPointer<UInt32>) -> Int {
        var count = 0
        for index in 0..<Int(first.layout.slots) where count < pids.count {
            let pid = farm_get32(&first.slot(index).pointee.pid)
            guard pid != 0 else { continue }
            pids[count] = pid
            count += 1
        }
        return count
    }

    /// The configurations that live processes use, in no order; a 0 among them is a process that has claimed its slot and not
    /// set its number yet, so that it may use any. Called after the number of the newest configuration was written: a child
    /// whose claim is not seen here sees that number (`isLate`).
    func generationsInUse() -> [UInt32] {
        farm_fence()
        var found: [UInt32] = []
        for index in 0..<Int(first.layout.slots) {
            let slot = first.slot(index)
            guard farm_get32(&slot.pointee.pid) != 0 else { continue }
            let generation = farm_get32(&slot.pointee.config_generation)
            if !found.contains(generation) { found.append(generation) }
        }
        return found
    }
}
