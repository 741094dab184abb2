"""A group that lags by very many small records reads through the seam at full speed: every record once and in order, beside
the same at old alone.
"""

from drained import Drained, Numbers
from migrate import Migration, create_on_both, unhindered
from operate import create_topics
from report import together

PARTITIONS, SIZE, BEFORE, AFTER = 12, 100, 12_000, 6_000
RECORDS, RECORDS_WITH_ALL = 120_000, 1_200_000
KINDS = ("java", "librdkafka")
SIDES = ("proxied", "direct")


def run(pair, report):
    shunt = pair.own_shunt("lagging", 22, hold_limit="9s").start()
    try:
        report.guard("lagging", pair.name, "all", Scene(pair, report, shunt).run, shunt=shunt)
    finally:
        shunt.kill()


class Scene:
    def __init__(self, pair, report, shunt):
        self.pair, self.report, self.shunt = pair, report, shunt
        self.topics = {side: f"lagging-{pair.old.version}-{side}" for side in SIDES}

    def run(self):
        create_on_both(self.pair, [self.topics["proxied"]], PARTITIONS)
        create_topics(self.pair.old, [self.topics["direct"]], PARTITIONS)
        at = {"proxied": self.shunt.bootstrap, "direct": self.pair.old.bootstrap}
        self.numbers = {side: Numbers(at[side], self.topics[side], PARTITIONS) for side in SIDES}
        self.write(BEFORE)
        left = {(k, s): self.read(k, s, "begin").next for k in KINDS for s in SIDES}
        self.write(RECORDS_WITH_ALL if self.pair.everything else RECORDS)
        migration = Migration(self.shunt, [self.topics["proxied"]])
        moved = unhindered(
            self.report, "lagging", self.pair, lambda *flags: migration.move("new", *flags)
        )
        self.seams = {p["partition"]: p["virtual_start"] for p in moved["partitions"]}
        self.write(AFTER)
        for kind in KINDS:
            self.judge(kind, *(left[kind, side] for side in SIDES))

    def write(self, records):
        together(*[lambda n=numbers: n.write(records, SIZE) for numbers in self.numbers.values()])

    def read(self, kind, side, name):
        topic, ends = self.topics[side], self.numbers[side].ends
        return Drained(
            self.pair, kind, side, self.shunt, f"lagging-{name}", topic, f"{topic}-{kind}", ends, 120
        )

    def judge(self, kind, *left):
        """One side after the other: each has the machine to itself."""
        seen = [self.read(kind, side, "through") for side in SIDES]
        problems = [
            f"{side}: {problem}"
            for side, one, began in zip(SIDES, seen, left)
            for problem in one.problems(began, self.numbers[side].ends)
        ]
        behind = [min(self.seams[p] - at for p, at in left[0].items())]
        behind.append(sum(self.seams[p] - at for p, at in left[0].items()))
        self.report.line(
            not problems and behind[0] > 0, "lagging", self.pair.name, kind,
            f"{behind[1]} records before the seam, {seen[0].count - behind[1]} behind it: "
            f"{seen[0].per_second():.0f} records/s | direct: {seen[1].count} records, {seen[1].per_second():.0f}/s"
            + "".join(f"\n       {p}" for p in problems),
        )  # fmt: skip
