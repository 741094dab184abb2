"""Two minutes under disturbance, every client on both sides: the leader of every partition moved twice, the proxy killed twice;
before that a broker killed and started again, and the group coordinators moved. Nothing lost, nothing repeated beyond the control run.
"""

import time

import sockets
from client import progress
from history import Verdict, all_polled, judge, longest_gap
from operate import bounce_broker, create_topics, move_leaders
from wait import wait_for

PARTITIONS, RATE, STORM_SECONDS = 4, 40, 120
MEMBERS = {"java": 3, "franz-go": 2, "librdkafka": 2, "librdkafka-2.0": 1, "kafka-python": 1}
KEEPS_ADDRESSES = (
    "java",
    "franz-go",
    "kafka-python",
)  # librdkafka goes back to the bootstrap when all is down (probes P9)
SIDES = ("proxied", "direct")


def topic(kind, side):
    return f"storm-{kind}-{side}"


def run(pair, report):
    report.guard(
        "storm",
        pair.name,
        "all",
        lambda: Storm(pair, report).run(),
        lambda: [c for c in pair.clients if c.name.startswith("storm")],
        pair.shunt,
    )


class Storm:
    def __init__(self, pair, report):
        self.pair, self.report, self.clients, self.marks = pair, report, {}, []

    def all(self):
        return list(self.clients.values())

    def run(self):
        self.start()
        begin = time.time()
        self.disturb(
            "broker killed and back", lambda: bounce_broker(self.pair.old, 2, self.progress)
        )
        if self.pair.everything:  # heavy for brokers this small: seconds to half a minute without groups
            self.disturb("coordinators moved", lambda: move_leaders(self.pair.old, internal=True))
        storm = time.time()
        self.disturb("leaders moved", lambda: move_leaders(self.pair.old))
        self.disturb("proxy killed", self.kill_proxy)
        self.disturb("leaders moved", lambda: move_leaders(self.pair.old))
        self.disturb("proxy killed", self.kill_proxy)
        wait_for(
            "the end of the storm",
            lambda: time.time() > storm + STORM_SECONDS,
            STORM_SECONDS + 5,
            every=1,
        )
        self.finish()
        self.judge("broker", begin, storm, Verdict.survives)
        self.judge("storm", storm, float("inf"), Verdict.as_good_as)
        self.say_gaps()

    def start(self):
        create_topics(
            self.pair.old, [topic(kind, side) for kind in MEMBERS for side in SIDES], PARTITIONS
        )
        for kind, members in MEMBERS.items():
            for side in SIDES:
                name = topic(kind, side)
                self.clients[kind, side] = self.pair.client(
                    kind,
                    side,
                    "storm",
                    roles="produce,consume",
                    topic=name,
                    group=name,
                    partitions=PARTITIONS,
                    rate=RATE,
                    linger=50,
                    fetch_wait=250,
                    members=members,
                )
        for client in self.all():
            client.wait(
                "records flow",
                lambda c: len(c.events("polled")) > 20 and c.partitions() == PARTITIONS,
            )

    def disturb(self, what, action):
        """Acts, then waits until every client has sent and read again on every partition."""
        since = time.time()
        action()
        self.progress()
        self.marks.append((what, since, time.time()))

    def progress(self):
        progress(self.all(), PARTITIONS)

    def kill_proxy(self):
        proxied = {kind: self.clients[kind, "proxied"] for kind in KEEPS_ADDRESSES}
        before = {
            kind: sockets.remotes(c.process.pid) - {self.pair.shunt.bootstrap}
            for kind, c in proxied.items()
        }
        self.pair.shunt.kill()
        self.pair.shunt.start()
        self.progress()
        for kind, client in proxied.items():
            after = sockets.remotes(client.process.pid) - {self.pair.shunt.bootstrap}
            self.report.line(
                # Java 4 goes back to the bootstrap when no node it knows can be reached (KIP-899),
                # so some of its instances may begin anew; scenario protocol pins the addresses down.
                bool(after & before[kind])
                and (kind == "java" or len(after - before[kind]) <= 4),
                "identity",
                self.pair.name,
                kind,
                f"after SIGKILL and start at {len(after & before[kind])} of {len(before[kind])} addresses as before, {len(after - before[kind])} others",
            )

    def finish(self):
        for client in self.all():
            client.quiet()
        for client in self.all():
            client.wait("all records polled", lambda c: all_polled([c]), 60)
        for client in self.all():
            client.stop()

    def judge(self, scenario, since, until, good):
        killed = [(a, b) for what, a, b in self.marks if what == "proxy killed"]
        for kind in MEMBERS:
            proxied = judge([self.clients[kind, "proxied"]], since, until, killed)
            direct = judge([self.clients[kind, "direct"]], since, until)
            self.report.compare(
                scenario, self.pair.name, kind, proxied, direct, good(proxied, direct)
            )

    def say_gaps(self):
        for what, since, until in self.marks:
            gaps = {
                f"{kind} {side}": f"{longest_gap([c], 'acked', since, until):.1f}/{longest_gap([c], 'polled', since, until):.1f}"
                for (kind, side), c in self.clients.items()
            }
            print(
                f"     {what} ({self.pair.name}), longest silence of acks/polls in s: "
                + ", ".join(f"{k} {v}" for k, v in gaps.items()),
                flush=True,
            )
