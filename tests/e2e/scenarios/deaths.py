"""The daemon dies at each step of a cut and of its undo, with clients at work, and is started again."""

import time

from client import progress
from fault_scene import PARTITIONS, UNREACHABLE, Scene
from wait import wait_for

STEPS = ("S1", "S2", "S3", "S4", "S5", "S6", "S7")
WAYS = {"cut": ("old", "new"), "undo": ("new", "old")}


class Deaths(Scene):
    """The daemon dies when a step has been reached and its record written; it is started again, the command repeated."""

    name, number = "deaths", 30

    def __init__(self, pair, report, ways, steps):
        super().__init__(pair, report)
        self.ways, self.steps, self.killed = ways, steps, []

    def run(self):
        self.start()
        for step in self.steps:
            for way in WAYS:
                if way in self.ways:
                    self.die(way, step)
                else:  # back to where the next one begins
                    self.unhindered(way)
        self.finish()
        self.judge(self.killed)

    def die(self, way, step):
        source, target = WAYS[way]
        begin = time.time()
        self.shunt.drain()
        self.shunt.start(SHUNT_DIE_AT=step)
        progress(self.proxied(), PARTITIONS)
        told, _ = self.unhindered(way)
        wait_for("the daemon's death", lambda: not self.shunt.program.alive(), 20)
        self.shunt.start()
        self.killed.append((begin, time.time()))
        last, where = self.migration.status()["moves"][-1], self.where()
        progress(self.proxied(), PARTITIONS)
        again, answer = self.unhindered(way)
        nothing = again == 0 and not answer.get("changed")
        progress(self.proxied(), PARTITIONS)
        there = self.where()
        before = step < "S5"
        outcome = "rolled back" if last["aborted_at"] else "completed"
        ok = (
            told == UNREACHABLE
            and where == ({source} if before else {target})
            and outcome == ("rolled back" if before else "completed")
            and there == {target}
            and (again == 0 and answer["changed"] if before else nothing)
        )
        repeated = "moves" if again == 0 and answer.get("changed") else f"has nothing to do (exit {again})"
        words = (
            f"the command: exit {told}; after the start: {outcome}, production at {'+'.join(sorted(where))}; the command "
            f"again {repeated}; {'clients go on' if ok else 'WRONG'}"
        )
        self.row(way, step, "SIGKILL of the daemon when the step's record is written, started again", words)
        self.line(ok, f"{way} {step}", f"{words}; status: {last}")

    def where(self):
        """Where the migration's topics are produced to."""
        topics = self.migration.ask("topics")["topics"]
        return {t["produce"] for t in topics if t["topic"] in self.migration.topics}
