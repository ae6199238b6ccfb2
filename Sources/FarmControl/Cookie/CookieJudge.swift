import FarmCore

/// What a server makes of instruction cookies.
public struct CookieJudge: Sendable {
    /// What there is to judge by.
    public struct Request: Sendable {
        /// The farm that the request is addressed to; nil: the one that the cookie names.
        public var farm: String?
        /// The client's address; nil: the one that the cookie names.
        public var client: IPAddress?
        /// Seconds since 1970.
        public var now: UInt64

        public init(farm: String? = nil, client: IPAddress? = nil, now: UInt64 = Moment.now / 1_000_000) {
            self.farm = farm
            self.client = client
            self.now = now
        }
    }

    /// What a cookie says, if it holds.
    public struct Says: Equatable, Sendable {
        /// The farm that results; nil: the one that the request is addressed to, which is not known.
        public let farm: String?
        public let member: String?
        public let isStrict: Bool
        /// Seconds since 1970.
        public let expires: UInt64
        public let key: String
        /// What it says, as text.
        public let payload: String
    }

    public enum Verdict: Equatable {
        case accepted(Says)
        /// It is for this other farm, which is no fault.
        case otherFarm(String)
        case refused(InstructionResult)
    }

    private let keys: [CookieKey]
    private let authenticator: any Authenticator
    /// The members of each farm; nil: what a cookie names is taken to exist.
    private let farms: [(name: String, members: [String])]?

    /// Of cookies of one name that many are looked at.
    public static let most = 8

    public init(
        _ keys: [CookieKey], _ authenticator: any Authenticator, farms: [(name: String, members: [String])]? = nil
    ) {
        self.keys = keys
        self.authenticator = authenticator
        self.farms = farms
    }

    /// The verdicts on the cookies of a request, up to the first that is used.
    public func judge(_ cookies: [[UInt8]], _ request: Request) -> [Verdict] {
        var verdicts: [Verdict] = []
        for cookie in cookies.prefix(Self.most) {
            verdicts.append(judge(cookie, request))
            if case .accepted = verdicts[verdicts.count - 1] { break }
        }
        return verdicts
    }

    /// The verdict on one, in the order in which the module judges.
    public func judge(_ cookie: [UInt8], _ request: Request) -> Verdict {
        cookie.withUnsafeBufferPointer { cookie in
            guard let token = InstructionToken(cookie) else { return .refused(.malformed) }
            var macRoom = [UInt8](repeating: 0, count: InstructionToken.macCount)
            var room = [UInt8](repeating: 0, count: Instruction.longest)
            return macRoom.withUnsafeMutableBufferPointer { macRoom in
                room.withUnsafeMutableBufferPointer { room in
                    guard let mac = token.readMAC(into: macRoom), let payload = token.readPayload(into: room) else {
                        return .refused(.malformed)
                    }
                    return judge(token, Array(mac), payload, request)
                }
            }
        }
    }

    private func judge(
        _ token: InstructionToken, _ mac: [UInt8], _ payload: UnsafeMutableBufferPointer<UInt8>, _ request: Request
    ) -> Verdict {
        let name = String(decoding: token.key, as: UTF8.self)
        guard let key = keys.first(where: { $0.name == name }) else { return .refused(.unknownKey) }
        guard authenticator.mac(key: Array(key.key.utf8), Array(token.signed)) == mac else { return .refused(.badMAC) }
        let text = String(decoding: payload, as: UTF8.self)
        guard let instruction = Instruction.read(payload) else { return .refused(.malformed) }
        func word(_ bytes: Instruction.Bytes?) -> String? { bytes.map { String(decoding: $0, as: UTF8.self) } }
        let only = word(instruction.client).map { IPAddress($0) }
        if case .some(nil) = only { return .refused(.malformed) }
        let addressed = request.farm ?? word(instruction.farm)
        if let farm = word(instruction.farm), let asked = request.farm, !Grammar.sameFarm(farm, asked) {
            return .otherFarm(farm)
        }
        guard request.now <= instruction.expires else { return .refused(.expired) }
        if let only = only ?? nil, let client = request.client, only != client { return .refused(.otherClient) }
        let farm = word(instruction.to) ?? addressed
        let member = word(instruction.member)
        guard exists(farm, member) else { return .refused(.unknownTarget) }
        return .accepted(
            Says(
                farm: farm, member: member, isStrict: instruction.isStrict && member != nil,
                expires: instruction.expires, key: name, payload: text))
    }

    private func exists(_ farm: String?, _ member: String?) -> Bool {
        guard let farms, let farm else { return true }
        guard let known = farms.first(where: { Grammar.sameFarm($0.name, farm) }) else { return false }
        return member.map { known.members.contains($0) } ?? true
    }
}
