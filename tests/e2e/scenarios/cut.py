"""The cut under all clients: production goes to new, back, and to new again, and back and to new once more, while each
library produces and two members of its group consume. Nothing is lost, repeated, misplaced or out of order, no member is
disturbed and no connection ended; each library has its control directly at old.
"""

import os
import time

import pauses
from client import progress
from cluster import REPO
from history import all_polled, judge
from migrate import Evidence, Migration, closed, create_on_both, unhindered
from operate import create_topics
from wait import wait_for

PARTITIONS, MEMBERS, RATE, RATE_WITH_ALL = 12, 2, 60, 500
SLOW = {"kafka-go"}  # its Writer cannot keep up with more, directly at old either
# All at once are more than two processors carry with their control runs; three make three topics a migration.
BATCHES = (
    ("java", "librdkafka", "kafka-go"),
    ("franz-go", "kafka-python", "kafkajs"),
    ("sarama", "aiokafka", "librdkafka-2.0"),
)
SIDES = ("proxied", "direct")
RESETS = {"kafka-go"}  # ends a connection with a Fetch under way whenever it turns to another leader
AROUND = 1.0  # seconds before and behind a cut that belong to it when pauses are measured
HOLD_LIMIT_MS = 9000
TABLE = REPO / "tests" / "PAUSES.md"
rows, held = {}, {}  # of all pairs: (pair, kind) -> (proxied, control), pair -> Held


def run(pair, report):
    held[pair.name] = pauses.Held()
    shunt = pair.own_shunt("cut", 20, level="debug", hold_limit=f"{HOLD_LIMIT_MS}ms").start()
    try:
        for number, kinds in enumerate(BATCHES):
            batch = Batch(pair, report, shunt, number, kinds)
            report.guard(
                "cut", pair.name, "+".join(kinds), batch.run, lambda b=batch: b.all(), shunt
            )
            for client in batch.all():
                client.end()
        code = shunt.drain()
        report.line(code == 0, "cut", pair.name, "SIGTERM", f"exit {code}")
        report.line(bool(held[pair.name].ms), "cut", pair.name, "held", str(held[pair.name]))
        if pair.everything:
            words = {"rate": RATE_WITH_ALL, "slow": RATE, "around": AROUND, "processors": os.cpu_count()}
            words["load"] = os.getloadavg()[2]
            TABLE.write_text(pauses.table(rows, held, **words))
    finally:
        shunt.kill()


class Batch:
    """A few libraries, a topic each, in one migration."""

    def __init__(self, pair, report, shunt, number, kinds):
        self.pair, self.report, self.shunt, self.kinds = pair, report, shunt, kinds
        self.folder = pair.folder / f"cut-{number}"
        self.clients, self.cuts = {}, []
        # Both pairs have one new cluster: names are the pair's own.
        self.topics = {
            (kind, side): f"cut-{pair.old.version}-{kind}-{side}" for kind in kinds for side in SIDES
        }

    def all(self):
        return list(self.clients.values())

    def of(self, side):
        return [self.topics[kind, side] for kind in self.kinds]

    def run(self):
        create_on_both(self.pair, self.of("proxied"), PARTITIONS)
        create_topics(self.pair.old, self.of("direct"), PARTITIONS)
        self.start()
        self.migration = Migration(self.shunt, self.of("proxied"))
        ended = closed(self.shunt)
        for go in (self.to_new, self.back, self.to_new, self.back, self.to_new):
            self.cut(go)
        self.say_ended(ended, closed(self.shunt))
        around = self.cuts[-1]["end"] + AROUND  # what clients are told until then is a cut's doing
        wait_for("the time around the last cut", lambda: time.time() > around, 2 * AROUND)
        for client in self.all():
            client.quiet()
        for client in self.all():
            client.wait("all records polled", lambda c: all_polled([c]), 60)
        for client in self.all():
            client.stop()
        self.pauses()
        self.judge()

    def start(self):
        for (kind, side), topic in self.topics.items():
            self.clients[kind, side] = self.pair.client(
                kind, side, "cut", self.shunt, roles="produce,consume", topic=topic, group=topic,
                partitions=PARTITIONS, members=MEMBERS,
                rate=RATE_WITH_ALL if self.pair.everything and kind not in SLOW else RATE,
            )  # fmt: skip
        for client in self.all():
            client.wait(
                "all partitions held by all members",
                lambda c: c.partitions() == PARTITIONS and c.members() == MEMBERS,
            )
        progress(self.all(), PARTITIONS)
        self.begun = time.time()  # groups form before: at a rebalance kafka-go repeats by chance

    def to_new(self, *flags):
        return self.migration.move("new", *flags)

    def back(self, *flags):
        return self.migration.undo(*flags)

    def cut(self, go):
        moved = unhindered(self.report, "cut", self.pair, go)
        progress(self.all(), PARTITIONS)
        self.cuts.append(moved)
        ends = {p["old_end"] - p["new_start"] for p in moved["partitions"]}
        self.report.line(
            moved["changed"] and len(moved["partitions"]) == PARTITIONS * len(self.kinds),
            "cut", self.pair.name, f"to {moved['to']}",
            f"{len(moved['partitions'])} partitions held {moved['held_ms_max']} ms, the command took "
            f"{moved['end'] - moved['begin']:.2f} s; {len(ends)} differences of the ends",
        )  # fmt: skip

    def pauses(self):
        """Told beside the control's; only what no hold explains fails."""
        expected = self.migration.plan["hold_ms_expected"]
        said = any(f"about {expected} ms" in s["action"] for s in self.migration.plan["steps"])
        self.report.line(
            expected > 0 and said, "cut", self.pair.name, "plan", f"producers wait about {expected} ms"
        )  # fmt: skip
        held[self.pair.name].add(self.cuts, expected)
        spans = [(moved["begin"] - AROUND, moved["end"] + AROUND) for moved in self.cuts]
        for kind in self.kinds:
            mine, control = (pauses.waits(self.clients[kind, side], spans) for side in SIDES)
            rows[self.pair.name, kind] = mine, control
            self.report.line(
                max(mine.longest - control.longest, mine.silence - control.silence) < HOLD_LIMIT_MS,
                "cut", self.pair.name, kind, f"longest pause {mine} | direct: {control}",
            )  # fmt: skip

    def say_ended(self, before, after):
        more = {cause: n - before.get(cause, 0) for cause, n in after.items()}
        more = {cause: n for cause, n in more.items() if n}
        allowed = {"client_reset"} if RESETS & set(self.kinds) else set()
        self.report.line(
            set(more) <= allowed, "cut", self.pair.name, "connections",
            f"ended during the cuts: {more or 'none'}",
        )  # fmt: skip

    def judge(self):
        groups = [self.topics[kind, "proxied"] for kind in self.kinds]
        evidence = Evidence(
            self.pair, self.folder, list(self.topics.values()), groups, self.migration.segments()
        )
        for kind in self.kinds:
            self.judge_kind(kind, evidence)

    def judge_kind(self, kind, evidence):
        proxied, direct = (self.clients[kind, side] for side in SIDES)
        verdicts = judge([proxied], self.begun), judge([direct], self.begun)
        self.report.compare(
            "cut", self.pair.name, kind, *verdicts, verdicts[0].as_good_as(verdicts[1])
        )
        found = evidence.check([proxied], self.topics[kind, "proxied"])
        control = evidence.check([direct])
        disturbed = self.rebalances(proxied)
        self.report.line(
            found.no_worse_than(control) and not disturbed, "cut", self.pair.name, kind,
            f"in both clusters: {found.found() or 'as sent'}, apart {sum(found.apart.values())}; "
            f"rebalances: {disturbed or 'none'}; {found.totals['records_in_old']} records in old, "
            f"{found.totals['records_in_new']} in new"
            + ("" if found.clean else f"\n{found}\ncontrol: {control}"),
        )  # fmt: skip

    def rebalances(self, client):
        """What its members were told between the first command and the last cut's end."""
        since, until = self.cuts[0]["begin"], self.cuts[-1]["end"] + AROUND
        return [
            (name, e["member"])
            for name in ("assigned", "revoked", "lost")
            for e in client.events(name)
            if since <= e["time"] <= until
        ]
