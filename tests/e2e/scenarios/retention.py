"""Retention and compaction eat records that a group has not read yet: at the log's head it is told so, as a broker would;
inside the log it goes on behind the gap, with an event; a tail compacted away before a seam is crossed.
"""

import json
from concurrent.futures import ThreadPoolExecutor

import confluent_kafka as ck
from confluent_kafka.admin import AdminClient

from drained import Drained, Numbers
from migrate import Migration, create_on_both, unhindered
from operate import create_topics
from wait import wait_for

PARTITIONS = 4
KINDS, KINDS_WITH_ALL = ("librdkafka",), ("java", "librdkafka")
SIDES = ("proxied", "direct")
STRICT = {"java": "none", "librdkafka": "error"}  # auto.offset.reset: tell the application


def run(pair, report):
    shunt = pair.own_shunt("retention", 23, level="debug", hold_limit="9s").start()
    try:
        for part in (Head, Middle, Compacted):
            scene = part(pair, report, shunt)
            report.guard("retention", pair.name, scene.name, scene.run, shunt=shunt)
    finally:
        shunt.kill()


class Scene:
    """A topic behind the proxy, and where a single cluster can show the same, one at old alone."""

    sides = SIDES

    def __init__(self, pair, report, shunt):
        self.pair, self.report, self.shunt = pair, report, shunt
        self.kinds = KINDS_WITH_ALL if pair.everything else KINDS
        self.topics = {s: f"retention-{self.name}-{pair.old.version}-{s}" for s in self.sides}
        self.topic = self.topics["proxied"]

    def numbers(self, **settings):
        at = {"proxied": self.shunt.bootstrap, "direct": self.pair.old.bootstrap}
        self.writers = {s: Numbers(at[s], self.topics[s], PARTITIONS, **settings) for s in self.sides}
        self.ends = self.writers["proxied"].ends

    def write(self, each, **how):
        """So many records to each partition, on every side."""
        for writer in self.writers.values():
            writer.write(each * PARTITIONS, 100, **how)

    def move(self, step):
        return unhindered(self.report, "retention", self.pair, step)

    def start(self, *flags):
        self.migration = Migration(self.shunt, [self.topic], *flags)

    def to_new(self, *flags):
        return self.migration.move("new", *flags)

    def read(self, name, group, ends=None, **settings):
        """{(kind, side): Drained}: each library's group reads to the ends there are now, or to these."""
        ends = list(ends or self.ends)
        places = [(kind, side) for kind in self.kinds for side in self.sides]

        def one(place):
            kind, side = place
            own = {key: words[kind] for key, words in settings.items()}
            topic = self.topics[side]
            return Drained(
                self.pair, kind, side, self.shunt, f"{self.name}-{group}-{name}", topic,
                f"{topic}-{group}-{kind}", ends, 40, **own,
            )  # fmt: skip

        with ThreadPoolExecutor(len(places)) as pool:
            return dict(zip(places, pool.map(one, places)))

    def judge(self, who, seen, began, jumps):
        """Every side has read from where it began to the ends, but for these jumps."""
        problems = [
            f"{kind} {side}: {problem}"
            for (kind, side), one in seen.items()
            for problem in one.problems(began, self.ends, jumps)
        ]
        words = ", ".join(f"{p}: {since} to {to}" for p, since, to in jumps) or "none"
        self.say(who, problems, f"{len(seen)} groups jump {words}")

    def say(self, who, problems, text):
        self.report.line(
            not problems, "retention", self.pair.name, f"{self.name} {who}"[:15],
            text + "".join(f"\n       {p}" for p in problems),
        )  # fmt: skip

    def at(self, offset):
        """Where a group stands that has read to there."""
        return dict.fromkeys(range(PARTITIONS), offset)


def delete_before(cluster, topic, offsets):
    """DeleteRecords directly at a cluster, as retention does it: {partition: native offset}."""
    places = [ck.TopicPartition(topic, p, at) for p, at in offsets.items()]
    admin = AdminClient({"bootstrap.servers": cluster.bootstrap})
    for place, done in admin.delete_records(places).items():
        low = done.result(20).low_watermark
        if low != place.offset:
            raise RuntimeError(f"{place}: the log starts at {low}")


class Head(Scene):
    """Old's retention eats the beginning of the virtual log: what a broker answers, and the client's own word on it."""

    name = "head"
    LEFT, SEAM = 100, 400
    GONE = {0: 50, 1: 300, 2: SEAM, 3: 0}  # before the group, ahead of it, all up to the seam, nothing

    def run(self):
        create_on_both(self.pair, [self.topic], PARTITIONS)
        create_topics(self.pair.old, [self.topics["direct"]], PARTITIONS)
        self.numbers()
        self.write(self.LEFT)
        self.read("begin", "lags")
        self.read("begin", "strict")
        self.write(self.SEAM - self.LEFT)
        self.start()
        self.move(self.to_new)
        self.write(100)
        for topic in self.topics.values():
            delete_before(self.pair.old, topic, {p: at for p, at in self.GONE.items() if at})
        self.strict()
        jumps = [[p, self.LEFT, at] for p, at in self.GONE.items() if at > self.LEFT]
        self.judge("lags", self.read("through", "lags"), self.at(self.LEFT), jumps)
        start = [[p, 0, at] for p, at in self.GONE.items() if at]
        self.judge("earliest", self.read("through", "earliest"), self.at(0), start)

    def strict(self):
        """Without auto.offset.reset the application is told; nothing is skipped in silence."""
        seen = self.read("through", "strict", c__auto__offset__reset=STRICT)
        problems = []
        for (kind, side), one in seen.items():
            told = " ".join(one.errors).lower()
            if "range" not in told:
                problems.append(f"{kind} {side} was told: {told or 'nothing'}")
            if one.jumps or one.next.get(1) or one.next.get(2):
                problems.append(f"{kind} {side} read on: {one.next}, jumps {one.jumps}")
        self.say("strict", problems, f"{len(seen)} applications told that they are out of range")


class Middle(Scene):
    """New's retention eats a segment between two of old's: jumped over in every group, never back to the beginning (C3)."""

    name, sides = "middle", ("proxied",)  # one cluster has nothing like it
    FIRST, SEAM, SECOND, THIRD, BACK = 50, 100, 150, 200, 400
    GONE = {1: THIRD, 2: BACK, 3: 130}  # virtual: some of it, all of it, a part of the first batch
    LOST = {1: THIRD, 2: BACK}  # a broker shows that batch whole

    def run(self):
        create_on_both(self.pair, [self.topic], PARTITIONS)
        self.numbers()
        self.write(self.FIRST)
        self.read("begin", "first")
        self.write(self.SEAM - self.FIRST)
        self.start()
        moved = self.move(self.to_new)
        self.write(self.SECOND - self.SEAM)
        self.read("begin", "second")
        self.write(self.THIRD - self.SECOND)
        self.write(self.BACK - self.THIRD)
        self.move(self.migration.undo)
        self.write(100)
        native = {p["partition"]: p["new_start"] - p["virtual_start"] for p in moved["partitions"]}
        delete_before(self.pair.new, self.topic, {p: at + native[p] for p, at in self.GONE.items()})
        inside = [[p, self.SEAM, at] for p, at in self.LOST.items()]
        ahead = [[p, self.SECOND, at] for p, at in self.LOST.items()]
        self.judge("first", self.read("through", "first"), self.at(self.FIRST), inside)
        self.judge("second", self.read("through", "second"), self.at(self.SECOND), ahead)
        self.judge("earliest", self.read("through", "earliest"), {}, inside)
        self.events(inside + ahead)
        code, proof = self.shunt.ctl("verify")
        problems = [] if code == 0 and proof["ok"] else [f"exit {code}: {(proof or {}).get('problems')}"]
        self.say("verify", problems, "the clusters prove what is left of it")

    def events(self, jumps):
        """Each jump was told, with its count, and no other."""
        seen = []
        for event in self.told():
            seen.append([event["partition"], event["from"], event["to"]])
            if event["records"] != event["to"] - event["from"]:
                seen.append(event)
        missing = [j for j in jumps if j not in seen]
        others = [j for j in seen if j not in jumps]
        problems = [f"{name}: {found}" for name, found in (("missing", missing), ("others", others)) if found]
        self.say("events", problems, f"{len(seen)} retention-gap of {len(jumps)} different jumps")

    def told(self):
        seen = [json.loads(line) for line in self.shunt.get("/events")[1].splitlines()]
        return [e for e in seen if e["event"] == "retention-gap" and e["topic"] == self.topic]


class Compacted(Scene):
    """Compaction leaves nothing before a seam: the last records of old's first segment are newer in its second one (C2)."""

    name = "compacted"
    LEFT, HOLE, INSIDE, SEAM, BACK = 150, 200, 250, 300, 400
    CONFIG = {
        "cleanup.policy": "compact",
        "min.cleanable.dirty.ratio": "0.001",
        "segment.bytes": "16000",  # only what is not written to any more is compacted
    }

    def run(self):
        create_topics(self.pair.old, list(self.topics.values()), PARTITIONS, self.CONFIG)
        create_topics(self.pair.new, [self.topic], PARTITIONS)
        self.numbers(**{"batch.size": 4000})
        self.keyed(self.LEFT)
        self.read("begin", "far")
        self.keyed(self.INSIDE - self.LEFT)
        self.read("begin", "hole")
        self.keyed(self.SEAM - self.INSIDE)
        self.start("--accept-history")
        self.move(self.to_new)
        self.keyed(self.BACK - self.SEAM)
        self.move(self.migration.undo)
        back = self.BACK - self.HOLE
        self.write(self.SEAM - self.HOLE, keys=lambda at: f"key:{at - back}")
        self.keyed(300)
        for topic in self.topics.values():
            wait_for(f"{topic} to be compacted", lambda t=topic: self.hole(t), 60, every=0.5)
        jumps = [[p, self.HOLE, self.SEAM] for p in range(PARTITIONS)]
        self.judge("far", self.read("through", "far"), self.at(self.LEFT), jumps)
        jumps = [[p, self.INSIDE, self.SEAM] for p in range(PARTITIONS)]
        self.judge("hole", self.read("through", "hole"), self.at(self.INSIDE), jumps)

    def keyed(self, each):
        self.write(each, keys=lambda at: f"key:{at}")

    def hole(self, topic):
        """True when old itself has nothing of the hole left; its records behind it begin at the seam."""
        consumer = ck.Consumer({"bootstrap.servers": self.pair.old.bootstrap, "group.id": "none"})
        consumer.assign([ck.TopicPartition(topic, p, self.HOLE) for p in range(PARTITIONS)])
        first, seen = {}, True
        while seen and len(first) < PARTITIONS:
            seen = consumer.consume(500, 2)
            for m in seen:
                first.setdefault(m.partition(), m.offset())
        consumer.close()
        return first == dict.fromkeys(range(PARTITIONS), self.SEAM)
