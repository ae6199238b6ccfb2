import CFarm
import FarmTestSupport
import Testing

@testable import FarmCore

/// What a process keeps of a farm between choices, and when it makes it anew.
@Suite struct ViewTests {
    private func order(_ view: UnsafeMutablePointer<View>) -> [[UInt32]] {
        (0..<Int(view.pointee.spanCount)).map { at in
            let span = view.pointee.spans[at]
            return (0..<span.count).map { view.pointee.order[Int(span.start + $0)] }
        }
    }

    @Test func namesTheAvailableTierByTier() {
        let test = TestFarm(.random, weights: [1, 1, 1, 1, 1, 1, 1])
        for (at, tier) in [3, 0, 9, 0, 3, 1, 0].enumerated() { test.rows[at].pointee.tier = UInt32(tier) }
        test.rows.setState(5, admin: .drain)
        test.rows.setState(6, admin: .on, down: true)
        let view = test.farm.view(now: 1)
        #expect(order(view) == [[1, 3], [0, 4], [2]])
        #expect(view.pointee.available == 5)
    }

    @Test func aFarmWithoutMembers() {
        let test = TestFarm(.roundrobin, weights: [])
        let view = test.farm.view(now: 1)
        #expect(view.pointee.spanCount == 0 && view.pointee.available == 0 && view.pointee.due == View.noMember)
        #expect(test.choose() == nil)
        #expect(test.farm.condition(now: 1) == .down)
    }

    /// Nothing is made anew while nothing has moved; a change is seen by the next choice.
    @Test func isRebuiltWhenTheGenerationMoves() {
        let test = TestFarm(.random, weights: [1, 1])
        let first = test.farm.view(now: 1)
        #expect(test.farm.view(now: 1_000_000_000) == first)
        test.rows.setState(0, admin: .off)
        #expect(test.farm.view(now: 2) == first, "a state alone is no sign; whoever changes one says so")
        test.farm.changed()
        let second = test.farm.view(now: 2)
        #expect(second != first)
        #expect(order(second) == [[1]])
        test.farm.changed()
        #expect(test.farm.view(now: 3) == first, "there are two, in turn")
    }

    @Test func theFirstChoiceBuildsOneWhateverTheGeneration() {
        for generation: UInt64 in [0, 1, .max - 1] {
            let test = TestFarm(.random, weights: [1])
            test.rows.farm.pointee.generation = generation
            #expect(test.choose() != nil)
        }
    }

    @Test func theDeadlineIsTheNextTrial() {
        let test = TestFarm(.random, weights: [1, 1, 1], retry: 100)
        test.rows.setState(1, admin: .on, down: true)
        test.rows.setState(2, admin: .on, down: true)
        test.rows[1].pointee.retry_at = 900
        test.rows[2].pointee.retry_at = 500
        let view = test.farm.view(now: 100)
        #expect(view.pointee.deadline == 500)
        #expect(view.pointee.due == View.noMember)
        #expect(test.farm.view(now: 499) == view)
        let later = test.farm.view(now: 500)
        #expect(later.pointee.due == 2)
        #expect(later.pointee.deadline == 900)
    }

    /// Who is down and not wanted is not tried.
    @Test(arguments: [Admin.drain, .off]) func noTrialOfAMemberThatIsNotOn(_ admin: Admin) {
        let test = TestFarm(.random, weights: [1])
        test.rows.setState(0, admin: admin, down: true)
        let view = test.farm.view(now: 100)
        #expect(view.pointee.due == View.noMember)
        #expect(view.pointee.deadline == .max)
    }

    /// While one thread is at it, the others go on with the view there is.
    @Test func oneThreadRebuilds() {
        let test = TestFarm(.random, weights: [1, 1])
        let old = test.farm.view(now: 1)
        test.farm.changed()
        test.farm.rebuilding.pointee = 1
        #expect(test.farm.view(now: 1) == old)
        test.farm.rebuilding.pointee = 0
        #expect(test.farm.view(now: 1) != old)
    }

    /// A child's first requests come at once, on threads that find no view yet: each gets a member all the same.
    @Test func theFirstChoicesAreAllServed() {
        for _ in 0..<40 {
            let test = TestFarm(.random, weights: [UInt32](repeating: 1, count: 2_000))
            let refused = UnsafeMutablePointer<UInt32>.allocate(capacity: 1)
            refused.pointee = 0
            defer { refused.deallocate() }
            let shared = Shared((test: test, refused: refused))
            onThreads(4) { _ in
                if shared.value.test.choose() == nil { _ = farm_add32(shared.value.refused, 1) }
            }
            #expect(refused.pointee == 0)
        }
    }

    /// Tiers are changed by the parent at a restart while children of the old generation choose: a member that is seen in
    /// two tiers by one rebuild must not make the view longer than the farm.
    @Test func aTierThatChangesMeanwhile() {
        // Four members, so that one entry too many still lies in what malloc gave and the test can tell of it.
        let test = TestFarm(.random, weights: [1, 1, 1, 1])
        let stop = UnsafeMutablePointer<UInt32>.allocate(capacity: 1)
        stop.pointee = 0
        defer { stop.deallocate() }
        let longest = UnsafeMutablePointer<UInt32>.allocate(capacity: 1)
        longest.pointee = 0
        defer { longest.deallocate() }
        let shared = Shared((test: test, stop: stop, longest: longest))
        onThreads(2) { number in
            let test = shared.value.test
            if number == 0 {
                for _ in 0..<20_000 {
                    test.farm.changed()
                    let available = test.farm.view(now: 1).pointee.available
                    farm_set32(shared.value.longest, max(available, farm_get32(shared.value.longest)))
                }
                farm_set32(shared.value.stop, 1)
            } else {
                while farm_get32(shared.value.stop) == 0 {
                    farm_set32(&test.rows[3].pointee.tier, 9)
                    farm_set32(&test.rows[3].pointee.tier, 0)
                }
            }
        }
        #expect(longest.pointee <= 4)
    }
}
