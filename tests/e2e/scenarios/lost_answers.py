"""Answers of old are lost around the hold."""

import time

from client import progress
from fault_scene import PARTITIONS, Relayed
from wait import wait_for

LOST, BEFORE = 20, 3  # answers to Produce: around one move; those that must be lost on one side of it
LOST_WITH_ALL, BEFORE_WITH_ALL, TOTAL_WITH_ALL = 30, 12, 1000


class LostAnswers(Relayed):
    """Every second answer of old to Produce is lost, with its connection, while production goes to new, back and again."""

    name, number = "lost", 31

    def __init__(self, pair, report):
        if pair.everything:
            self.kinds = (*self.kinds, "franz-go")
        super().__init__(pair, report)
        self.faults, self.rolled_back = [], 0  # a fault for each move

    def disturb(self):
        if self.pair.everything:
            while self.lost() < TOTAL_WITH_ALL:
                self.lose("cut", LOST_WITH_ALL, BEFORE_WITH_ALL)
                self.lose("undo", LOST_WITH_ALL, LOST_WITH_ALL)
        else:
            for way in ("cut", "undo", "cut"):
                self.lose(way, LOST, BEFORE)
        wait_for("the connections of all that were lost to end", lambda: self.lost() == self.dropped(), 10)
        lost, moves = self.lost(), len(self.faults)
        stands = f"{lost} answers to Produce lost, each with its connection, around S3 of {moves} moves"
        outcome = f"all {moves} came about; {self.rolled_back} cuts were rolled back before, and repeated"
        self.row("cut, undo, ...", "S1 to S7", stands, outcome)
        least = TOTAL_WITH_ALL if self.pair.everything else 3 * BEFORE
        self.line(lost >= least, "lost in all", f"{stands}; {self.rolled_back} cuts rolled back before they came about")

    def lost(self):
        return sum(fault.hits for fault in self.faults)

    def dropped(self):
        """The same by the relay's statistics."""
        return sum(way["answers"]["dropped"].get("Produce", 0) for way in self.relay.stats().values())

    def lose(self, way, count, before):
        begin = time.monotonic()
        lost = self.relay.drop_answer("Produce", n=1, every=2, count=count)
        if way == "cut":  # production is at old: some are lost before the hold
            lost.wait(before)
        reasons = self.until_moved(way)
        if way == "undo":
            lost.wait(before)
        lost.restore()
        hits = lost.hits
        self.faults.append(lost)
        self.rolled_back += len(reasons)
        progress(self.proxied(), PARTITIONS)
        self.line(
            hits >= before, f"lost {way}",
            f"{hits} answers lost, moved after {time.monotonic() - begin:.1f} s, rolled back: {reasons or 'never'}",
        )  # fmt: skip
