"""The journal is lost, and rebuilt from what both clusters keep."""

import shutil
import time

from client import progress
from fault_scene import PARTITIONS, Scene
from migrate import seams, segments
from wait import wait_for


class LostJournal(Scene):
    """The journal's folder is deleted after a cut: the daemon will not start without it, `shunt recover` makes it again
    of the seams on both clusters, and production goes back and forth over them.
    """

    name, number = "lost-journal", 33

    def run(self):
        self.start()
        self.expect("cut")
        progress(self.clients.values(), PARTITIONS)
        before = self.seams()
        wait_for("the seams on both clusters", self.kept, 20)
        begin = time.time()
        self.shunt.drain()
        shutil.rmtree(self.shunt.folder / "journal")
        try:
            self.shunt.start()
            refusal = ""
        except RuntimeError as ended:
            refusal = str(ended)
        self.line(
            "shunt recover -c" in refusal and f"of {self.topics['java', 'proxied']}" in refusal,
            "journal deleted", "start: " + (refusal.strip().splitlines() or ["it started"])[-1],
        )  # fmt: skip
        code, said = self.shunt.run("recover")
        self.line(code == 0, "journal rebuilt", f"exit {code}: " + (said.strip().splitlines() or [""])[-1])
        self.shunt.start()
        self.migration.move_groups()  # who may read new is not in what the clusters keep: all wait until told
        outage = begin, time.time()
        progress(self.clients.values(), PARTITIONS)
        after = self.seams()
        self.row(
            "cut, undo, cut", "after S7", "the journal's folder is deleted",
            f"the daemon refuses to start and names the topics; `shunt recover`: exit {code}; seams "
            f"{'as before' if after == before else 'CHANGED'}; undo and cut go over them",
        )  # fmt: skip
        self.line(after == before, "journal seams", f"as before the loss: {after == before}, {len(after)} partitions")
        # A new journal cannot know which producers have come through here (their last batches are in the log).
        self.migration.undo()  # of the groups' move
        self.expect("undo", "--accept-stragglers")
        progress(self.clients.values(), PARTITIONS)
        self.migration.move_groups()
        self.expect("cut")
        progress(self.clients.values(), PARTITIONS)
        self.finish()
        self.judge([outage], segments(self.migration.moves))

    def expect(self, way, *flags):
        code, answer = self.command(way, *flags)
        if code != 0:
            raise RuntimeError(f"{way}: exit {code}: {answer}")

    def seams(self):
        return seams(self.shunt.ctl("verify")[1]["partitions"])  # positions may differ while clients read

    def kept(self):
        log = self.shunt.program.log.read_text(errors="replace")
        return log.count(" seams.kept ") >= 2
