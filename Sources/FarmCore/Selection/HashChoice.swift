import CFarm

/// hash: the member that a key belongs to, on a ring that moves few keys when members come and go, as long as it has no
/// more than its part of 1.25 times the mean in flight (consistent hashing with bounded loads: Mirrokni, Thorup,
/// Zadimoghaddam, SODA 2018).
///
/// A key whose member has failed goes where it would go if that member were gone. One whose member has no room goes where
/// its next hash leads it, which spreads the overflow of a hot member over all others. A request without a key is drawn by weight.
public enum RequestKey {
    /// The key of a text: FNV-1a, 64 bits (draft-eastlake-fnv), mixed. The same in every process and on every httpd.
    public static func of(_ text: UnsafeBufferPointer<UInt8>) -> UInt64 { RandomSource.mixed(hash(text)) }

    static func hash(_ text: UnsafeBufferPointer<UInt8>) -> UInt64 {
        var hash: UInt64 = 0xCBF2_9CE4_8422_2325
        for byte in text { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01B3 }
        return hash
    }
}

extension Farm {
    @inline(never)
    func pickByHash(
        from span: View.Span, of view: UnsafeMutablePointer<View>, _ wish: Wish, random: RandomSource
    ) -> UInt32? {
        let count = InFlight.count(row)
        let total = UInt64(count - min(count, view.pointee.strayed)) &+ 1
        var point: UInt32 = 0
        for draw in 0..<UInt64(Self.draws) {
            let index: UInt32
            if let key = wish.key, span.ring.count > 0 {
                point = find(draw == 0 ? key : RandomSource.mixed(key &+ draw), span, view, wish)
                index = member(at: span.ring.position(view.pointee.ring, at: point), of: span, view)
            } else {
                index = drawRandom(span, view, UInt32(truncatingIfNeeded: random.next()))
            }
            if admit(index, wish, mask: farm_get32(&view.pointee.mask), atMost: bound(index, total: total, span)) {
                return index
            }
        }
        if let index = lookForRoom(from: start(point, span, view, wish, random), span, view, wish, total: total) {
            return index
        }
        return lookThrough(span, view, wish, random: random)
    }

    @inline(__always)
    private func find(
        _ key: UInt64, _ span: View.Span, _ view: UnsafeMutablePointer<View>, _ wish: Wish
    ) -> UInt32 {
        if wish.excludesNone { return span.ring.find(view.pointee.ring, key: key) }
        return span.ring.find(view.pointee.ring, key: key) { wish.excludes(member(at: $0, of: span, view)) }
    }

    /// Where to look for room when the draws found none: for a key the same each time.
    private func start(
        _ point: UInt32, _ span: View.Span, _ view: UnsafeMutablePointer<View>, _ wish: Wish, _ random: RandomSource
    ) -> UInt32 {
        wish.key != nil && span.ring.count > 0
            ? span.ring.position(view.pointee.ring, at: point) : RandomSource.below(span.count, from: random.next())
    }

    /// The first member with room from a position on. While all members of the tier may be had there is one, as their
    /// bounds together are more than what is in flight.
    private func lookForRoom(
        from start: UInt32, _ span: View.Span, _ view: UnsafeMutablePointer<View>, _ wish: Wish, total: UInt64
    ) -> UInt32? {
        for step in 0..<span.count {
            let index = member(at: (start &+ step) % span.count, of: span, view)
            if admit(index, wish, mask: farm_get32(&view.pointee.mask), atMost: bound(index, total: total, span)) {
                return index
            }
        }
        return nil
    }

    /// The most a member may have in flight: its part by weight of 1.25 times what its tier has with this request,
    /// rounded up, so that an idle member always has room.
    @inline(__always)
    private func bound(_ index: UInt32, total: UInt64, _ span: View.Span) -> UInt32 {
        let weight = UInt64(max(1, farm_get32(&members[Int(index)].row.pointee.weight)))
        let of = max(1, span.weight) &* 4
        return UInt32(clamping: (total &* 5 &* weight &+ of &- 1) / of)
    }
}
