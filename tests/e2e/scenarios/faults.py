"""The cut under faults, with clients at work: the daemon dies at each step of a cut and of its undo and is started again;
answers of old are lost around the hold; old executes what it was sent only after its links have ended (zombies); the
journal is lost and rebuilt from what both clusters keep.
"""

import shutil
import signal
import time

import journal
from client import progress
from cluster import REPO
from history import all_polled, judge
from migrate import Evidence, Migration, NotDone, create_on_both, seams, segments
from operate import create_topics
from relay_control import Relay
from wait import wait_for

KINDS, PARTITIONS, RATE = ("java", "librdkafka"), 4, 40
STEPS = ("S1", "S2", "S3", "S4", "S5", "S6", "S7")
WAYS = {"cut": ("old", "new"), "undo": ("new", "old")}
TABLE = REPO / "tests" / "FAULTS.md"
UNREACHABLE, ABORTED, BLOCKED = 6, 4, 3  # exit codes of shuntctl
LOST = 20  # answers to Produce
rows = {}  # of all pairs: (pair, way, step) -> words


def run(pair, report):
    steps = STEPS if pair.everything else ("S4", "S5")
    ways = WAYS if pair.everything else ("cut",)
    scenes = Deaths(pair, report, ways, steps), LostAnswers(pair, report), Zombies(pair, report)
    for scene in (*scenes, LostJournal(pair, report)):
        scene.guarded()
    if pair.everything:
        write_table()


class Scene:
    """Clients of two libraries on a topic each, at a daemon of their own; controls directly at old."""

    name, number = "faults", 30

    def __init__(self, pair, report):
        self.pair, self.report = pair, report
        self.topics = {
            (kind, side): f"{self.name}-{pair.old.version}-{kind}-{side}"
            for kind in KINDS
            for side in ("proxied", "direct")
        }
        self.clients, self.migration = {}, None

    def guarded(self):
        self.shunt = self.make_shunt()
        try:
            self.report.guard(
                "faults", self.pair.name, self.name, self.run, lambda: self.clients.values(), self.shunt
            )
        finally:
            for client in self.clients.values():
                client.end()
            self.shunt.kill()

    def make_shunt(self):
        return self.pair.own_shunt(self.name, self.number, level="debug")

    def line(self, ok, who, text):
        return self.report.line(ok, "faults", self.pair.name, who, text)

    def proxied(self):
        return [c for (_, side), c in self.clients.items() if side == "proxied"]

    def start(self):
        own = [self.topics[kind, "proxied"] for kind in KINDS]
        create_on_both(self.pair, own, PARTITIONS)
        create_topics(self.pair.old, [self.topics[kind, "direct"] for kind in KINDS], PARTITIONS)
        self.shunt.start()
        for (kind, side), topic in self.topics.items():
            self.clients[kind, side] = self.pair.client(
                kind, side, self.name, self.shunt, roles="produce,consume", topic=topic, group=topic,
                partitions=PARTITIONS, rate=RATE,
            )  # fmt: skip
        progress(self.clients.values(), PARTITIONS)
        self.migration = Migration(self.shunt, own)

    def command(self, way, *flags):
        """Moves production one way; returns (exit code, answer or {})."""
        try:
            return 0, self.migration.undo(*flags) if way == "undo" else self.migration.move("new", *flags)
        except NotDone as refused:
            return refused.code, refused.answer

    def unhindered(self, way):
        """The same; a blocker is a failure, then it goes on over it."""
        code, answer = self.command(way)
        if code == BLOCKED:
            self.line(False, f"{self.name} {way}", f"blocked: {answer['error']['message']}")
            code, answer = self.command(way, "--accept-stragglers")
        return code, answer

    def finish(self):
        for client in self.clients.values():
            client.quiet()
        for client in self.clients.values():
            client.wait("all records polled", lambda c: all_polled([c]), 60)
        for client in self.clients.values():
            client.stop()

    def judge(self, killed=(), moves=None):
        """`moves`: as told to the operator; the journal's own where it has them all."""
        sealed = segments(moves or journal.moves(self.shunt.folder / "journal"))
        groups = [self.topics[kind, "proxied"] for kind in KINDS]
        evidence = Evidence(
            self.pair, self.pair.folder / self.name, list(self.topics.values()), groups, sealed
        )
        for kind in KINDS:
            proxied, direct = (self.clients[kind, side] for side in ("proxied", "direct"))
            verdicts = judge([proxied], outages=killed), judge([direct])
            self.report.compare(
                "faults", self.pair.name, f"{self.name} {kind}", *verdicts,
                verdicts[0].as_good_as(verdicts[1]),
            )  # fmt: skip
            found = evidence.check([proxied], self.topics[kind, "proxied"])
            self.line(
                found.clean, f"{self.name} {kind}",
                f"in both clusters: {found.found() or 'as sent'}, {found.totals['records_in_old']} "
                f"records in old, {found.totals['records_in_new']} in new"
                + ("" if found.clean else f"\n{found}"),
            )  # fmt: skip


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
        rows[self.pair.name, way, step] = words = (
            f"exit {told}", f"{outcome}, production at {'+'.join(sorted(where))}", repeated,
            "clients go on" if ok else "WRONG",
        )  # fmt: skip
        self.line(ok, f"{way} {step}", " | ".join(words) + f"; status: {last}")

    def where(self):
        """Where the migration's topics are produced to."""
        topics = self.migration.ask("topics")["topics"]
        return {t["produce"] for t in topics if t["topic"] in self.migration.topics}


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
        outage = begin, time.time()
        progress(self.clients.values(), PARTITIONS)
        after = self.seams()
        self.line(after == before, "journal seams", f"as before the loss: {after == before}, {len(after)} partitions")
        # A new journal cannot know which producers have come through here (their last batches are in the log).
        self.expect("undo", "--accept-stragglers")
        progress(self.clients.values(), PARTITIONS)
        self.expect("cut")
        progress(self.clients.values(), PARTITIONS)
        self.finish()
        self.judge([outage], self.migration.moves)

    def expect(self, way, *flags):
        code, answer = self.command(way, *flags)
        if code != 0:
            raise RuntimeError(f"{way}: exit {code}: {answer}")

    def seams(self):
        return seams(self.shunt.ctl("verify")[1]["partitions"])  # positions may differ while clients read

    def kept(self):
        log = self.shunt.program.log.read_text(errors="replace")
        return log.count(" seams.kept ") >= 2


def write_table():
    lines = [
        "# Faults in the cut",
        "",
        "Written by `tests/e2e/run --all`, scenario `faults`: two libraries produce and consume, the daemon ends by SIGKILL",
        "when a step has been reached and its record is written, and is started again; then the command is repeated. Nothing",
        "is lost, repeated or misplaced by the clients' words and in both clusters' logs.",
        "",
        "| clusters | move | dies at | the command | after the start | repeated, it | |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    lines += [f"| {' | '.join((*place, *words))} |" for place, words in sorted(rows.items())]
    TABLE.write_text("\n".join(lines) + "\n")


class Relayed(Scene):
    """With the relay between the daemon and old."""

    def make_shunt(self):
        self.relay = Relay(self.pair.old, self.pair.folder / f"relay-{self.name}")
        return self.pair.own_shunt(self.name, self.number, old=self.relay.bootstrap, level="debug")

    def run(self):
        with self.relay:
            self.start()
            self.disturb()
            self.finish()
            self.shunt.drain()
        self.judge()

    def until_moved(self, way, tries=6):
        """Repeats a command that was rolled back, as an operator would; returns the reasons."""
        reasons = []
        for _ in range(tries):
            code, answer = self.unhindered(way)
            if code == 0:
                return reasons
            if code != ABORTED:
                raise RuntimeError(f"{way}: exit {code}: {answer}")
            reasons.append(f"{answer['aborted_at']}: {answer['reason']}")
            progress(self.proxied(), PARTITIONS)
        raise RuntimeError(f"{way} did not come about: {reasons}")


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
        code, answer = self.command("cut")
        self.line(code == 0, "zombies executed", f"exit {code}: {answer.get('reason') or 'moved'}")
        for client in self.proxied():
            client.process.send_signal(signal.SIGCONT)
        progress(self.proxied(), PARTITIONS)
        reasons = self.until_moved("cut")
        self.line(not reasons, "zombies awake", f"sent again: moved, rolled back: {reasons or 'never'}")

    def reached(self):
        """The cut's outcome once the daemon itself has links to old again, which ended too."""
        code, answer = self.command("cut")
        away = code == BLOCKED and answer["error"]["message"].startswith("net.reach")
        return None if away else (code, answer)

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
