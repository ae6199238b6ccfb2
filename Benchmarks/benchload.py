"""Members and load in C: many members that answer at once, and the runs of a client against a server."""

import subprocess

from benchhttpd import HERE, Client, addresses, end_process, free_port

A_PROCESS = 250                         # members: a process has not files enough for the kept connections of all
SLOTS = 256                             # requests at a time at one member: more than clients have
CLOSED = 0                              # the rate of a closed loop


def compiled(folder):
    """The members and the client, of this folder's C."""
    for name in ("benchmembers", "benchclient"):
        subprocess.run(["gcc", "-O2", "-std=gnu11", "-Wall", "-Wextra", "-o", folder / name, HERE / f"{name}.c", "-lm"],
                       check=True)


class QuickMembers:
    """Members at addresses of their own, so that each is one of its own for every proxy, all with the same port."""

    def __init__(self, folder, count, seconds, under=()):
        where = addresses(count)
        self.port = free_port(where)
        self.urls = [f"http://{address}:{self.port}" for address in where]
        self.controls, self.processes = [], []
        try:
            for first in range(0, count, A_PROCESS):
                some = where[first:first + A_PROCESS]
                process = subprocess.Popen(
                    [*under, folder / "benchmembers", str(self.port), "0", str(seconds), "0",
                     *(f"{one}={SLOTS}" for one in some)],
                    stdout=subprocess.PIPE, text=True)
                self.processes.append(process)
                if process.stdout.readline().strip() != "ready":
                    raise SystemExit("the members did not start")
                self.controls.append(Client(self.port, some[0]))
        except BaseException:
            self.stop()
            raise

    def counts(self):
        """(connections, requests) so far."""
        told = [[int(word) for word in control.get("/counts")[1].split()] for control in self.controls]
        return sum(one[0] - 1 for one in told), sum(one[1] for one in told)

    def stop(self):
        for control in self.controls:
            control.close()
        for process in self.processes:
            end_process(process)
            process.stdout.close()


class Run:
    """What the client saw: of `seconds` against a port, at a fixed rate or, with CLOSED, as fast as it goes, on so many
    connections at most."""

    def __init__(self, folder, port, rate, seconds, connections, under=()):
        said = subprocess.run([*under, folder / "benchclient", str(port), str(rate), str(seconds), "0", str(connections)],
                              capture_output=True, text=True, timeout=seconds + 60)
        if said.returncode:
            raise SystemExit(f"the client failed: {said.stderr}")
        numbers = [int(word) for word in said.stdout.split()]
        self.answered, self.wrong, self.unanswered, self.p50, self.p99 = numbers[:5]
        self.opened = numbers[-1]       # connections of the client
        self.seconds = seconds
