"""Produce and consume, a group with a rebalance (a member joins, others leave), commit and resume: each client, both sides."""

from dataclasses import replace

from client import KINDS
from history import POLL_MAX, all_polled, judge
from operate import create_topics
from report import together

PARTITIONS, COUNT = 4, 300
ONLY_WITH_ALL = ("sarama", "kafka-go", "aiokafka", "kafkajs")  # the cut runs them in every run


def topic(kind, side):
    return f"roundtrip-{kind}-{side}"


def flow(pair, kind, side):
    """Two members; a third joins while records flow; the two leave; the third leaves; a fresh one goes on after the commit."""
    shared = {"topic": topic(kind, side), "group": topic(kind, side), "partitions": PARTITIONS}
    first = pair.client(
        kind,
        side,
        "roundtrip-1",
        roles="produce,consume",
        members=2,
        rate=80,
        count=COUNT,
        **shared,
    )
    first.wait("100 records polled", lambda c: len(c.events("polled")) >= 100)
    second = pair.client(kind, side, "roundtrip-2", roles="consume", **shared)
    second.wait("partitions after joining", lambda c: c.partitions() > 0)
    first.wait("all records answered", lambda c: c.events("produced"))
    first.wait("all records polled", lambda c: all_polled([first, second]))
    first.stop()
    second.wait("all partitions after the others left", lambda c: c.partitions() == PARTITIONS)
    second.stop()
    third = pair.client(
        kind, side, "roundtrip-3", roles="produce,consume", rate=80, count=100, **shared
    )
    third.wait("all records answered", lambda c: c.events("produced"))
    third.wait("all records polled", lambda c: all_polled([third]))
    third.stop()
    return judge([first, second, third])


def good(kind, proxied, direct):
    # kafka-go hands out records of a generation that has ended: repeats by chance at each rebalance
    if kind == "kafka-go":
        direct = replace(direct, repeated=max(direct.repeated, POLL_MAX))
    return proxied.as_good_as(direct)


def run(pair, report):
    kinds = [kind for kind in KINDS if pair.everything or kind not in ONLY_WITH_ALL]
    create_topics(
        pair.old,
        [topic(kind, side) for kind in kinds for side in ("proxied", "direct")],
        PARTITIONS,
    )
    verdicts = {}

    def part(kind, side):
        def body():
            verdicts[kind, side] = flow(pair, kind, side)

        report.guard(
            "roundtrip",
            pair.name,
            f"{kind} {side}",
            body,
            lambda: pair.of("roundtrip", kind, side),
            pair.shunt,
        )

    for kind in kinds:
        together(*[lambda s=side: part(kind, s) for side in ("direct", "proxied")])
        if len([k for k in verdicts if k[0] == kind]) == 2:
            proxied, direct = verdicts[kind, "proxied"], verdicts[kind, "direct"]
            report.compare(
                "roundtrip", pair.name, kind, proxied, direct, good(kind, proxied, direct)
            )
