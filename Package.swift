// swift-tools-version: 6.2
import PackageDescription

// FARM_EMBEDDED chooses the build of the module: Embedded Swift, release, one archive. Without it the same sources are
// built in the ordinary mode, for tests and tools. The Makefile sets it; see docs/internals.md.
let embedded = Context.environment["FARM_EMBEDDED"] != nil

// FARM_CTL adds farmctl and the HTTP client that it is built on, which take minutes to build and nothing else needs. What farmctl
// does is in FarmControl, which is always built and tested.
let control = Context.environment["FARM_CTL"] != nil

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

if !embedded {
    targets += [
        .target(name: "FarmControl", dependencies: ["FarmCore", "CFarm"], swiftSettings: settings),
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
            name: "FarmControlTests", dependencies: ["FarmControl", "FarmCore", "FarmTestSupport"],
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

if control {
    targets += [
        .systemLibrary(name: "CMac"),
        .executableTarget(
            name: "farmctl",
            dependencies: [
                "FarmControl", "CMac",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
                .product(name: "AsyncHTTPClient", package: "async-http-client"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
                .product(name: "NIOHTTP1", package: "swift-nio"),
                .product(name: "NIOSSL", package: "swift-nio-ssl"),
            ],
            swiftSettings: settings, linkerSettings: [.unsafeFlags(["-Xlinker", "-l:libcrypto.a"])]),
    ]
}

// FARM_BENCH adds the program that measures single parts; `make bench-choice` and `make bench-locks` set it.
if !embedded && Context.environment["FARM_BENCH"] != nil {
    targets += [
        .target(name: "CFarmBench"),
        .executableTarget(
            name: "farmbench",
            dependencies: [
                "FarmTables", "FarmCore", "CFarm", "CFarmBench", "CAPR",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ],
            swiftSettings: settings, linkerSettings: [.linkedLibrary("apr-1")]),
    ]
}

// FARM_KILLS adds the program of `make chaos-kills`.
if !embedded && Context.environment["FARM_KILLS"] != nil {
    targets += [
        .target(
            name: "CKills", path: "Tests/chaos/kills/CKills",
            cSettings: [.unsafeFlags(["-Wall", "-Wextra", "-Werror"])]),
        .executableTarget(
            name: "farmkills", dependencies: ["FarmTables", "FarmCore", "FarmTestSupport", "CKills", "CFarm", "CAPR"],
            path: "Tests/chaos/kills", exclude: ["CKills"],
            swiftSettings: settings, linkerSettings: [.linkedLibrary("apr-1")]),
    ]
}

// The module itself depends on no package.
var dependencies: [Package.Dependency] =
    embedded ? [] : [.package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.0")]
if control {
    dependencies += [
        .package(url: "https://github.com/swift-server/async-http-client", from: "1.37.0"),
        .package(url: "https://github.com/apple/swift-nio", from: "2.100.0"),
        .package(url: "https://github.com/apple/swift-nio-ssl", from: "2.30.0"),
    ]
}

let package = Package(
    name: "mod_proxy_farm",
    products: [.library(name: "FarmModule", type: .static, targets: ["FarmModule"])],
    dependencies: dependencies,
    targets: targets
)
