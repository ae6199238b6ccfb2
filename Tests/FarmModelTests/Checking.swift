import FarmModel
import Foundation
import Testing

/// With FARM_MODEL_PRINT=1, as `make model` sets it, each run says what it has found.
private let prints = ProcessInfo.processInfo.environment["FARM_MODEL_PRINT"] != nil

private func say(_ name: String, _ findings: Findings, _ took: Duration) {
    guard prints else { return }
    let states = "\(findings.states) states, \(findings.steps) steps, \(took)"
    print("model: \(name): \(states)\n\(findings.counterexample?.description ?? "  everything holds")")
}

private func explored(_ name: String, _ system: System) -> Findings {
    var findings = Findings()
    let took = ContinuousClock().measure { findings = system.explore() }
    say(name, findings, took)
    return findings
}

/// Every order of steps keeps every property.
func holds(_ name: String, _ system: System, _ location: SourceLocation = #_sourceLocation) {
    let findings = explored(name, system)
    #expect(findings.counterexample == nil, "\(findings.counterexample?.description ?? "")", sourceLocation: location)
}

/// Some order of steps breaks the property, and none shorter breaks another.
func breaks(_ name: String, _ property: String, _ system: System, _ location: SourceLocation = #_sourceLocation) {
    let findings = explored(name, system)
    #expect(
        findings.counterexample?.property == property, "\(findings.counterexample?.description ?? "nothing is broken")",
        sourceLocation: location)
}

/// The shape of a run of ChoiceProtocol, where it is not the usual one.
func shape(_ change: (inout ChoiceProtocol.Shape) -> Void) -> ChoiceProtocol.Shape {
    var shape = ChoiceProtocol.Shape()
    change(&shape)
    return shape
}
