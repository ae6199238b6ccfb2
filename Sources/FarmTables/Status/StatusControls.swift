/// What the page for people lets them change: empty texts where it does not.
public struct StatusControls {
    /// Path of farm-manager.
    public var manager: UnsafeBufferPointer<UInt8>
    /// What its forms must hold.
    public var nonce: UnsafeBufferPointer<UInt8>

    public init(manager: UnsafeBufferPointer<UInt8>, nonce: UnsafeBufferPointer<UInt8>) {
        self.manager = manager
        self.nonce = nonce
    }

    /// A page without buttons, or none at all.
    public static var none: StatusControls {
        let empty = UnsafeBufferPointer<UInt8>(start: nil, count: 0)
        return StatusControls(manager: empty, nonce: empty)
    }

    var hasForms: Bool { !manager.isEmpty && !nonce.isEmpty }
}
