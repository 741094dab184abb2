"""Scheme 1 as its operator walks it, whole: production goes to new and groups wait at the seam; one goes on as a canary and
is taken back; all go on, are taken back, go on, are taken back with production; all of it once more, and finish. Then old is
switched off, Shunt started anew without it, and all runs on. Four libraries at work all the while (with --all five more),
each with its control directly at old.
"""

import re
import time
from collections import Counter
from dataclasses import replace

from client import progress
from history import POLL_MAX, all_polled, judge, longest_gap
from migrate import Evidence, Migration, create_on_both, segments, unhindered
from operate import create_topics, switched_off
from wait import wait_for

KINDS = ("java", "librdkafka", "franz-go", "kafka-python")
MORE_KINDS = ("sarama", "kafka-go", "kafkajs", "aiokafka", "librdkafka-2.0")
# Of the prototype, in seconds: until the last member had come to new; the longest silence of a partition around it.
PROBED = {
    "java": (2.5, 1.0),
    "librdkafka": (1.5, 0.2),
    "franz-go": (1.6, 0.3),
    "kafka-python": (2.2, 1.0),
    "sarama": (0.6, 3.0),
    "kafka-go": (1.4, 0.9),
    "kafkajs": (0.9, 0.8),
    "aiokafka": (1.9, 0.7),
}
COMPLAINT = re.compile(r"\bERROR\b|\bFATAL\b|%[0-3]\||Traceback")  # in what a library logs
ORDINARY = {"kafkajs": "rebalancing"}  # it calls any rebalance an error
REPEATS = {"kafka-go"}  # at a rebalance it hands out what it had fetched, and another member reads it again
# They tell their applications of connections that end, or join anew (probes.md P9): when Shunt is started anew, that is. What
# they are told from then on does not count; what is lost, misplaced or out of order does.
SHAKEN = {"sarama", "kafka-go", "kafkajs"}
SIDES = ("proxied", "direct")
PARTITIONS, MEMBERS, RATE = 4, 2, 30
MORE = 40  # records of each client that pile up behind a seam before the groups go on
AROUND = 1.0  # seconds before and behind finish that belong to it


def run(pair, report):
    for kinds in (KINDS, MORE_KINDS) if pair.everything else (KINDS,):
        shunt = pair.own_shunt(f"scheme1-{len(kinds)}", 45, level="debug", hold_limit="9s").start()
        walk = Walk(pair, report, shunt, kinds)
        try:
            report.guard("scheme1", pair.name, "walk", walk.run, walk.clients.values, shunt)
        finally:
            for client in walk.clients.values():
                client.end()
            shunt.kill()


def complaints(client):
    """What its library logs as an error."""
    ordinary = ORDINARY.get(client.kind)
    lines = client.errors_log.read_text(errors="replace").splitlines()
    return [line[:200] for line in lines if COMPLAINT.search(line) and not (ordinary and ordinary in line)]


class Until:
    """A client as if it had said nothing of errors and rebalances from a moment on."""

    def __init__(self, client, moment):
        self.client, self.moment = client, moment

    def events(self, name):
        found = self.client.events(name)
        if name in ("error", "assigned", "revoked", "lost"):
            found = [e for e in found if e["time"] < self.moment or "value" in e]
        return found


class Walk:
    def __init__(self, pair, report, shunt, kinds):
        self.pair, self.report, self.shunt, self.kinds = pair, report, shunt, kinds
        self.topics = {(k, s): f"scheme1-{pair.old.version}-{k}-{s}" for k in kinds for s in SIDES}
        self.clients, self.bird, self.down = {}, kinds[1], []

    def line(self, ok, who, text):
        return self.report.line(ok, "scheme1", self.pair.name, who, text)

    def group(self, kind):
        return self.topics[kind, "proxied"]

    def run(self):
        self.start()
        self.cut()
        self.all_wait()
        self.canary()
        self.all_go()
        self.groups_back()
        self.all_go()
        self.back()
        self.cut()
        self.all_wait()
        self.all_go()
        self.migration.segments()  # verify and the moves say the same
        self.finish()
        self.end(self.of("direct"))
        with switched_off(self.pair.old):
            self.without_old()
            self.end(self.of("proxied"))
            self.drain()
        self.judge()

    def start(self):
        proxied = [self.group(kind) for kind in self.kinds]
        create_on_both(self.pair, proxied, PARTITIONS)
        create_topics(self.pair.old, [self.topics[kind, "direct"] for kind in self.kinds], PARTITIONS)
        for (kind, side), topic in self.topics.items():
            self.clients[kind, side] = self.pair.client(
                kind, side, "scheme1", self.shunt, roles="produce,consume", topic=topic, group=topic,
                partitions=PARTITIONS, members=MEMBERS, rate=RATE,
            )  # fmt: skip
        for client in self.clients.values():
            client.wait(
                "all partitions held by all members",
                lambda c: c.partitions() == PARTITIONS and c.members() == MEMBERS,
                90,
            )
        progress(self.clients.values(), PARTITIONS)
        self.begun = time.time()
        self.migration = Migration(self.shunt, proxied, wait=True)

    def of(self, side):
        return [self.clients[kind, side] for kind in self.kinds]

    def state(self, kind):
        """What `groups` says of one: (fetch, drained)."""
        seen = {g["group"]: g for g in self.migration.ask("groups")["groups"]}
        return seen[self.group(kind)]["fetch"], seen[self.group(kind)]["drained"]

    def cut(self):
        moved = unhindered(self.report, "scheme1", self.pair, lambda *f: self.migration.move("new", *f))
        self.seams = {(p["topic"], p["partition"]): p["virtual_start"] for p in moved["partitions"]}

    def behind(self, kind):
        """How many records its members were given from behind the seam."""
        topic, client = self.group(kind), self.clients[kind, "proxied"]
        return sum(e["offset"] >= self.seams[topic, e["partition"]] for e in client.events("polled"))

    def at_seam(self, kind):
        """All before the seam was given out, and producers have gone on behind it."""
        topic, client = self.group(kind), self.clients[kind, "proxied"]
        ends = {}
        for e in client.events("polled"):
            ends[e["partition"]] = max(e["offset"] + 1, ends.get(e["partition"], 0))
        acked = sum(e["offset"] >= self.seams[topic, e["partition"]] for e in client.events("acked"))
        return acked >= MORE and all(ends.get(p) == self.seams[topic, p] for p in range(PARTITIONS))

    def all_wait(self):
        for kind in self.kinds:
            self.clients[kind, "proxied"].wait("stands at the seam", lambda _, k=kind: self.at_seam(k), 60)
        states = wait_for("all groups to be seen drained", self.drained, 30)
        self.line(
            set(states) == {("wait", True)}, "at the seam",
            f"{len(states)} groups have read old to its end and wait, {MORE} records and more behind it each: {states[0]}",
        )  # fmt: skip

    def drained(self):
        states = [self.state(kind) for kind in self.kinds]
        return states if all(drained for _, drained in states) else None

    def canary(self):
        begin = time.time()
        moved = self.migration.move_groups("--group", self.group(self.bird), "--wait")
        took = time.time() - begin
        others = [kind for kind in self.kinds if kind != self.bird and self.behind(kind)]
        crossed = all(p["crossed"] for g in moved["groups"] for p in g["partitions"])
        progress([self.clients[self.bird, "proxied"]], PARTITIONS)
        self.line(
            crossed and not others and self.state(self.bird)[0] == "new" and self.behind(self.bird) >= MORE,
            "canary", f"{self.bird} has crossed with {len(moved['groups'][0]['partitions'])} partitions, the command took "
            f"{took:.2f} s; others that did: {others or 'none'}",
        )  # fmt: skip
        undone = self.migration.undo()
        stands = self.stands(self.bird)
        self.line(
            undone["kind"] == "fetch" and self.state(self.bird)[0] == "wait", "canary undone",
            f"{self.bird} stands again, {stands} records behind the seam",
        )  # fmt: skip

    def stands(self, kind):
        """It is given nothing while a producer goes on; what was on its way when the gate closed comes yet."""
        client = self.clients[kind, "proxied"]

        def still():
            seen, sent = self.behind(kind), len(client.events("acked"))
            client.wait("its producer goes on", lambda c: len(c.events("acked")) >= sent + MORE)
            return (seen,) if self.behind(kind) == seen else None

        return wait_for(f"{kind} to stand", still, 30)[0]

    def all_go(self):
        begin = time.time()
        moved = self.migration.move_groups("--all", "--wait")
        took = time.time() - begin
        mine = {g["group"]: g for g in moved["groups"] if g["group"] in self.migration.topics}
        crossed = [g for g in mine.values() if all(p["crossed"] for p in g["partitions"])]
        progress(self.clients.values(), PARTITIONS)
        self.line(
            len(crossed) == len(mine) == len(self.kinds), "all",
            f"{len(crossed)} groups have crossed, the command took {took:.2f} s",
        )  # fmt: skip

    def groups_back(self):
        undone = self.migration.undo()
        standing = [self.stands(kind) for kind in self.kinds]
        self.line(
            undone["kind"] == "fetch" and min(standing) > 0, "groups back", f"groups stand {standing} records behind the seam"
        )  # fmt: skip

    def back(self):
        groups, production = self.migration.undo(), self.migration.undo()
        progress(self.clients.values(), PARTITIONS)
        self.line(
            groups["kind"] == "fetch" and production["kind"] == "produce", "back",
            "groups wait, then production went back: all of it is read",
        )  # fmt: skip

    def finish(self):
        begin = time.time()
        done = self.migration.ask("finish", "--migration", self.migration.id)
        end = time.time()
        progress(self.clients.values(), PARTITIONS)
        around = end + AROUND
        wait_for("the time around finish", lambda: time.time() > around, 2 * AROUND)
        groups = {g["group"]: g for g in done["groups"]}
        self.line(
            done["migration"]["state"] == "finished" and set(groups) == set(self.migration.topics), "finish",
            f"{len(groups)} groups handed over, the command took {end - begin:.2f} s",
        )  # fmt: skip
        for kind in self.kinds:
            group, client = groups[self.group(kind)], self.clients[kind, "proxied"]
            silence = max(
                longest_gap([client], "polled", begin - AROUND, around, lambda e, p=p: e["partition"] == p)
                for p in range(PARTITIONS)
            )
            probed = "{} s, {} s".format(*PROBED[kind]) if kind in PROBED else "not probed"
            self.line(
                group["members"] == MEMBERS and not complaints(client), f"finish {kind}",
                f"{group['members']} members, {group['handover_ms']} ms, silence {silence:.1f} s (probe: {probed}); "
                f"its library's complaints so far: {complaints(client) or 'none'}",
            )  # fmt: skip

    def without_old(self):
        progress(self.of("proxied"), PARTITIONS)
        begin = time.time()
        code = self.shunt.drain()
        self.shunt.start()
        self.down = [(begin, time.time())]
        progress(self.of("proxied"), PARTITIONS)
        self.line(code == 0, "old off", f"all runs on; Shunt ended with {code}, started without old: all runs on")

    def end(self, clients):
        for client in clients:
            client.quiet()
        for client in clients:
            client.wait("all records polled", lambda c: all_polled([c]), 60)
        self.until = time.time()
        for client in clients:
            client.stop()

    def drain(self):
        code = self.shunt.drain()
        self.line(code == 0, "SIGTERM", f"exit {code}")

    def judge(self):
        evidence = Evidence(
            self.pair, self.pair.folder / "scheme1", list(self.topics.values()), self.migration.topics,
            segments(self.migration.moves),
        )  # fmt: skip
        for kind in self.kinds:
            proxied, direct = (self.clients[kind, side] for side in SIDES)
            shaken = kind in SHAKEN
            seen_by = Until(proxied, self.down[0][0]) if shaken else proxied
            verdicts = judge([seen_by], self.begun, outages=self.down), judge([direct], self.begun)
            may = verdicts[1]
            if kind in REPEATS:  # at finish, and when Shunt is started anew; its control has no rebalance
                may = replace(may, repeated=may.repeated + 2 * MEMBERS * POLL_MAX)
            good = verdicts[0].as_good_as(may)
            self.report.compare("scheme1", self.pair.name, kind, *verdicts, good)
            found = evidence.check([proxied], self.group(kind))
            seen, due = self.rebalances(seen_by)
            self.line(
                found.clean and seen == due, kind,
                f"in both clusters: {found.found() or 'as sent'}; since the groups settled: {seen or 'no rebalance'}"
                + (f", due {due}" if seen != due else "")
                + f"; {found.totals['records_in_old']} records in old, {found.totals['records_in_new']} in new"
                + ("" if found.clean else f"\n{found}"),
            )  # fmt: skip

    def rebalances(self, client):
        """What its members were told since the groups settled, and what is due: one assignment each, at finish. What a
        member had to give up is told before by some libraries only.
        """
        told = Counter(
            name
            for name in ("assigned", "revoked", "lost")
            for e in client.events(name)
            if self.begun <= e["time"] <= self.until
        )
        due = {"assigned": MEMBERS}
        return {name: n for name, n in told.items() if name != "revoked" or n > MEMBERS}, due
