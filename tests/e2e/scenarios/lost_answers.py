"""Answers of old are lost around the hold."""

import time

from client import progress
from fault_scene import PARTITIONS, Relayed

LOST, BEFORE = 20, 3  # answers to Produce: around one move; those that must be lost on one side of it
LOST_WITH_ALL, BEFORE_WITH_ALL, TOTAL_WITH_ALL = 30, 12, 1000


class LostAnswers(Relayed):
    """Every second answer of old to Produce is lost, with its connection, while production goes to new, back and again."""

    name, number = "lost", 31

    def __init__(self, pair, report):
        if pair.everything:
            self.kinds = (*self.kinds, "franz-go")
        super().__init__(pair, report)
        self.lost = self.moves = self.rolled_back = 0

    def disturb(self):
        if self.pair.everything:
            while self.lost < TOTAL_WITH_ALL:
                self.lose("cut", LOST_WITH_ALL, BEFORE_WITH_ALL)
                self.lose("undo", LOST_WITH_ALL, LOST_WITH_ALL)
        else:
            for way in ("cut", "undo", "cut"):
                self.lose(way, LOST, BEFORE)
        dropped = sum(way["answers"]["dropped"].get("Produce", 0) for way in self.relay.stats().values())
        stands = f"{self.lost} answers to Produce lost, each with its connection, around S3 of {self.moves} moves"
        outcome = f"all {self.moves} came about; {self.rolled_back} cuts were rolled back before, and repeated"
        self.row("cut, undo, ...", "S1 to S7", stands, outcome)
        self.line(
            dropped == self.lost, "lost in all",
            f"{stands} (the relay counts {dropped}); {self.rolled_back} cuts rolled back before they moved",
        )  # fmt: skip

    def lose(self, way, count, before):
        begin = time.monotonic()
        lost = self.relay.drop_answer("Produce", n=1, every=2, count=count)
        if way == "cut":  # production is at old: some are lost before the hold
            lost.wait(before)
        reasons = self.until_moved(way)
        if way == "undo":
            lost.wait(before)
        hits = lost.hits
        lost.restore()
        progress(self.proxied(), PARTITIONS)
        self.lost, self.moves, self.rolled_back = self.lost + hits, self.moves + 1, self.rolled_back + len(reasons)
        self.line(
            hits >= before, f"lost {way}",
            f"{hits} answers lost, moved after {time.monotonic() - begin:.1f} s, rolled back: {reasons or 'never'}",
        )  # fmt: skip
