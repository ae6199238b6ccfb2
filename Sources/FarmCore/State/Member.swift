import CFarm

/// One member as a process sees it: where its shared row is, and the process's own cell of the ledger of requests in
/// flight. Plain pointers into shared memory, so that a choice touches no reference count.
public struct Member {
    public let row: MemberRow
    /// This process's count of the member's requests in flight, in shared memory. The parent owns no cell.
    public var ledger: UnsafeMutablePointer<UInt32>

    public init(row: MemberRow, ledger: UnsafeMutablePointer<UInt32>) {
        self.row = row
        self.ledger = ledger
    }
}
