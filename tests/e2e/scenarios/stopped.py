"""Old's brokers are stopped (SIGSTOP) with Produce requests in their sockets, and woken again."""

import signal

from client import progress
from fault_scene import ABORTED, PARTITIONS, Relayed
from wait import wait_for


class Stopped(Relayed):
    """What stands in the sockets of stopped brokers is executed when they wake, though the links it came on have ended
    (rules A1), and its clients, who sleep, know nothing of it. No cut passes while the brokers are stopped; the next is
    tried as soon as they wake, while they execute it.
    """

    name, number = "stopped", 35

    def disturb(self):
        self.signal(signal.SIGSTOP)
        try:
            sent = self.relay.watch("Produce")  # what passes goes into the sockets of the stopped
            sent.wait(2 * len(self.kinds))
            for client in self.proxied():
                client.process.send_signal(signal.SIGSTOP)
            ended = self.relay.cut("fin")
            code, answer = self.command("cut")
        finally:
            self.signal(signal.SIGCONT)
        refused = f"exit {code}: {answer.get('reason') or answer.get('error', {}).get('message')}"
        self.line(code != 0, "stopped cut", f"{sent.hits} Produce in their sockets, {ended} links cut; {refused}")
        first, answer = wait_for("old to be reached again", self.reached, 60)
        at_once = f"exit {first}: {answer.get('reason') or 'moved'}"
        executed = wait_for("what stood in the sockets", self.executed, 60)
        for client in self.proxied():
            client.process.send_signal(signal.SIGCONT)
        reasons = self.until_moved("cut")
        progress(self.clients.values(), PARTITIONS)
        self.line(
            first in (0, ABORTED), "stopped woken",
            f"a cut at once: {at_once}; {executed} records executed that nobody was told of; with their clients awake: "
            f"{reasons or 'moved'}",
        )  # fmt: skip
        self.row(
            "cut", "S1 to S5",
            f"all brokers of old stopped (SIGSTOP) with {sent.hits} Produce in their sockets, {ended} links cut, the clients "
            "asleep; woken while cuts are tried",
            f"stopped: {refused}; woken: {at_once}; {executed} records were executed unanswered; clients awake: moved",
        )  # fmt: skip

    def executed(self):
        """How many records of the sleeping clients old has that they do not know to be there."""
        there = self.stored(self.pair.old)
        return sum(len(self.untold(c, there)) for c in self.proxied())

    def signal(self, number):
        """To the brokers of old, which this run has started."""
        for node in self.pair.old.ids:
            self.pair.old.programs[f"broker-{node}"].process.send_signal(number)

    def as_good(self, proxied, control):
        """Coordinators were stopped too: the same allowance as for their deaths."""
        return proxied.survives(control)
