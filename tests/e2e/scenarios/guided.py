"""`shuntctl run`, from its plan to the end: killed in every phase and run again, a gate that does not open, a pause, a
canary that stops reading and is taken back by itself. Two libraries at work all the while, with their controls at old.
"""

import signal
import time

from client import progress
from guided_run import GuidedRun, on_terminal, told
from history import all_polled, judge
from migrate import Evidence, create_on_both, segments
from operate import asleep, create_topics
from wait import wait_for

KINDS = ("java", "librdkafka")
BIRD = "librdkafka"  # the canary: its consumer is a process of its own, which can be put to sleep
SIDES = ("proxied", "direct")
PARTITIONS, MEMBERS, RATE = 4, 2, 30
SOAK, MAX_LAG, MORE = "6s", "200", 40


def run(pair, report):
    shunt = pair.own_shunt("guided", 49, level="debug", hold_limit="9s").start()
    walk, shaken = Walk(pair, report, shunt), Shaken(pair, report, shunt)
    try:
        report.guard("guided", pair.name, "walk", walk.run, walk.all, shunt)
        if pair.everything:
            report.guard("guided", pair.name, "shaken", shaken.run, lambda: shaken.clients, shunt)
        code = shunt.drain()
        report.line(code == 0, "guided", pair.name, "SIGTERM", f"exit {code}")
    finally:
        for client in walk.all() + shaken.clients:
            client.process.send_signal(signal.SIGCONT)
            client.end()
        shunt.kill()


class Walk:
    def __init__(self, pair, report, shunt):
        self.pair, self.report, self.shunt = pair, report, shunt
        self.topics = {(k, s): f"guided-{pair.old.version}-{k}-{s}" for k in KINDS for s in SIDES}
        self.clients = {}  # (kind, side): the one that consumes last
        self.id, self.runs = None, 0

    def all(self):
        return [c for clients in self.clients.values() for c in clients]

    def line(self, ok, who, text):
        return self.report.line(ok, "guided", self.pair.name, who, text)

    def run(self):
        self.start()
        self.asked()
        self.killed_in_the_past()
        self.gate_shut()
        self.canary_fails()
        self.paused()
        self.killed_later()
        self.to_the_end()
        self.whole()
        self.end()

    # ---- who is there ----------------------------------------------------------------------------------------------------
    def start(self):
        self.groups = [self.topics[kind, "proxied"] for kind in KINDS]
        create_on_both(self.pair, self.groups, PARTITIONS)
        create_topics(self.pair.old, [self.topics[kind, "direct"] for kind in KINDS], PARTITIONS)
        for (kind, side), topic in self.topics.items():
            roles = ("produce", "consume") if kind == BIRD else ("produce,consume",)
            self.clients[kind, side] = [
                self.pair.client(
                    kind, side, f"guided-{role.split(',')[0]}", self.shunt, roles=role, topic=topic, group=topic,
                    partitions=PARTITIONS, members=MEMBERS, rate=RATE,
                )
                for role in roles
            ]  # fmt: skip
        for clients in self.clients.values():
            clients[-1].wait(
                "all partitions held by all members",
                lambda c: c.partitions() == PARTITIONS and c.members() == MEMBERS,
            )
        self.flows()
        self.words = "--scheme", "1", "--topics", ",".join(self.groups)
        wait_for("the daemon to know the groups", self.known, 20)
        self.begun = time.time()

    def known(self):
        code, _ = self.shunt.ctl("plan", *self.words)
        _, seen = self.shunt.ctl("groups")
        members = {g["group"]: g["members"] for g in seen["groups"]}
        return code == 0 and all(members.get(g) == MEMBERS for g in self.groups)

    def flows(self):
        """Each writes and reads MORE after this moment."""
        marks = [(c, len(c[0].events("acked")) + MORE, len(c[-1].events("polled")) + MORE) for c in self.clients.values()]
        wait_for(
            "all to write and read",
            lambda: all(len(c[0].events("acked")) >= a and len(c[-1].events("polled")) >= p for c, a, p in marks), 40,
        )  # fmt: skip

    def sleep(self, how):
        """The canary's consumers, both sides."""
        for side in SIDES:
            self.clients[BIRD, side][-1].process.send_signal(how)

    def piles_up(self):
        producer = self.clients[BIRD, "proxied"][0]
        sent = len(producer.events("acked")) + MORE
        producer.wait("records pile up", lambda c: len(c.events("acked")) >= sent)

    def guide(self, what, *words, canary=True):
        bird = ("--canary", self.topics[BIRD, "proxied"], "--soak", SOAK, "--max-lag", MAX_LAG) if canary else ()
        return GuidedRun(self.shunt, what, *self.words, *bird, "--yes", *words)

    def moves(self):
        _, seen = self.shunt.ctl("history")
        all_moves = [m for one in seen["migrations"] for m in one["moves"]]
        return [(m["move"], m["kind"], m["to"], m["undone"]) for m in all_moves if not m["aborted_at"]]

    def fetch(self):
        _, seen = self.shunt.ctl("groups")
        fetch = {g["group"]: g["fetch"] for g in seen["groups"]}
        return [fetch[self.topics[kind, "proxied"]] for kind in KINDS]

    # ---- what is shown ---------------------------------------------------------------------------------------------------
    def asked(self):
        code, out, err = told(self.shunt, *self.words)
        self.line(
            code == 2 and "--yes" in err and not out and not self.moves(), "not asked",
            f"without --yes and a terminal: exit {code}: {err.splitlines()[0]}",
        )  # fmt: skip
        code, out, err = told(self.shunt, *self.words, "--yes", "--canary", "nobody")
        self.line(code == 2 and "no group nobody" in err and not self.moves(), "no such canary", f"exit {code}")
        code, screen = on_terminal(self.shunt, "n", *self.words)
        _, seen = self.shunt.ctl("history")
        self.line(
            code == 3 and "shuntctl move produce" in screen and "\033[1m" in screen and not seen["migrations"], "asked",
            f"shows the plan on a terminal, asks, is told no: exit {code}, {len(seen['migrations'])} migrations",
        )  # fmt: skip

    def killed_in_the_past(self):
        run = self.guide("killed in the past")
        self.id = run.wait("canary.past")["migration"]
        run.kill()
        again = self.guide("interrupted")
        again.wait("canary.past")
        again.process.send_signal(signal.SIGINT)
        code, summary = again.end()
        self.line(
            self.id is not None and not self.moves() and code == 5 and summary["error"]["code"] == "interrupted"
            and self.id in summary["resume"], "killed: past",
            f"{self.id} is open, nothing has moved; again, until Ctrl-C: exit {code}: {summary['error']['next']}",
        )  # fmt: skip

    def gate_shut(self):
        """The canary's group reads nothing: production moves, then the gate stays shut."""
        self.sleep(signal.SIGSTOP)
        self.piles_up()
        run = self.guide("killed at the gate", canary=False)
        waits = run.wait("progress", "drain")["waits_for"]
        run.kill()
        cut = self.moves()
        again = self.guide("shut gate", "--timeout", "2s", canary=False)
        code, summary = again.end()
        self.sleep(signal.SIGCONT)
        bird = self.topics[BIRD, "proxied"]
        self.line(
            [m[1:] for m in cut] == [("produce", "new", False)] == [m[1:] for m in self.moves()]
            and code == 5 and summary["result"] == "blocked" and bird in summary["reason"] and self.id in summary["resume"],
            "killed: drain", f"at {waits}; again, until --timeout: exit {code}: {summary['reason']}",
        )  # fmt: skip

    def canary_fails(self):
        run = self.guide("canary fails")
        run.wait("canary.moved")
        self.sleep(signal.SIGSTOP)
        code, summary = run.end()
        self.sleep(signal.SIGCONT)
        judged = run.seen("canary.judged")[0]
        self.line(
            code == 4 and summary["result"] == "rolled_back" and not judged["ok"] and run.seen("canary.undone")
            and self.fetch() == ["wait", "wait"], "canary fails",
            f"it stops reading, and is taken back: exit {code}; saw {judged['saw']}; groups {self.fetch()}",
        )  # fmt: skip

    def paused(self):
        """Between two steps: nothing begins until `resume`; then it is killed as the canary soaks."""
        self.shunt.ctl("pause", "--migration", self.id)
        before = self.moves()
        run = self.guide("paused")
        run.wait("paused")
        self.piles_up()
        still = self.moves() == before and not run.seen("canary.moved")
        self.shunt.ctl("resume", "--migration", self.id)
        run.wait("resumed")
        run.wait("canary.sample")
        run.kill()
        self.line(still and len(self.moves()) == len(before) + 1, "pause, resume", "waits, and then moves the canary")

    def killed_later(self):
        run = self.guide("killed when judged")
        run.wait("canary.again")
        judged = run.wait("canary.judged")
        run.kill()
        self.line(judged["ok"] and self.fetch()[1] == "new", "killed: soak", f"watched anew: saw {judged['saw']}")
        self.sleep(signal.SIGSTOP)  # a lag that no gate lets pass
        self.piles_up()
        run = self.guide("killed at the last gate", "--max-lag", "0", canary=False)
        waits = run.wait("progress", "lag")["waits_for"]
        run.kill()
        self.sleep(signal.SIGCONT)
        self.line(
            [m[1:] for m in self.moves()[-2:]] == [("fetch", "new", False)] * 2 and self.fetch() == ["new", "new"],
            "killed: lag", f"all have moved; at {waits}",
        )  # fmt: skip

    def to_the_end(self):
        before = self.moves()
        code, summary = self.guide("to the end", "--no-finish").end()
        self.flows()
        self.line(code == 0 and summary["result"] == "done" and self.moves() == before, "to the end", f"exit {code}")
        code, out, err = told(self.shunt, "--migration", self.id, "--yes", "--no-finish")
        self.line(
            code == 0 and "\033" not in out and "done" in out and not err and self.moves() == before, "once more",
            f"nothing is left to do: exit {code}: {out.splitlines()[-1]}",
        )  # fmt: skip

    def whole(self):
        """Back to where it began, and all of it in one go, at a terminal."""
        while self.answer("undo", "--migration", self.id)["changed"]:
            pass
        self.flows()
        bird = ("--canary", self.topics[BIRD, "proxied"], "--soak", SOAK, "--max-lag", MAX_LAG)
        code, screen = on_terminal(self.shunt, "y", "--migration", self.id, "--no-finish", *bird)
        (self.shunt.folder / "screen.txt").write_text(screen)
        told = ["production goes to new", "read old to its end", "does well: rate", "all groups may read new", "done: "]
        missing = [words for words in told if words not in screen]
        self.line(
            code == 0 and not missing and self.fetch() == ["new", "new"], "whole",
            f"undone, and run once more at a terminal: exit {code}; not said: {missing or 'nothing'}",
        )  # fmt: skip

    def answer(self, *words):
        code, answer = self.shunt.ctl(*words)
        if code:
            raise RuntimeError(f"shuntctl {' '.join(words)}: exit {code}: {answer}")
        return answer

    def end(self):
        progress([c[-1] for c in self.clients.values() if len(c) == 1], PARTITIONS)
        for clients in self.clients.values():
            clients[0].quiet()
        for (kind, side), clients in self.clients.items():
            wait_for(f"{kind} {side}: all records polled", lambda c=clients: all_polled(c), 60)
        until = time.time()
        self.finish()
        proof = self.segments()
        for clients in self.clients.values():
            for client in reversed(clients):
                client.stop()
        folder = self.pair.folder / "guided"
        evidence = Evidence(self.pair, folder, list(self.topics.values()), self.groups, proof)
        for kind in KINDS:
            self.judge(kind, evidence, until)

    def finish(self):
        """Killed while the groups are handed over, which goes on; the next run waits for it."""
        there, _ = self.shunt.ctl("finish", "--help")
        killed = self.guide("killed in the finish", "--max-lag", "0", canary=False)
        killed.wait("finishing")
        killed.kill()
        code, summary = self.guide("finish", "--max-lag", "0", canary=False).end()
        if there != 0:
            return self.line(code == 3 and summary["error"]["code"] == "not_implemented", "finish", "not there yet")
        _, seen = self.shunt.ctl("history")
        state = [m["state"] for m in seen["migrations"] if m["id"] == self.id]
        self.line(
            code == 0 and summary["result"] == "done" and state == ["finished"], "killed: finish",
            f"run again: exit {code}, {state}",
        )  # fmt: skip
        code, summary = self.guide("finished already").end()
        return self.line(code == 0 and summary["result"] == "done", "finished", f"run once more: exit {code}")

    def segments(self):
        code, proof = self.shunt.ctl("verify")
        self.line(code == 0, "verify", f"exit {code}")
        return {"partitions": [p for p in proof["partitions"] if p["topic"] in self.groups]} if code == 0 else segments([])

    def judge(self, kind, evidence, until):
        proxied, direct = (self.clients[kind, side] for side in SIDES)
        verdicts = judge(proxied, self.begun), judge(direct, self.begun)
        self.report.compare("guided", self.pair.name, kind, *verdicts, verdicts[0].as_good_as(verdicts[1]))
        found = evidence.check(proxied, self.topics[kind, "proxied"])
        disturbed = [
            (name, e["member"])
            for name in ("assigned", "revoked", "lost")
            for e in proxied[-1].events(name)
            if self.begun <= e["time"] <= until
        ]
        self.line(
            found.clean and not disturbed, kind,
            f"in both clusters: {found.found() or 'as sent'}; rebalances: {disturbed or 'none'}; "
            f"{found.totals['records_in_old']} records in old, {found.totals['records_in_new']} in new"
            + ("" if found.clean else f"\n{found}"),
        )  # fmt: skip


class Shaken:
    """Killed while the cut runs, which goes on; then a canary that rebalances while it soaks, as somebody starts one more
    member: nobody can tell why, so it goes back."""

    def __init__(self, pair, report, shunt):
        self.pair, self.report, self.shunt = pair, report, shunt
        self.topic, self.clients = f"guided-{pair.old.version}-shaken", []

    def client(self, name, roles):
        self.clients.append(
            self.pair.client(
                BIRD, "proxied", name, self.shunt, roles=roles, topic=self.topic, group=self.topic,
                partitions=PARTITIONS, rate=RATE,
            )
        )  # fmt: skip
        return self.clients[-1]

    def run(self):
        create_on_both(self.pair, [self.topic], PARTITIONS)
        client = self.client("guided-shaken", "produce,consume")
        client.wait("it reads", lambda c: c.partitions() == PARTITIONS and len(c.events("polled")) > MORE)

        def known():
            _, seen = self.shunt.ctl("groups")
            return any(g["group"] == self.topic and g["members"] for g in seen["groups"])

        wait_for("the daemon to know the group", known, 20)
        words = "--scheme", "1", "--topics", self.topic, "--yes", "--canary", self.topic, "--soak", "30s"
        first = GuidedRun(self.shunt, "killed before the cut", *words)
        opened = first.wait("canary.past")
        first.kill()
        with asleep(self.pair.old):
            cutting = GuidedRun(self.shunt, "killed in the cut", "--migration", opened["migration"], "--yes")
            wait_for("the cut to begin", lambda: self.shunt.status()["migration"]["step"], 20)
            cutting.kill()
        run = GuidedRun(self.shunt, "shaken", *words)
        run.wait("canary.moved")
        cuts = [m for m in self.shunt.status()["migration"]["moves"] if m["kind"] == "produce"]
        self.report.line(
            len(cuts) == 1 and cuts[0]["to"] == "new" and not cuts[0]["aborted_at"], "guided", self.pair.name,
            "killed: cut", f"the cut goes on without it, and so does the next run: {len(cuts)} cut",
        )  # fmt: skip
        self.client("guided-guest", "consume")
        code, summary = run.end()
        self.report.line(
            code == 4 and "rebalances" in summary["reason"], "guided", self.pair.name, "shaken", f"exit {code}: {summary['reason']}"
        )
        client.quiet()
        self.shunt.ctl("move", "fetch", "--all", "--migration", summary["migration"])
        wait_for("all records polled", lambda: all_polled(self.clients), 60)
        for one in reversed(self.clients):
            one.stop()
        verdict = judge(self.clients)
        self.report.line(verdict.lost == verdict.failed == 0, "guided", self.pair.name, "shaken", f"{verdict}")
