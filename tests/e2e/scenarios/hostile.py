"""Hostile clients and broken brokers beside honest clients: each bad connection ends with its cause and few lines in the log,
nobody else notices, memory and file descriptors stay bounded. The table of frames is in hostile_frames.py.
"""

from client import progress
from history import all_polled, judge
from honest import HUNG, Honest
from hostile_broker import broken_brokers
from hostile_crowd import crowd_beside_honest, out_of_descriptors
from hostile_table import floods, slow_rows, table, versions_of_later
from operate import create_topics

PARTITIONS = 4
RESIDENT_MAX_KIB = 128 * 1024
PROGRESS = "2s"  # limits.progress where rows are to reach it


def run(pair, report):
    topic = f"hostile-{pair.old.version}"
    create_topics(pair.old, [topic, f"{topic}-raw"], PARTITIONS)
    for name, part in (("clients", clients), ("brokers", brokers), ("crowd", crowd)):
        shunts = []
        report.guard("hostile", pair.name, name, lambda: part(Scene(pair, report, topic, shunts)))
        for shunt in shunts:
            shunt.kill()


class Scene:
    """A daemon for a part, the clients beside it, and what is asked of it at the end."""

    def __init__(self, pair, report, topic, shunts):
        self.pair, self.report, self.topic, self.shunts = pair, report, topic, shunts

    def start(self, name, number, **options):
        self.shunt = self.another(name, number, **options)
        return self.shunt

    def another(self, name, number, **options):
        shunt = self.pair.own_shunt(f"hostile-{name}", number, **options)
        self.shunts.append(shunt)  # whether it starts or not
        return shunt.start()

    def honest(self):
        return Honest(self.shunt, f"{self.topic}-raw")

    def check(self, who, problems, text):
        tail = "".join(f"\n       {p}" for p in problems[:8])
        return self.report.line(not problems, "hostile", self.pair.name, who, text + tail)

    def unhurt(self, who, honest):
        """Ends an honest client that asked in the background."""
        honest.stop().close()
        slowest = max(honest.waits, default=HUNG)
        problems = [honest.error] if honest.error else []
        problems += [] if slowest < HUNG else [f"an answer took {slowest:.1f} s"]
        self.check(who, problems, f"an honest client beside: {len(honest.waits)} requests on one connection, slowest {slowest * 1000:.0f} ms")

    def bounded(self, who):
        most = self.shunt.memory_high_kib()
        problems = [] if most < RESIDENT_MAX_KIB else ["too much"]
        self.check(who, problems, f"most resident {most} KiB of {RESIDENT_MAX_KIB}")

    def drained(self, who):
        code = self.shunt.drain()
        self.check(who, [f"exit {code}"] if code else [], "SIGTERM: drained")


def clients(scene):
    """Every row of the table, the slow ones, the floods; a real client and one on raw protocol beside them."""
    shunt = scene.start("clients", 13, limits={"progress": PROGRESS})
    real = scene.pair.client(
        "librdkafka", "proxied", "hostile", shunt, roles="produce,consume", topic=scene.topic,
        group=scene.topic, partitions=PARTITIONS, rate=100,
    )  # fmt: skip
    progress([real], PARTITIONS)
    honest = scene.honest().start()
    for part in (table, versions_of_later, slow_rows, floods):
        part(scene)
    scene.unhurt("clients", honest)
    progress([real], PARTITIONS)
    real.quiet().wait("all records polled", lambda c: all_polled([c]))
    verdict = judge([real.stop()])
    scene.check("librdkafka", [] if verdict.clean() else ["not as without"], str(verdict))
    scene.bounded("clients")
    scene.drained("clients")


def brokers(scene):
    broken_brokers(scene, PROGRESS)


def crowd(scene):
    scene.start("crowd", 14)
    honest = scene.honest()
    crowd_beside_honest(scene, honest)
    out_of_descriptors(scene, honest)
    honest.close()
    scene.bounded("crowd")
    scene.drained("crowd")
