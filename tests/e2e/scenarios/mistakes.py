"""An operator's mistakes (mistake_cases.py), one by one, at a daemon with a live client: the exit code is right, cause and
remedy are named to people and to scripts, and nothing has moved.
"""

import json
import signal
import urllib.error
import urllib.request

import mistake_cases as cases
from history import all_polled, judge
from mistake_cases import GROUP, LIVE, OLD_ONLY, OTHER, OUTSIDE, PARTITIONS, SHAPE, TABLE
from mistake_desk import PERSON, SCRIPT, Desk
from operate import create_topics
from wait import wait_for

DEAD = "127.0.0.1:1"
MUTATIONS = "check prepare plan migrations move undo pause resume finish".split()


def run(pair, report):
    configs = {"cleanup.policy": "compact"}
    for cluster in (pair.old, pair.new):
        create_topics(cluster, [LIVE, OTHER], PARTITIONS)
        create_topics(cluster, [TABLE], PARTITIONS, configs)
    create_topics(pair.old, [SHAPE, OLD_ONLY], PARTITIONS)
    create_topics(pair.new, [SHAPE], PARTITIONS - 1)
    for name, rows, clusters in (
        ("new down", cases.DEAD_NEW, {"new": DEAD}),
        ("no new", cases.NO_NEW, {"new": None}),
        ("old down", cases.DEAD_OLD, {"old": DEAD}),
    ):
        half = Desk(pair, report, f"mistakes-{name.replace(' ', '-')}", **clusters)
        half.guarded(name, lambda half=half, rows=rows: half.all(rows))
    for kind in (Hasty, Walk):
        desk = kind(pair, report, f"mistakes-{kind.__name__.lower()}")
        desk.guarded(kind.__name__.lower(), desk.run)


class Hasty(Desk):
    """A pause that comes while a cut is still being checked."""

    def run(self):
        self.answer("start", "--scheme", "1", "--topics", OTHER)
        for mode in (PERSON, SCRIPT):
            self.check(cases.PAUSED_EARLY, modes=(mode,), ask=self.ask_and_pause)
            self.all(cases.AFTERWARDS)

    def ask_and_pause(self, _, words, flags):
        def meanwhile():
            with self.asleep(self.pair.old):
                wait_for("the cut to be asked for", lambda: self.step() == "S1", 10)
                self.answer("pause")
            self.answer("resume")

        return self.interrupted(words, flags, meanwhile)


class Walk(Desk):
    """Through a migration and back, wrong at every step."""

    def run(self):
        self.client("proxied", LIVE, GROUP)
        self.all(cases.WORDS + cases.TOPIC_LISTS + cases.NONE_OPEN + cases.LOOKS)
        self.http()
        self.beside()
        self.hangs()
        self.answer("start", "--scheme", "1", "--topics", LIVE)
        self.all(cases.OPEN)
        self.answer("pause")
        self.all(cases.PAUSED)
        self.answer("resume")
        self.held()
        self.there_and_back()
        self.two()
        self.end()

    def client(self, side, topic, group):
        """A producer and member of the group, seen by the daemon."""
        client = self.pair.client(
            "librdkafka", side, group, self.shunt, roles="produce,consume", topic=topic, group=group,
            partitions=PARTITIONS, rate=20,
        )  # fmt: skip
        self.clients.append(client)
        client.wait("all partitions held", lambda c: c.partitions() == PARTITIONS and c.events("polled"))
        wait_for(f"{group} to be seen", lambda: self.members(group) == 1, 20)
        return client

    def members(self, group):
        return next((g["members"] for g in self.answer("groups")["groups"] if g["group"] == group), None)

    def http(self):
        """control.http only reads."""
        for path in MUTATIONS:
            before = self.stands()
            status, error = self.post(f"/{path}")
            good = status == 405 and error["code"] == "method_not_allowed" and str(self.shunt.socket) in error["next"]
            self.line(good and before == self.stands(), "http", f"POST /{path}: {status} {error['next']}")

    def post(self, path):
        body = json.dumps({"scheme": 1, "topics": LIVE, "kind": "produce"}).encode()
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.shunt.http}{path}", body, timeout=10) as answer:
                return answer.status, {"code": None, "next": answer.read().decode()}
        except urllib.error.HTTPError as refused:
            return refused.code, json.load(refused)["error"]

    def beside(self):
        """Its journal has an owner."""
        for command in ("run", "recover"):
            before, (code, said) = self.stands(), self.shunt.run(command)
            good = code == 1 and "journal" in said and "lock" in said and before == self.stands()
            told = said.strip().splitlines()[-1][:150]
            self.line(good, f"shunt {command}", f"beside a running daemon: exit {code}: {told}")

    def hangs(self):
        process = self.shunt.program.process
        process.send_signal(signal.SIGSTOP)
        try:
            self.check(cases.ASLEEP, stands=lambda: None)
        finally:
            process.send_signal(signal.SIGCONT)

    def held(self):
        """A cut that new does not answer is not waited for, met by others, ended by a pause: nothing has moved."""
        for mode in (PERSON, SCRIPT):
            before = self.stands()
            with self.asleep(self.pair.new):
                self.check(cases.IMPATIENT, modes=(mode,), stands=self.produced)
                self.begun(before)
                self.all(cases.SECOND if mode == PERSON else ())
                self.pause()
            with self.asleep(self.pair.new):
                self.check(cases.PAUSED_AWAY, modes=(mode,), ask=self.ask_and_pause)
            if before != self.stands():
                self.line(False, "aborted", f"moved: {before} -> {self.stands()}")

    def ask_and_pause(self, _, words, flags):
        before = self.stands()

        def meanwhile():
            self.begun(before)
            self.pause()

        return self.interrupted(words, flags, meanwhile)

    def begun(self, before):
        """A move is there that was not: its checks are done."""
        wait_for("the cut to begin", lambda: self.stands()[0] != before[0], 10)

    def pause(self, *which):
        """Ends a cut that is held, as a second operator may."""
        self.answer("pause", *which)
        wait_for("the cut to end", lambda: self.step() is None, 20)
        self.answer("resume", *which)

    def produced(self):
        return self.stands()[1:]

    def there_and_back(self):
        """Real moves, which must be seen: else the rows above have shown nothing."""
        before = self.stands()
        wait_for("production at new", lambda: self.shunt.ctl("move", "produce", "--to", "new")[0] == 0, 60, every=1)
        # The daemon looks at groups' positions every 5 s.
        wait_for("the group to be seen waiting", lambda: self.stands()[2] != before[2], 15)
        _, topics, groups = self.stands()
        seen = (before[1][LIVE][1], topics[LIVE][1], before[2].get(GROUP), groups.get(GROUP))
        self.line(seen == ("old", "new", None, "wait"), "done", f"a real move shows: produce, fetch {seen}")
        self.all(cases.MOVED)
        self.answer("move", "produce", "--to", "old")
        self.all(cases.MOVED_BACK)

    def two(self):
        outsider = self.client("direct", OTHER, OUTSIDE)
        self.check(cases.PAST)
        self.answer("start", "--scheme", "1", "--topics", OTHER, "--accept-stragglers")
        self.all(cases.TWO)
        outsider.stop()
        wait_for("no member outside", lambda: not self.members(OUTSIDE), 20)
        self.check(cases.PAST_PRODUCER)
        self.answer("pause", "--migration", "m2")
        self.check(cases.ONE_PAUSED)
        self.answer("resume", "--migration", "m2")
        self.not_mine()

    def not_mine(self):
        """A pause is of one migration: another's cut goes on."""
        before = self.stands()
        with self.asleep(self.pair.new):
            self.shunt.ctl("--timeout", "1ms", "move", "produce", "--migration", "m1")
            self.begun(before)
            self.answer("pause", "--migration", "m2")
            step = self.step()
            self.line(step == "S1", "pause", f"pause --migration m2 while a cut of m1 is at S1: it is at {step}")
            self.pause("--migration", "m1")
        self.answer("resume", "--migration", "m2")
        self.line(before == self.stands(), "pause", "both paused and resumed: nothing has moved")

    def end(self):
        """The client has noticed nothing; without a daemon there is nobody to ask."""
        client = self.clients[0].quiet()
        client.wait("all records polled", lambda c: all_polled([c]), 60)
        client.stop()
        verdict = judge([client])
        self.line(verdict.clean(), "client", f"{verdict}")
        code = self.shunt.drain()
        self.line(code == 0, "SIGTERM", f"exit {code}")
        for case in cases.GONE:
            self.check(case, stands=lambda: None)
        for socket in ("/nonexistent/control.sock", self.shunt.folder / "shunt.yaml", "/" + 120 * "x"):
            self.check(cases.NO_SOCKET, socket=socket, stands=lambda: None)
