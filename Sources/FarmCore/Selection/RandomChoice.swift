/// random: a member drawn by weight.
extension Farm {
    @inline(__always)
    func drawRandom(_ span: View.Span, _ view: UnsafeMutablePointer<View>, _ bits: UInt32) -> UInt32 {
        let entries = UnsafePointer(view.pointee.alias + Int(span.start))
        return member(at: AliasTable.draw(entries, count: span.drawn, bits: bits), of: span, view)
    }
}
