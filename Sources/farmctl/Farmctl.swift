import ArgumentParser
import FarmControl

@main
struct Farmctl: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "farmctl", abstract: "Shows and changes the farms of an Apache httpd with mod_proxy_farm.",
        version: "0.1.0",
        subcommands: [
            Status.self, Push.self, On.self, Drain.self, Off.self, Up.self, Down.self, Weight.self, Balance.self,
            AgentCommand.self, Check.self, Cookie.self,
        ])
}
