"""Those who give the commands, while clients run. shuntctl is killed (SIGKILL) in the middle of every command that changes
something: then all is as before or as it was to be, never between, and the command may be given again. And two operators
give each command at the same moment: one of them does it, the other is told so, nothing moves twice.
"""

from client import progress
from fault_scene import PARTITIONS, Scene
from history import judge
from operate import create_topics
from operator_desk import BRIEF, Command, Stands, asleep, brokers
from wait import wait_for

DONE, BLOCKED = 0, 3
FORTH, FETCH = "produce to new", "fetch to new"
FRESH = {"state": "open", "moves": [], "produce": "old", "at_new": []}


def run(pair, report):
    for scene in (Killed(pair, report), Doubled(pair, report)):
        scene.guarded()


class Reader:
    """A producer's words, and those of one that reads its topic in a group of its own."""

    def __init__(self, producer, reader):
        self.producer, self.reader = producer, reader

    def events(self, name):
        return (self.reader if name == "polled" else self.producer).events(name)


class Operated(Scene):
    """A topic with its client, and what the commands are given for."""

    scenario = "operators"

    def run(self):
        self.stands = Stands(self.shunt)
        self.idle = f"{self.name}-{self.pair.old.version}-idle"
        for cluster in (self.pair.old, self.pair.new):
            create_topics(cluster, [self.idle], 1)
        self.start_clients()
        self.topic, self.client = self.own()[0], self.clients[self.kinds[0], "proxied"]
        words = "plan", "--scheme", "1", "--topics", f"{self.topic},{self.idle}"
        wait_for("the daemon to know the topics", lambda: self.shunt.ctl(*words)[0] == DONE, 15)
        self.commands()
        self.finish()
        code = self.shunt.drain()
        self.line(code == 0, "SIGTERM", f"exit {code}")
        self.judge()

    def goes_on(self):
        progress([self.client], PARTITIONS)

    def named(self, words):
        """An undo that names its move asks at once; by itself shuntctl first looks which is the newest."""
        if words.split()[0] != "undo":
            return words
        moves = self.stands.migration(self.topic)["moves"]
        newest = [m["move"] for m in moves if not (m["undone"] or m["aborted_at"] or m.get("undoes"))][-1]
        return words.replace("undo", f"undo --move {newest}", 1)

    def at_seam(self):
        """The daemon looks at groups' positions every 5 s."""

        def drained():
            seen = {g["group"]: g for g in self.stands.ask("groups")["groups"]}[self.topic]
            return seen["fetch"] == "wait" and seen["drained"]

        wait_for(f"{self.topic} at the seam", drained, 30)


class Killed(Operated):
    """Commands whose shuntctl dies."""

    name, number, kinds = "killed", 48, ("librdkafka",)

    def commands(self):
        self.slow = self.pair.client(
            "kafka-python", "proxied", "killed-slow", self.shunt, roles="consume", topic=self.topic, group="killed-slow",
            partitions=PARTITIONS,
        )  # fmt: skip
        try:
            self.slow.wait("reads", lambda c: c.partitions() == PARTITIONS and c.events("polled"))
            self.groups = self.topic, "killed-slow"
            self.all()
            told = Reader(self.client.quiet(), self.slow)
            acked = {e["value"] for e in told.events("acked")}
            self.slow.wait("reads all", lambda c: acked <= {e["value"] for e in c.events("polled")})
            self.slow.stop()
            verdict = judge([told])
            self.line(verdict.clean(), "slow group", f"{verdict}")
        finally:
            self.slow.end()

    def all(self):
        old, new = brokers(self.pair.old), brokers(self.pair.new)
        self.start((), self.topic, "m1")
        self.start(old, self.idle, "m2")
        self.asked("pause", state="paused")
        self.asked("resume", state="open")
        self.asked("move produce", moves=[FORTH], produce="new")
        self.asked("undo", moves=[], produce="old")
        self.held("move produce", new, moves=[FORTH], produce="new")
        self.held("undo", old, moves=[], produce="old")
        with asleep(self.slow.process):
            self.goes_on()  # the slow group has some of it before the seam
            self.stands.ask("move", "produce", "--migration", "m1")
            self.at_seam()
            self.asked(f"move fetch --group {self.topic}", moves=[FORTH, FETCH], at_new=[self.topic])
            # Given again it would take back the move before: `undo` is of the newest that stands.
            self.asked("undo", again=None, moves=[FORTH], at_new=[])
            self.waiting(f"move fetch --group {self.groups[1]} --wait")
        self.again(f"move fetch --group {self.groups[1]} --wait", self.here())
        self.asked("move fetch --all", moves=[FORTH, FETCH, FETCH], at_new=sorted(self.groups))
        self.goes_on()
        self.handing_over()
        self.goes_on()

    # ---- one command -----------------------------------------------------------------------------------------------------
    def here(self):
        return self.stands.of(self.topic, self.groups)

    def start(self, sleepers, topic, name):
        """Given again it is refused: the topic is in the migration that was meant."""
        words = f"start --scheme 1 --topics {topic}"
        if sleepers:
            with asleep(*sleepers):
                command = Command(self.shunt, words.split())
                wait_for("shuntctl to wait", command.asked, 10, BRIEF)
                self.stands.ask("status")  # asked later, answered sooner
                there = command.kill()
        else:
            command, there = self.die_asked(words)
        wait_for(f"{words} to be over", command.over, 30)
        seen = self.stands.of(topic, ())
        due = FRESH | {"migration": name}
        code, answer = self.shunt.ctl(*words.split())
        refused = [(b["id"], name in b["reason"]) for b in answer.get("blockers", [])]
        ok = there and seen == due and code == BLOCKED and refused == [("topic.migration", True)]
        self.line(ok, "start", f"{'held, ' if sleepers else ''}killed: {seen}; again: exit {code}, {refused}")

    def die_asked(self, words):
        """It dies when it has asked a daemon that has not looked yet."""
        words = self.named(words)
        with asleep(self.shunt.program.process):
            command = Command(self.shunt, words.split())
            wait_for("shuntctl to wait", command.asked, 10, BRIEF)
            return command, command.kill()

    def asked(self, words, again=DONE, **due):
        before = self.here()
        command, there = self.die_asked(f"{words} --migration m1")
        self.check(words, "asked", command, there, before, again, due)

    def held(self, words, sleepers, again=DONE, **due):
        """It dies when the step has begun, which brokers that sleep hold up."""
        before = self.here()
        with asleep(*sleepers):
            command = Command(self.shunt, f"{words} --migration m1".split())
            wait_for(f"{words} to begin", lambda: self.stands.migration(self.topic)["step"], 10, BRIEF)
            there = command.kill()
        self.check(words, "held", command, there, before, again, due)

    def check(self, words, how, command, there, before, again, due):
        wait_for(f"{words} to be over", command.over, 30)
        self.stands.at_rest(self.topic)
        seen, due = self.here(), before | due
        what = "done" if seen == due else "as before" if seen == before else f"WRONG: {seen}, due {due}"
        self.line(there and seen in (before, due), words, f"{how}, killed{'' if there else ' TOO LATE'}: {what}")
        if again is not None:
            self.again(words, due)

    def again(self, words, due):
        was_due = self.here() == due
        code, answer = self.shunt.ctl(*words.split(), "--migration", "m1")
        seen = self.here()
        changed = (answer or {}).get("changed")
        ok = code == DONE and seen == due and changed in (None, not was_due)
        self.line(ok, words, f"again: exit {code}, changed {changed}, {'as it is to be' if seen == due else seen}")

    def waiting(self, words):
        """It dies while it waits for a group that has still to read what is before the seam."""
        due = self.here() | {"moves": [FORTH, FETCH], "at_new": [self.groups[1]]}
        command = Command(self.shunt, f"{words} --migration m1".split())
        wait_for("the group's way to be open", lambda: self.here() == due, 10)
        wait_for("shuntctl to wait", command.asked, 10, BRIEF)
        there = command.kill()
        self.line(there and self.here() == due, words, f"killed while it waits: {self.here()}")

    def handing_over(self):
        """It dies in the middle of the hand-over, which the daemon brings to its end."""
        due = self.here() | {"state": "finished"}
        command = Command(self.shunt, "finish --migration m1".split())
        wait_for("the hand-over to begin", lambda: self.stands.state(self.topic) != "moving", 20, BRIEF)
        began, there = self.stands.state(self.topic), command.kill()
        self.check("finish", f"at {began}", command, there, due, DONE, {})


class Doubled(Operated):
    """Commands that two give at the same moment."""

    name, number, kinds = "doubled", 49, ("kafka-python",)

    def commands(self):
        self.groups = (self.topic,)
        both = f"start --scheme 1 --topics {self.topic}"
        self.twice(both, {(DONE, None), (BLOCKED, "blocked")}, **FRESH, migration="m1")
        self.twice("pause", {(DONE, None)}, state="paused")
        self.twice("resume", {(DONE, None)}, state="open")
        self.moves("move produce", moves=[FORTH], produce="new")
        self.moves("undo", moves=[], produce="old")
        self.moves("move produce", moves=[FORTH], produce="new")
        self.at_seam()
        self.moves(f"move fetch --group {self.topic}", moves=[FORTH, FETCH], at_new=[self.topic])
        self.moves("undo", moves=[FORTH], at_new=[])  # of what both saw last, not of two moves
        self.stands.ask("move", "produce", "--migration", "m1")
        self.at_seam()
        self.moves("move fetch --all", moves=[FORTH, FETCH], at_new=[self.topic])
        self.goes_on()
        self.against_finish()
        self.goes_on()

    def here(self):
        return self.stands.of(self.topic, self.groups)

    def moves(self, words, **due):
        """One moves; the other finds a step that runs, or nothing to do."""
        self.twice(words, {(DONE, True), (DONE, False), (BLOCKED, "step_running")}, **due)

    def twice(self, words, may, **due):
        """The same of two, once done."""
        before = self.here()
        due = before | due
        told = self.at_once(words, words)
        seen = self.here()
        did = sum(one == (DONE, True) for one in told) if (DONE, True) in may else 1
        ok = seen == due and did == 1 and set(told) <= may and DONE in dict(told)
        self.line(ok, words.split(" --")[0], f"twice at once: {told}; {'once done' if seen == due else f'{seen}, due {due}'}")

    def against_finish(self):
        """Who comes first has it: what undo took back is not finished over, and a hand-over is not undone."""
        before = self.here()
        told = self.at_once(self.named("undo"), "finish")
        seen = self.here()
        ok = told[0] == (DONE, True) and told[1][0] == BLOCKED and seen == before | {"moves": [FORTH], "at_new": []}
        self.line(ok, "undo, finish", f"at once, in this order: {told}; {seen}")
        self.stands.ask("move", "fetch", "--all", "--wait", "--migration", "m1")
        self.goes_on()
        told = self.at_once("finish", self.named("undo"), "finish")
        seen = self.here()
        ok = told[0] == (DONE, None) and told[1][0] == BLOCKED and told[2] in ((DONE, None), (BLOCKED, "step_running"))
        self.line(
            ok and seen == before | {"moves": [FORTH, FETCH], "state": "finished"},
            "finish, undo, finish", f"at once, in this order: {told}; {seen}",
        )  # fmt: skip

    def at_once(self, *all_words):
        """All have asked, in this order, before the daemon looks: [(exit code, code of the error or `changed`)]"""
        to = ["--migration", "m1"] if self.here()["migration"] else []
        commands = []
        with asleep(self.shunt.program.process):
            for words in all_words:
                commands.append(Command(self.shunt, [*words.split(), *to]))
                wait_for("shuntctl to wait", commands[-1].asked, 10, BRIEF)
        told = []
        for command in commands:
            code, answer = command.ends()
            told.append((code, answer.get("error", {}).get("code", answer.get("changed"))))
        self.stands.at_rest(self.topic)
        return told
