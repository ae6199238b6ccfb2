import FarmModel
import Testing

@Suite struct LedgerModelTests {
    private static func shape(_ change: (inout LedgerProtocol.Shape) -> Void) -> LedgerProtocol.Shape {
        var shape = LedgerProtocol.Shape()
        change(&shape)
        return shape
    }

    private static let reuse = shape {
        $0.hasB = false
        $0.hasC = true
        $0.deaths = 2
    }

    @Test func noPlaceIsLostOrCountedTwice() {
        holds("ledger, two processes, a death", LedgerProtocol.system())
        holds("ledger, two threads and a process, a death", LedgerProtocol.system(nil, Self.shape { $0.threads = 2 }))
        holds("ledger, two processes, both may die", LedgerProtocol.system(nil, Self.shape { $0.deaths = 2 }))
        holds("ledger, a slot is used again, both may die", LedgerProtocol.system(nil, Self.reuse))
        holds("ledger, three processes, a death", LedgerProtocol.system(nil, Self.shape { $0.hasC = true }))
        holds(
            "ledger, without a limit, both may die",
            LedgerProtocol.system(
                nil,
                Self.shape {
                    $0.limit = 0
                    $0.deaths = 2
                }))
        holds(
            "ledger, two threads and a process, limit 2, a death",
            LedgerProtocol.system(
                nil,
                Self.shape {
                    $0.threads = 2
                    $0.limit = 2
                }))
    }

    @Test(
        arguments: [
            (.rowFirst, LedgerProtocol.limited), (.cellKept, LedgerProtocol.settled),
            (.notForgotten, LedgerProtocol.settled), (.noReconcile, LedgerProtocol.settled),
            (.looseLimit, LedgerProtocol.limited),
        ] as [(LedgerProtocol.Mutation, String)])
    func withoutAPartItBreaks(_ mutation: LedgerProtocol.Mutation, _ property: String) {
        breaks("ledger, \(mutation)", property, LedgerProtocol.system(mutation))
    }

    @Test func aSlotThatIsFreeBeforeItsCellsAreClearLosesPlaces() {
        breaks("ledger, slotFirst", LedgerProtocol.settled, LedgerProtocol.system(.slotFirst, Self.reuse))
    }

    /// A reading is not made at one moment. As many readings as there are requests to come between can be fooled; more
    /// cannot. That is why there are six, some time apart.
    @Test func readingsAreFooledOnlyByAsManyRequests() {
        func system(readings: Int) -> System {
            LedgerProtocol.system(
                nil,
                Self.shape {
                    $0.threads = 2
                    $0.readsWordByWord = true
                    $0.readings = readings
                })
        }
        breaks("ledger, two readings word by word, three requests", LedgerProtocol.limited, system(readings: 2))
        holds("ledger, three readings word by word, three requests", system(readings: 3))
    }
}
