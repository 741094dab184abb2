"""The hand-over of groups at finish, disturbed: the daemon dies at each of its steps and is started again; a member sleeps
before it, or in the middle of it; members that are static or cooperative; a committer without membership. A topic, a group and
a migration for each, all at one daemon; the group's control reads directly at old, undisturbed.
"""

import signal
import subprocess
import time

import confluent_kafka as ck
from client import progress
from history import all_polled, judge
from migrate import Evidence, Migration, create_on_both, segments
from operate import create_topics
from sidecar import CTL
from wait import wait_for

PARTITIONS, RATE = 4, 20
UNREACHABLE, BLOCKED = 6, 3  # exit codes of shuntctl
COOPERATIVE = {"partition__assignment__strategy": "cooperative-sticky"}
STATIC = {"members": 1, "group__instance__id": "the-one"}
# Where the daemon dies -> whose group it is. H1 the placeholder is in at new, H2 the barrier stands, H3 all have come, H4
# the offsets are on new, H5 it is journaled, H6 the joins go on, H7 the group is stable at new, H8 the migration has finished.
STEPS = {
    "H1": ("librdkafka", COOPERATIVE | {"members": 2}),
    "H2": ("franz-go", {"members": 2}),
    "H3": ("java", STATIC),
    "H4": ("kafka-python", {"members": 2}),
    "H5": ("librdkafka", STATIC),
    "H6": ("aiokafka", {"members": 2}),
    "H7": ("kafka-python", {"members": 2}),
    "H8": ("franz-go", {"members": 2}),
}
HANDED = "H5"  # from here on it only goes forward
# Two processes of one member each; a session that ends before the barrier's limit does, were nobody to heartbeat for it.
SLEEPERS = {"session__timeout__ms": 8000, "heartbeat__interval__ms": 1000}


def run(pair, report):
    shunt = pair.own_shunt("handover", 48, level="debug", hold_limit="9s").start()
    scene = Handovers(pair, report, shunt)
    try:
        report.guard("handover", pair.name, "scene", scene.run, scene.clients.values, shunt)
    finally:
        for client in scene.clients.values():
            client.end()
        shunt.kill()


class Handovers:
    def __init__(self, pair, report, shunt):
        self.pair, self.report, self.shunt = pair, report, shunt
        self.clients, self.migrations, self.down = {}, {}, []

    def line(self, ok, who, text):
        return self.report.line(ok, "handover", self.pair.name, who, text)

    def topic(self, name):
        return f"handover-{self.pair.old.version}-{name}"

    def run(self):
        self.start()
        for step in STEPS:
            self.die(step)
        self.sleeps()
        self.commits_alone()
        self.end()
        self.judge()

    # ---- begin -----------------------------------------------------------------------------------------------------------
    def start(self):
        self.names = [*STEPS, "asleep", "simple"]
        create_on_both(self.pair, [self.topic(name) for name in self.names], PARTITIONS)
        create_topics(self.pair.old, [self.topic("control")], PARTITIONS)
        for name in STEPS:
            kind, options = STEPS[name]
            self.add(name, kind, "proxied", self.topic(name), **options)
        self.add("asleep", "librdkafka", "proxied", self.topic("asleep"), members=1, **SLEEPERS)
        self.add("asleep-2", "librdkafka", "proxied", self.topic("asleep"), members=1, roles="consume", **SLEEPERS)
        self.add("simple", "librdkafka", "proxied", self.topic("simple"), roles="produce")
        self.committer = Committer(self.shunt.bootstrap, self.topic("simple"), self.clients["simple"])
        self.committer.go_on()
        self.add("control", "librdkafka", "direct", self.topic("control"), members=2)
        for name in STEPS:
            self.clients[name].wait("holds all partitions", lambda c: c.partitions() == PARTITIONS)
        wait_for("both sleepers to hold partitions", lambda: self.held() == [PARTITIONS // 2] * 2, 60)
        self.alive(*STEPS, "control")
        self.begun = time.time()
        for name in self.names:
            m = self.migrations[name] = Migration(self.shunt, [self.topic(name)], wait=True)
            m.move("new")
            m.move_groups("--all")
        self.alive(*STEPS, "control")

    def add(self, name, kind, side, topic, roles="produce,consume", **options):
        self.clients[name] = self.pair.client(
            kind, side, f"handover-{name}", self.shunt, roles=roles, topic=topic, group=topic, partitions=PARTITIONS, rate=RATE,
            **options,
        )  # fmt: skip

    def alive(self, *names):
        progress([self.clients[name] for name in names], PARTITIONS)

    def held(self):
        return [self.clients[name].partitions() for name in ("asleep", "asleep-2")]

    def finish(self, name):
        return self.shunt.ctl("finish", "--migration", self.migrations[name].id)

    def coordinator(self, name):
        def listed():
            seen = {g["group"]: g["coordinator"] for g in self.migrations[name].ask("groups")["groups"]}
            return seen.get(self.topic(name))

        return wait_for("the group to be listed", listed, 10)

    # ---- the daemon dies --------------------------------------------------------------------------------------------------
    def die(self, step):
        begin = time.time()
        self.shunt.drain()
        self.shunt.start(SHUNT_DIE_AT=step)
        self.alive(step)
        told, answer = self.finish(step)
        if told != UNREACHABLE:
            raise RuntimeError(f"finish, to die at {step}: exit {told}: {answer}")
        wait_for("the daemon's death", lambda: not self.shunt.program.alive(), 30)
        self.shunt.start()
        self.down.append((begin, time.time()))
        state, home = self.migrations[step].status()["state"], self.coordinator(step)
        back, refused = self.shunt.ctl("undo", "--migration", self.migrations[step].id) if step >= HANDED else (None, {})
        self.alive(step)
        again, done = self.finish(step)
        self.alive(step)
        expected = ("moving", "old") if step < HANDED else ("finishing" if step < "H8" else "finished", "new")
        ok = (
            told == UNREACHABLE
            and (state, home) == expected
            and (back is None or back == BLOCKED)
            and again == 0
            and done["migration"]["state"] == "finished"
            and self.coordinator(step) == "new"
        )
        kind = STEPS[step][0]
        self.line(
            ok, f"SIGKILL at {step}",
            f"{kind}: the command: exit {told}; after the start: {state}, its home is {home}"
            + (f", undo: {refused['error']['code']}" if back else "")
            + f"; finish again: exit {again}, {(done or {}).get('groups') or (done or {}).get('error')}; all goes on",
        )  # fmt: skip

    # ---- a member sleeps --------------------------------------------------------------------------------------------------
    def sleeps(self):
        sleeper = self.clients["asleep-2"]
        sleeper.process.send_signal(signal.SIGSTOP)
        try:
            code, refused = self.finish("asleep")
        finally:
            sleeper.process.send_signal(signal.SIGCONT)
        blockers = [(b["id"], b["target"]) for b in (refused or {}).get("blockers", [])]
        self.line(
            code == BLOCKED and blockers == [("group.asleep", self.topic("asleep"))] and self.coordinator("asleep") == "old",
            "asleep before it", f"exit {code}: {refused['error']['message'] if refused else None}",
        )  # fmt: skip
        self.alive("control")
        wait_for("both sleepers to hold partitions", lambda: self.held() == [PARTITIONS // 2] * 2, 60)
        if self.pair.everything:
            self.sleeps_in_it(sleeper)
        code, done = self.finish("asleep")
        groups = (done or {}).get("groups")
        self.line(code == 0 and groups[0]["members"] == 2, "awake again", f"finish: exit {code}, {groups}")

    def sleeps_in_it(self, sleeper):
        """It falls asleep when the barrier stands: the others wait for it, are kept alive at old meanwhile, and go back."""
        log, seen = self.shunt.program.log, self.shunt.program.log.read_text().count("handover.barrier")
        words = ["finish", "--migration", self.migrations["asleep"].id]
        running = subprocess.Popen([str(CTL), "--socket", str(self.shunt.socket), *words], stdout=subprocess.DEVNULL)
        wait_for("the barrier", lambda: log.read_text().count("handover.barrier") > seen, 20)
        sleeper.process.send_signal(signal.SIGSTOP)
        try:
            code = running.wait(60)
        finally:
            sleeper.process.send_signal(signal.SIGCONT)
        self.line(code in (BLOCKED, 0), "asleep in it", f"finish: exit {code} (0: it had come before)")
        wait_for("both sleepers to hold partitions", lambda: self.held() == [PARTITIONS // 2] * 2, 90)

    # ---- who commits without being a member ---------------------------------------------------------------------------------
    def commits_alone(self):
        self.committer.go_on()
        code, done = self.finish("simple")
        self.line(
            code == 0 and [g["members"] for g in done["groups"]] == [0] and self.coordinator("simple") == "new",
            "a simple committer", f"finish: exit {code}, {(done or {}).get('groups')}",
        )  # fmt: skip
        kept = self.committer.go_on()
        self.line(kept, "a simple committer", f"goes on at new, {len(self.committer.read)} records read, every commit is there")

    # ---- end --------------------------------------------------------------------------------------------------------------
    def end(self):
        self.alive(*STEPS, "control")
        producing = [c for name, c in self.clients.items() if name != "asleep-2"]
        for client in producing:
            client.quiet()
        for client in (c for c in producing if c is not self.clients["simple"]):
            both = [self.clients["asleep"], self.clients["asleep-2"]] if client is self.clients["asleep"] else [client]
            client.wait("all records polled", lambda c, both=both: all_polled(both), 60)
        for client in self.clients.values():
            client.stop()
        self.committer.close()
        code = self.shunt.drain()
        self.line(code == 0, "SIGTERM", f"exit {code}")

    def judge(self):
        moves = [move for m in self.migrations.values() for move in m.moves]
        topics = [self.topic(name) for name in self.names]
        evidence = Evidence(self.pair, self.pair.folder / "handover", [*topics, self.topic("control")], topics, segments(moves))
        control = judge([self.clients["control"]], self.begun)
        sent = {e["value"] for e in self.clients["simple"].events("acked")}
        got = [value for _, _, value in self.committer.read]
        self.line(
            len(got) == len(set(got)) > 0 and set(got) <= sent and self.committer.in_order(), "simple",
            f"{len(got)} records read of {len(sent)}, each once and in order",
        )  # fmt: skip
        for name in (n for n in self.names if n != "simple"):
            mine = [self.clients[n] for n in (("asleep", "asleep-2") if name == "asleep" else (name,))]
            verdict = judge(mine, self.begun, outages=self.down)
            # What a member that slept, or whose daemon died, had not committed is read again: by whoever has it then.
            once = verdict.acked > 0 and not any(
                (verdict.lost, verdict.misplaced, verdict.disordered, verdict.stored_twice, verdict.failed)
            )
            found = evidence.check(mine, self.topic(name))
            self.line(
                once and found.clean, f"{name} {mine[0].kind}",
                f"{verdict} | control: {control}; in both clusters: {found.found() or 'as sent'}"
                + ("" if found.clean else f"\n{found}"),
            )  # fmt: skip


class Committer:
    """Assigns partitions to itself, reads, and commits as a group that has no members (as Flink and Spark do)."""

    def __init__(self, bootstrap, topic, producer):
        self.topic, self.producer, self.read = topic, producer, []
        self.places = {p: 0 for p in range(PARTITIONS)}
        self.consumer = ck.Consumer(
            {"bootstrap.servers": bootstrap, "group.id": topic, "enable.auto.commit": False, "auto.offset.reset": "earliest"}
        )
        self.consumer.assign([ck.TopicPartition(topic, p, 0) for p in self.places])

    def go_on(self):
        """Reads all that is there by now, commits it, and sees its commits: True, or what they are otherwise."""
        wanted = len(self.producer.events("acked"))
        wait_for("all of it to be read", lambda: self._poll() or len(self.read) >= wanted, 60, every=0)
        self.consumer.commit(
            offsets=[ck.TopicPartition(self.topic, p, at) for p, at in self.places.items()], asynchronous=False
        )
        told = self.consumer.committed([ck.TopicPartition(self.topic, p) for p in self.places], timeout=20)
        return {t.partition: t.offset for t in told} == self.places

    def _poll(self):
        message = self.consumer.poll(0.1)
        if message is not None and message.error() is None:
            self.read.append((message.partition(), message.offset(), message.value().decode()))
            self.places[message.partition()] = message.offset() + 1

    def in_order(self):
        return all(
            offsets == sorted(offsets)
            for p in self.places
            for offsets in [[offset for partition, offset, _ in self.read if partition == p]]
        )

    def close(self):
        self.consumer.close()
