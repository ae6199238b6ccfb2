/// Requests and members that break: what the rules of health make of them.
extension Scenarios {
    static let poison = Scenario(
        "poison", "one request of a hundred breaks each member that it meets, four balancers", members: members(10),
        balancers: 4, arrivals: .poisson(rate(members(10), utilisation: 0.6)), duration: seconds(120),
        measuredFrom: seconds(10), poison: 0.01)

    static let broken: Scenario = {
        var all = members(10)
        for at in all.indices {
            all[at].disturbances = [Disturbance(from: seconds(40), until: seconds(70), .close(after: milliseconds(1)))]
        }
        return Scenario(
            "broken", "all ten close each connection for 30 s, four balancers", members: all, balancers: 4,
            arrivals: .poisson(rate(members(10), utilisation: 0.6)), duration: seconds(120), measuredFrom: seconds(10))
    }()

    /// Each member is away for five seconds: one after the other, a second apart, or all of them in the same five.
    static let restarts: [Scenario] = [("rolling", 6.0), ("at-once", 0)].map { name, apart in
        var all = members(10)
        for at in all.indices {
            let from = seconds(30 + apart * Double(at))
            all[at].disturbances = [Disturbance(from: from, until: from + seconds(5), .refuse)]
        }
        return Scenario(
            "restart-\(name)",
            "ten members refuse for 5 s, " + (apart > 0 ? "one after the other" : "all of them together")
                + ", four balancers",
            members: all, balancers: 4, arrivals: .poisson(rate(members(10), utilisation: 0.6)), duration: seconds(120),
            measuredFrom: seconds(10))
    }
}
