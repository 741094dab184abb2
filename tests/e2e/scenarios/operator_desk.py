"""shuntctl as a process: watched until it waits for its answer, killed; the daemon or brokers asleep meanwhile. And where
things stand, as far as an operator's commands change it.
"""

import json
import signal
import subprocess
from contextlib import contextmanager
from pathlib import Path

from sidecar import CTL
from wait import wait_for

POLL = "7"  # the system call in which shuntctl waits for the answer
BRIEF = 0.01  # seconds between looks, where what is looked for does not last


@contextmanager
def asleep(*processes):
    """They run no further, and go on afterwards."""
    for process in processes:
        process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        for process in processes:
            process.send_signal(signal.SIGCONT)


def brokers(cluster):
    return [cluster.programs[f"broker-{node}"].process for node in cluster.ids]


class Command:
    """A shuntctl that runs."""

    def __init__(self, shunt, words):
        self.shunt = shunt
        self.process = subprocess.Popen(
            [str(CTL), "--socket", str(shunt.socket), "-o", "json", *words],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        )  # fmt: skip

    def asked(self):
        """It has sent its question and waits for the answer."""
        there = self.process.poll() is None
        return there and Path(f"/proc/{self.process.pid}/syscall").read_text().split()[0] == POLL

    def kill(self):
        """Whether it was still there."""
        there = self.process.poll() is None
        self.process.kill()
        self.process.communicate()
        return there

    def over(self):
        """The daemon's log has how it ended (contract.md: the event `command`)."""
        log = self.shunt.program.log.read_text(errors="replace")
        return any(" command " in line and f"pid={self.process.pid}\"" in line for line in log.splitlines())

    def ends(self):
        """(exit code, its answer)"""
        out, _ = self.process.communicate(timeout=60)
        return self.process.returncode, json.loads(out)


class Stands:
    """Where a topic's migration stands."""

    def __init__(self, shunt):
        self.shunt, self.names = shunt, {}  # the migration that a topic was first seen in

    def ask(self, *words):
        code, answer = self.shunt.ctl(*words)
        if code:
            raise RuntimeError(f"shuntctl {' '.join(words)}: exit {code}: {answer}")
        return answer

    def migration(self, topic):
        """As `status` has it; None while the topic is in none."""
        if topic not in self.names:
            name = {t["topic"]: t["migration"] for t in self.ask("topics")["topics"]}[topic]
            if name is None:
                return None
            self.names[topic] = name
        return self.ask("status", "--migration", self.names[topic])["migration"]

    def of(self, topic, groups):
        """Its migration and state; its moves that count, in order; where it is produced to; which of the groups read new."""
        seen = self.migration(topic) or {"id": None, "state": None, "moves": []}
        produce = {t["topic"]: t["produce"] for t in self.ask("topics")["topics"]}
        fetch = {g["group"]: g["fetch"] for g in self.ask("groups")["groups"]}
        counts = [m for m in seen["moves"] if not (m["undone"] or m["aborted_at"] or m.get("undoes"))]
        return {
            "migration": seen["id"],
            "state": "open" if seen["state"] in ("started", "moving") else seen["state"],
            "moves": [f"{m['kind']} to {m['to']}" for m in counts],
            "produce": produce[topic],
            "at_new": sorted(g for g in groups if fetch.get(g) == "new"),
        }

    def at_rest(self, topic):
        wait_for("no step to run", lambda: not (seen := self.migration(topic)) or seen["step"] is None, 30)

    def state(self, topic):
        return self.migration(topic)["state"]
