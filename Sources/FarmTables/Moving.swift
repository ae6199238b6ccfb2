import CFarm
import CFarmABI
import FarmCore

/// Requests that an instruction sends to another farm than their URL names.
extension UnsafeMutablePointer where Pointee == Engine {
    /// The farm that will serve a request, by its cookies: what `instruct` will find, without its marks.
    public func target(
        _ request: UnsafePointer<farm_request>, cookies: Instruction.Bytes, client: Instruction.Bytes
    ) -> UInt32 {
        guard Self.mayMove(cookies) else { return request.pointee.farm }
        var asked = request.pointee
        asked.flags |= FARM_REQUEST_ASKED
        instruct(&asked, cookies: cookies, client: client)
        return asked.farm
    }

    /// Whether any cookie, of whatever name, has an instruction to another farm; most have not, which is seen without a MAC.
    private static func mayMove(_ cookies: Instruction.Bytes) -> Bool {
        var at = 0
        while at < cookies.count {
            guard cookies[at] == UInt8(ascii: "=") else {
                at += 1
                continue
            }
            at += 1
            let start = at
            while at < cookies.count && !isEnd(cookies[at]) { at += 1 }
            if names(Instruction.Bytes(rebasing: cookies[start..<at])) { return true }
        }
        return false
    }

    private static func isEnd(_ byte: UInt8) -> Bool {
        byte == UInt8(ascii: ";") || byte == UInt8(ascii: ",") || byte == UInt8(ascii: "=")
    }

    /// Whether the value of a cookie names a farm to go to; signed or not.
    private static func names(_ value: Instruction.Bytes) -> Bool {
        guard let token = InstructionToken(value) else { return false }
        return withUnsafeTemporaryAllocation(of: UInt8.self, capacity: Instruction.longest) { room in
            guard let payload = token.readPayload(into: room) else { return false }
            return Instruction.read(payload)?.to != nil
        }
    }
}
