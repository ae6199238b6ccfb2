import CFarm

/// Who serves a client that the module itself has tied to a member which cannot serve it now.
///
/// Requests that the client sends together must find the same member, in every process and on every httpd. So it is drawn by
/// a hash of the client's cookie and of each member's name, and the highest hash wins (rendezvous hashing: Thaler and
/// Ravishankar, Using name-based mappings to increase hit rates, IEEE/ACM Transactions on Networking 6, 1998). When a member
/// comes or goes, nobody moves but its own clients. It takes a few nanoseconds for each member of the tier, and only a client
/// whose member is away asks for it, until it has its new cookie.
extension Farm {
    /// Whether a member is off, down or out, so that it cannot serve clients that are tied to it. A member that is only full is
    /// not away.
    func isAway(_ index: UInt32, now: UInt64) -> Bool {
        guard Int(index) < members.count else { return true }
        let row = members[Int(index)].row
        return !row.state.servesTied || !freshness.isIn(row, now: now)
    }

    /// Marks a choice that moves the client's tie: the member is the one that replaces the client's own (`redirect=`) while that
    /// is away.
    @inline(never)
    func noteMove(_ choice: Choice, _ wish: Wish, now: UInt64) -> Choice {
        var choice = choice
        choice.moves =
            wish.triedCount == 0 && !choice.isTrial && choice.index != Int(wish.named) && isAway(wish.named, now: now)
        return choice
    }

    /// Chooses the member of a tier that a client's cookie draws, and takes a place there. Nil when the client's own member is only
    /// full, and when no member has a place.
    ///
    /// The tie moves to the member with the highest hash. While that member is full, the one with the next hash serves, and the
    /// tie stays as it is.
    @inline(never)
    func pickByTie(
        _ tie: UInt64, from span: View.Span, of view: UnsafeMutablePointer<View>, _ wish: Wish, now: UInt64
    ) -> Choice? {
        let isAway = isAway(wish.named, now: now)
        guard isAway || wish.excludes(wish.named), Int(span.start) + Int(span.count) <= members.count else {
            return nil
        }
        let order = view.pointee.order + Int(span.start)
        let mask = farm_get32(&view.pointee.mask)
        var bound = UInt64.max
        var moves = isAway && wish.triedCount == 0
        for _ in 0..<Self.draws {
            var best: UInt64 = 0
            var winner = View.noMember
            for at in 0..<Int(span.count) {
                let index = farm_get32(order + at)
                let score = RandomSource.mixed(tie ^ nameKey(Int(index)))
                if score >= best && score < bound {
                    best = score
                    winner = index
                }
            }
            guard winner != View.noMember else { return nil }
            let row = members[Int(winner)].row
            // In a panic a member may serve that is not available itself. No client is tied to such a member.
            let isThere = freshness.isAvailable(row, now: now)
            if admit(winner, wish, mask: mask) {
                return Choice(index: Int(winner), isTrial: false, moves: moves && isThere)
            }
            if isThere { moves = false }
            bound = best
        }
        return nil
    }
}
