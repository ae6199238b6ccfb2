import FarmCore

// Enums without payload are arguments of parameterised tests, which want them Sendable; the module itself never does.
extension Algorithm: @unchecked Sendable {}
extension Admin: @unchecked Sendable {}
extension HealthVerdict: @unchecked Sendable {}
extension UpdateRefusal.Kind: @unchecked Sendable {}
extension Condition: @unchecked Sendable {}
extension ChangeRefusal.Kind: @unchecked Sendable {}
extension MomentText: @unchecked Sendable {}
extension PassiveHealth.Asker: @unchecked Sendable {}
extension ConditionWatch.Line: @unchecked Sendable {}
extension Wish.Trials: @unchecked Sendable {}
extension PassiveHealth.Failure: @unchecked Sendable {}
