// swift-tools-version: 6.2
import PackageDescription

// FARM_EMBEDDED chooses the build of the module: Embedded Swift, release, one archive. Without it the same sources are
// built in the ordinary mode, for tests and tools. The Makefile sets it; see docs/internals.md.
let embedded = Context.environment["FARM_EMBEDDED"] != nil
// FARM_KILLS: the program of `make chaos-kills`, and what it needs.
let kills = Context.environment["FARM_KILLS"] != nil

let settings: [SwiftSetting] =
    [
        .swiftLanguageMode(.v6),
        .treatAllWarnings(as: .error),
    ] + (embedded ? [.enableExperimentalFeature("Embedded"), .unsafeFlags(["-wmo", "-Xcc", "-fPIC"])] : [])

var targets: [Target] = [
    .systemLibrary(name: "CFarm", path: "CShim/include"),
    .systemLibrary(name: "CAPR"),
    .target(name: "FarmCore", dependencies: ["CFarm"], swiftSettings: settings),
    .target(name: "FarmTables", dependencies: ["FarmCore", "CFarm", "CAPR"], swiftSettings: settings),
    .target(name: "FarmModule", dependencies: ["FarmTables", "FarmCore", "CFarm"], swiftSettings: settings),
]

if kills {
    targets += [
        .systemLibrary(name: "CCrypto", path: "Tests/CCrypto"),
        .target(
            name: "FarmTestSupport", dependencies: ["FarmCore", "CFarm", "CAPR", "CCrypto"],
            path: "Tests/FarmTestSupport", swiftSettings: settings),
        .target(
            name: "CKills", path: "Tests/chaos/kills/CKills",
            cSettings: [.unsafeFlags(["-Wall", "-Wextra", "-Werror"])]),
        .executableTarget(
            name: "farmkills", dependencies: ["FarmTables", "FarmCore", "FarmTestSupport", "CKills", "CFarm", "CAPR"],
            path: "Tests/chaos/kills", exclude: ["CKills"],
            swiftSettings: settings, linkerSettings: [.linkedLibrary("apr-1")]),
    ]
} else if !embedded {
    targets += [
        .target(name: "FarmSimulator", dependencies: ["FarmCore", "CFarm"], swiftSettings: settings),
        .executableTarget(
            name: "farmsim",
            dependencies: ["FarmSimulator", .product(name: "ArgumentParser", package: "swift-argument-parser")],
            swiftSettings: settings),
        .systemLibrary(name: "CCrypto", path: "Tests/CCrypto"),
        .target(
            name: "FarmTestSupport", dependencies: ["FarmCore", "CFarm", "CAPR", "CCrypto"],
            path: "Tests/FarmTestSupport", swiftSettings: settings),
        .testTarget(
            name: "FarmCoreTests", dependencies: ["FarmCore", "FarmTestSupport", "CFarm"], swiftSettings: settings),
        .testTarget(
            name: "FarmTablesTests", dependencies: ["FarmTables", "FarmCore", "FarmTestSupport", "CFarm", "CAPR"],
            swiftSettings: settings, linkerSettings: [.linkedLibrary("apr-1")]),
        .testTarget(
            name: "FarmModuleTests", dependencies: ["FarmModule", "FarmTestSupport", "CFarm", "CAPR"],
            swiftSettings: settings, linkerSettings: [.linkedLibrary("apr-1")]),
        .testTarget(
            name: "FarmSimulatorTests",
            dependencies: [
                "FarmSimulator", "farmsim", "FarmCore",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ],
            swiftSettings: settings),
    ]
}

// The module itself depends on no package.
let dependencies: [Package.Dependency] =
    embedded || kills ? [] : [.package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.0")]

let package = Package(
    name: "mod_proxy_farm",
    products: [.library(name: "FarmModule", type: .static, targets: ["FarmModule"])],
    dependencies: dependencies,
    targets: targets
)
