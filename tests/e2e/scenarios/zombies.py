"""Old executes what it was sent only after its links have ended."""

import signal

from client import progress
from fault_scene import ABORTED, PARTITIONS, Relayed
from wait import wait_for


class Zombies(Relayed):
    """Produce requests stand before old when their links end, and their clients sleep: nobody asks for them again. A cut
    must not pass them while old may still execute them. Once they stand in its log they are known: a cut passes, and what
    the clients send again is answered from the seam, never written twice.
    """

    name, number = "zombies", 32

    def disturb(self):
        arrived = self.relay.watch("Produce", when="arrived")
        held = self.relay.half_open("requests", "Produce")
        arrived.wait(4)
        for client in self.proxied():
            client.process.send_signal(signal.SIGSTOP)
        self.relay.cut("zombie")
        self.refused("not executed")
        passed = self.relay.watch("Produce")
        held.restore()
        passed.wait(1)
        code, answer = wait_for("old to be reached still", self.reached, 20)
        self.line(code == 0, "zombies executed", f"exit {code}: {answer.get('reason') or 'moved'}")
        self.row(
            "cut", "S3, S4", "Produce requests stand before old, their links end, their clients sleep; executed later",
            f"before: exit {ABORTED}, rolled back at S4 naming partition and client; once executed: exit {code}",
        )  # fmt: skip
        for client in self.proxied():
            client.process.send_signal(signal.SIGCONT)
        progress(self.proxied(), PARTITIONS)
        reasons = self.until_moved("cut")
        self.line(not reasons, "zombies awake", f"sent again: moved, rolled back: {reasons or 'never'}")

    def refused(self, what):
        """The cut is rolled back and says whose batch, and where, is in its way."""
        code, answer = wait_for("old to be reached again", self.reached, 20)
        reason = str(answer.get("reason"))
        named = any(t in reason for t in self.migration.topics)
        named = named and any(c.name in reason for c in self.proxied())
        self.line(
            code == ABORTED and named, f"zombies {what}",
            f"exit {code} at {answer.get('aborted_at')}: {reason}",
        )  # fmt: skip
