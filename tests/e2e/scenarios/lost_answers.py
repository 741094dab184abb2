"""Answers of old are lost around the hold."""

import time

from client import progress
from fault_scene import PARTITIONS, Relayed

LOST = 20  # answers to Produce


class LostAnswers(Relayed):
    """Every second answer of old to Produce is lost, with its connection, while production goes to new, back and again."""

    name, number = "lost", 31

    def disturb(self):
        for way in ("cut", "undo", "cut"):
            begin = time.monotonic()
            lost = self.relay.drop_answer("Produce", n=1, every=2, count=LOST)
            if way == "cut":  # production is at old: some are lost before the hold
                lost.wait(3)
            reasons = self.until_moved(way)
            if way == "undo":
                lost.wait(3)
            hits = lost.hits
            lost.restore()
            progress(self.proxied(), PARTITIONS)
            self.line(
                hits >= 3, f"lost {way}",
                f"{hits} answers lost, moved after {time.monotonic() - begin:.1f} s, rolled back: {reasons or 'never'}",
            )  # fmt: skip
