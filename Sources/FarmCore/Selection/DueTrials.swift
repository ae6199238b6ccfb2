extension Farm {
    /// Whether a member that is down may be tried now: one that the view knows, or any where no member is available. Linear in
    /// the number of members then.
    @inline(__always)
    public func trialIsDue(in view: UnsafeMutablePointer<View>, now: UInt64) -> Bool {
        view.pointee.due != View.noMember || (view.pointee.available == 0 && strandedTrialIsDue(now: now))
    }

    @inline(never)
    private func strandedTrialIsDue(now: UInt64) -> Bool {
        members.contains {
            $0.row.state.mayBeTried && freshness.isIn($0.row, now: now)
                && now >= health.nextTrial($0.row, for: .stranded)
        }
    }
}
