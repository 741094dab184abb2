"""Scheme 1 whole, by a script that knows the contract and nothing else (shuntctl -o json, exit codes), under Kafka's own
VerifiableProducer and VerifiableConsumer: there and back, finish, old switched off, Shunt started again without it, and
one client restarted directly at new. Judged by what the clients print; the same clients run directly at old beside it.
"""

import time

from migrate import create_on_both
from operate import create_topics, switched_off
from verifiable import Consumer, Producer, all_read, held, longest, problems
from wait import wait_for

PARTITIONS, RATE = 3, 30
MORE = 30  # records of each topic that are to flow before the next step
TOPICS = {"orders": ("4.3.1", 2), "billing": ("3.9.2", 1)}  # version of the clients, members of the group
CANARY, RESTARTED = "orders", "billing"
SIDES = ("proxied", "direct")


def run(pair, report):
    walk = Walk(pair, report, pair.own_shunt("walk", 47, level="debug"))
    try:
        walk.shunt.start()
        report.guard("walk", pair.name, "walk", walk.run, shunt=walk.shunt)
    finally:
        for flow in walk.flows.values():
            flow.end()
        walk.shunt.kill()


class Flow:
    """A topic, its producer and the members of its group, which is named as the topic."""

    def __init__(self, pair, name, side, bootstrap):
        self.version, self.members = TOPICS[name]
        self.folder, self.name, self.side = pair.folder / "clients", name, side
        self.topic = f"walk-{pair.old.version}-{name}-{side}"
        self.folder.mkdir(parents=True, exist_ok=True)
        self.consumers = []
        for n in range(self.members):
            self.join(side, bootstrap, f"m{n}")
        self.producer = Producer(
            side, self.folder / f"{self.topic}-producer.log", self.version, bootstrap, self.topic, RATE
        )

    def join(self, side, bootstrap, name):
        log = self.folder / f"{self.topic}-{name}.log"
        self.consumers.append(Consumer(side, log, self.version, bootstrap, self.topic, self.topic))
        return self.consumers[-1]

    def settled(self):
        shares = [PARTITIONS // self.members + (n < PARTITIONS % self.members) for n in range(self.members)]
        return held(self.consumers) == shares

    def read(self):
        return [e for c in self.consumers for e in c.read()]

    def behind(self, seams):
        """How many records it was given from behind the seams."""
        return sum(e["offset"] >= seams[e["partition"]] for e in self.read())

    def flows(self, reading=True):
        """Waits for MORE records, and for those to be read."""
        seen = len(self.producer.acked())
        self.producer.wait("goes on", lambda: len(self.producer.acked()) >= seen + MORE)
        due = {e["value"] for e in self.producer.acked()[seen:]}
        if reading:
            self.consumers[-1].wait("its group goes on", lambda: due <= {e["value"] for e in self.read()})

    def restart(self, bootstrap):
        """Its only member ends and comes back elsewhere; what is wrong with where it goes on."""
        before = self.consumers[-1].stop()
        after = self.join("direct", bootstrap, "again")
        after.wait("reads every partition", lambda: len(_firsts(after.read())) == PARTITIONS)
        last, first = _firsts(reversed(before.read())), _firsts(after.read())
        log = {p: [] for p in last}
        for e in self.producer.acked():
            log[e["partition"]].append(int(e["value"]))
        due = {p: log[p][log[p].index(n) + 1] for p, n in last.items()}
        return "" if first == due else f"goes on at {first}, due {due}"

    def end(self):
        for tool in (self.producer, *self.consumers):
            tool.end()


def _firsts(events):
    """{partition: the first number of it}"""
    found = {}
    for e in events:
        found.setdefault(e["partition"], int(e["value"]))
    return found


class Walk:
    def __init__(self, pair, report, shunt):
        self.pair, self.report, self.shunt, self.flows = pair, report, shunt, {}

    def run(self):
        self.start()
        self.plan()
        self.produce()
        self.canary()
        self.all_go()
        self.back()
        self.produce()
        self.all_go()
        self.verify()
        self.control()
        self.finish()
        with switched_off(self.pair.old):
            self.without_old()
            self.end()

    # ---- the script's words ----------------------------------------------------------------------------------------------
    def ask(self, *words, exit=0):
        code, answer = self.shunt.ctl(*words)
        if code != exit or (answer or {}).get("api") != 1:
            raise RuntimeError(f"shuntctl -o json {' '.join(words)}: exit {code}, due {exit}: {answer}")
        return answer

    def line(self, ok, who, text):
        return self.report.line(ok, "walk", self.pair.name, who, text)

    def mine(self, what, key):
        """{name: item} of `topics` or `groups`."""
        found = {item[key]: item for item in self.ask(what)[what]}
        return {flow.name: found[flow.topic] for flow in self.proxied()}

    def proxied(self):
        return [flow for (_, side), flow in self.flows.items() if side == "proxied"]

    def flow(self, reading=True):
        for flow in self.proxied():
            flow.flows(reading)

    def rebalances(self):
        return {c.log.stem: c.rebalances() for flow in self.proxied() for c in flow.consumers}

    # ---- the steps -------------------------------------------------------------------------------------------------------
    def start(self):
        names = {side: [f"walk-{self.pair.old.version}-{name}-{side}" for name in TOPICS] for side in SIDES}
        create_on_both(self.pair, names["proxied"], PARTITIONS)
        create_topics(self.pair.old, names["direct"], PARTITIONS)
        for name in TOPICS:
            for side, bootstrap in zip(SIDES, (self.shunt.bootstrap, self.pair.old.bootstrap)):
                self.flows[name, side] = Flow(self.pair, name, side, bootstrap)
        for flow in self.flows.values():
            flow.consumers[-1].wait("all members hold partitions", flow.settled, 90)
            flow.flows()
        self.settled = self.rebalances()
        self.direct = {c: c.rebalances() for name in TOPICS for c in self.flows[name, "direct"].consumers}

    def plan(self):
        words = "--scheme", "1", "--topics", ",".join(flow.topic for flow in self.proxied())
        # The daemon looks for topics every 5 s: until then it is blocked by the check `topic.missing`.
        wait_for("a plan without a blocker", lambda: self.shunt.ctl("plan", *words)[0] == 0, 15)
        plan, started = self.ask("plan", *words), self.ask("start", *words)["migration"]
        self.line(
            not plan["blockers"] and len(plan["steps"]) > 3 and started["state"] == "started" and not started["moves"],
            "start", f"{len(plan['steps'])} steps planned, no blockers; {started['id']} is {started['state']}",
        )  # fmt: skip

    def produce(self):
        moved = self.ask("move", "produce", "--to", "new")
        self.seams = {flow.name: {} for flow in self.proxied()}
        for flow in self.proxied():
            for p in moved["partitions"]:
                if p["topic"] == flow.topic:
                    self.seams[flow.name][p["partition"]] = p["virtual_start"]
        again = self.ask("move", "produce", "--to", "new")
        self.flow(reading=False)
        at_seam = wait_for("all groups drained", self.drained, 30)
        behind = {flow.name: flow.behind(self.seams[flow.name]) for flow in self.proxied()}
        self.line(
            moved["changed"] and len(moved["partitions"]) == PARTITIONS * len(TOPICS) and not again["changed"]
            and not any(behind.values()) and {t["produce"] for t in self.mine("topics", "topic").values()} == {"new"},
            "produce", f"to new: {len(moved['partitions'])} partitions, held {moved['held_ms_max']} ms; groups wait, all of "
            f"old read: {at_seam} records of lag; read from behind the seam: {behind}",
        )  # fmt: skip

    def drained(self):
        """{name: lag}, once no group has anything left on old."""
        groups = self.mine("groups", "group")
        if any(g["fetch"] != "wait" or g["drained"] is not True for g in groups.values()):
            return None
        lags = {name: self.ask("lag", "--group", g["group"])["groups"][0] for name, g in groups.items()}
        left = [p["old"]["lag"] for lag in lags.values() for p in lag["partitions"]]
        return None if any(n != 0 for n in left) else {name: lag["lag"] for name, lag in lags.items()}

    def canary(self):
        flow = self.flows[CANARY, "proxied"]
        moved = self.ask("move", "fetch", "--group", flow.topic, "--wait")
        flow.flows()
        others = {f.name: f.behind(self.seams[f.name]) for f in self.proxied() if f is not flow}
        went = {name: g["fetch"] for name, g in self.mine("groups", "group").items()}
        crossed = all(p["crossed"] for g in moved["groups"] for p in g["partitions"])
        undone = self.ask("undo")
        stands = self.stands(flow)
        due = {name: "new" if name == CANARY else "wait" for name in TOPICS}
        self.line(
            moved["changed"] and crossed and not any(others.values()) and went == due and undone["kind"] == "fetch"
            and {g["fetch"] for g in self.mine("groups", "group").values()} == {"wait"},
            "canary", f"fetch {went}, read behind the seam by others: {others}; undone: it stands {stands} records behind it",
        )  # fmt: skip

    def stands(self, flow):
        """It is given nothing while the producer goes on; what was on its way comes yet."""

        def still():
            seen = len(flow.read())
            flow.flows(reading=False)
            return len(flow.read()) == seen

        wait_for(f"{flow.topic} to stand", still)
        return flow.behind(self.seams[flow.name])

    def all_go(self):
        begin = time.monotonic()
        moved = self.ask("move", "fetch", "--all", "--wait")
        took = time.monotonic() - begin
        mine = [g for g in moved["groups"] if g["group"] in {flow.topic for flow in self.proxied()}]
        crossed = [p["crossed"] for g in mine for p in g["partitions"]]
        again = self.ask("move", "fetch", "--all")
        self.flow()
        self.line(
            moved["changed"] and not again["changed"] and len(crossed) == PARTITIONS * len(TOPICS) and all(crossed),
            "all", f"{len(mine)} groups have crossed with {len(crossed)} partitions, the command took {took:.2f} s",
        )  # fmt: skip

    def back(self):
        fetch = self.ask("undo")
        standing = {flow.name: self.stands(flow) for flow in self.proxied()}
        production = self.ask("undo")
        self.flow()
        where = {t["produce"] for t in self.mine("topics", "topic").values()}
        self.line(
            fetch["kind"] == "fetch" and production["kind"] == "produce" and where == {"old"} and all(standing.values()),
            "back", f"groups stood {standing} records behind the seam; production at {where}, all of it is read",
        )  # fmt: skip

    def verify(self):
        proof = self.ask("verify")
        segments = [len(p["segments"]) for p in proof["partitions"]]
        self.line(
            proof["ok"] and not proof["problems"] and segments == [4] * PARTITIONS * len(TOPICS),
            "verify", f"ok, {sum(segments)} segments",
        )  # fmt: skip
        seen = self.rebalances()
        self.line(seen == self.settled, "undisturbed", f"no rebalance since the groups settled: {seen}")

    def control(self):
        """The same clients directly at old, one restarted too; they end before old does."""
        flows = [self.flows[name, "direct"] for name in TOPICS]
        for flow in flows:
            flow.flows()
        disturbed = [c.log.stem for c, seen in self.direct.items() if c.rebalances() != seen]
        self.line(not disturbed, "direct", f"rebalances: {disturbed or 'none'}")
        wrong = self.flows[RESTARTED, "direct"].restart(self.pair.old.bootstrap)
        self.line(not wrong, "direct", wrong or f"{RESTARTED}: restarted, goes on at the next record")
        self.judge(flows)

    def finish(self):
        begin = time.time() * 1000
        done = self.ask("finish")
        took = time.time() * 1000 - begin
        self.flow()
        members = {g["group"]: g["members"] for g in done["groups"]}
        due = {flow.topic: flow.members for flow in self.proxied()}
        groups = self.mine("groups", "group").values()
        home = {(g["coordinator"], g["fetch"], g["state"]) for g in groups}
        self.line(
            done["migration"]["state"] == "finished" and members == due and home == {("new", "new", "Stable")},
            "finish", f"{took:.0f} ms, hand-over {[g['handover_ms'] for g in done['groups']]} ms; groups: {home}, "
            f"longest silence {[longest([e for e in f.read() if e['timestamp'] > begin - 1000]) for f in self.proxied()]} ms",
        )  # fmt: skip
        self.once("finish")

    def once(self, who):
        seen = self.rebalances()
        due = {name: (revoked + 1, assigned + 1) for name, (revoked, assigned) in self.settled.items()}
        self.line(seen == due, who, f"one rebalance of each member: {seen}" if seen == due else f"{seen}, due {due}")

    def without_old(self):
        """Some seconds, Shunt anew, some more; then one client leaves it."""
        for _ in range(3):
            self.flow()
        code = self.shunt.drain()
        self.shunt.start()
        for _ in range(3):
            self.flow()
        self.line(code == 0, "old off", f"all goes on; Shunt ended (exit {code}), started without old: all goes on")
        self.once("old off")
        wrong = self.flows[RESTARTED, "proxied"].restart(self.pair.new.bootstrap)
        self.line(not wrong, "left", wrong or f"{RESTARTED}: restarted directly at new, goes on at the next record")
        self.flow()

    def end(self):
        self.judge(self.proxied())
        code = self.shunt.drain()
        self.line(code == 0, "SIGTERM", f"exit {code}")

    def judge(self, flows):
        for flow in flows:
            flow.producer.stop()
        for flow in flows:
            flow.consumers[-1].wait("all read", lambda f=flow: all_read(f.producer, f.consumers))
            for consumer in flow.consumers:
                if consumer.process.poll() is None:
                    consumer.stop()
            # One that has left Shunt counts as new does.
            same = [c for c in flow.consumers if "again" not in c.log.stem or flow.side == "direct"]
            wrong = problems(flow.producer, flow.consumers, same)
            self.line(
                not wrong, flow.side, f"{flow.name}: {'; '.join(wrong) or f'{flow.producer.sent()} records, each read once, in order'}"
                f"; longest pause {longest(flow.producer.acked())} ms, silence {longest(flow.read())} ms",
            )  # fmt: skip
