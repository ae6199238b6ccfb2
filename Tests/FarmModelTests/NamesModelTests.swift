import FarmModel
import Testing

@Suite struct NamesModelTests {
    @Test(arguments: [false, true])
    func aNameIsFoundWholeAndHasOneNumber(same: Bool) {
        holds("names, \(same ? "the same" : "two"), a death", NamesProtocol.system(same: same, deaths: 1))
        holds("names, \(same ? "the same" : "two")", NamesProtocol.system(same: same, deaths: 0))
    }

    @Test(
        arguments: [
            (.indexFirst, NamesProtocol.whole), (.relaxedIndex, NamesProtocol.whole),
            (.noLock, NamesProtocol.different),
        ] as [(NamesProtocol.Mutation, String)])
    func withoutAPartItBreaks(_ mutation: NamesProtocol.Mutation, _ property: String) {
        breaks("names, \(mutation)", property, NamesProtocol.system(mutation, same: true, deaths: 0))
    }
}
