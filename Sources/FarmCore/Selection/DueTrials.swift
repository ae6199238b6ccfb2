extension Farm {
    /// Whether a view knows a member that is down and may be tried now.
    @inline(__always)
    public func trialIsDue(in view: UnsafeMutablePointer<View>) -> Bool { view.pointee.due != View.noMember }
}
