import CFarm
import FarmTestSupport
import Testing

@testable import FarmCore

@Suite struct MemberStateTests {
    /// Word, admin, up, available. All words that some code writes, and the admin value that none does.
    static let words: [(UInt32, Admin, up: Bool, available: Bool)] = [
        (0x00, .on, true, true),
        (0x01, .drain, true, false),
        (0x02, .off, true, false),
        (0x03, .off, true, false),
        (0x10, .on, false, false),
        (0x11, .drain, false, false),
        (0x12, .off, false, false),
        (0x13, .off, false, false),
    ]

    @Test(arguments: words) func reads(_ word: UInt32, _ admin: Admin, up: Bool, available: Bool) {
        let state = MemberState(word: word)
        #expect(state.admin == admin)
        #expect(state.isUp == up)
        #expect(state.isDownByFailures == !up)
        #expect(state.isAvailable == available)
    }

    /// A bit that this version does not know may mean a reason not to use the member.
    @Test func anUnknownBitIsNotAvailable() {
        for bit in 2..<32 { #expect(!MemberState(word: 1 << UInt32(bit)).isAvailable, "bit \(bit)") }
    }

    @Test(arguments: [Admin.on, .drain, .off], [false, true])
    func writes(_ admin: Admin, down: Bool) {
        for start in Self.words {
            let state = MemberState(word: start.0).with(admin: admin).with(downByFailures: down)
            #expect(state.admin == admin)
            #expect(state.isDownByFailures == down)
            #expect(state == MemberState(word: start.0).with(downByFailures: down).with(admin: admin))
        }
    }

    /// Admin and health never set each other, and neither touches a bit it does not own.
    @Test func writesKeepTheRest() {
        for bit in 5..<32 where 1 << UInt32(bit) != FARM_DOWN_AS_OUTLIER {
            let word: UInt32 = 1 << UInt32(bit)
            #expect(MemberState(word: word).with(admin: .off).with(admin: .on).word == word)
            #expect(MemberState(word: word).with(downByFailures: true).with(downByFailures: false).word == word)
        }
    }

    @Test func aRowGivesBackWhatWasPublished() {
        let rows = Rows(count: 1)
        for (word, _, _, _) in Self.words {
            rows[0].publish(MemberState(word: word))
            #expect(rows[0].state.word == word)
        }
    }

    @Test func rawValuesAreTheRowsOwn() {
        #expect(Admin.on.rawValue == FARM_ADMIN_ON)
        #expect(Admin.drain.rawValue == FARM_ADMIN_DRAIN)
        #expect(Admin.off.rawValue == FARM_ADMIN_OFF)
        #expect(Admin(rawValue: 3) == nil)
    }
}
