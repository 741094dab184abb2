"""How long clients wait around cuts: producers for their acknowledgements, members for records; and the table of it."""

from dataclasses import dataclass
from statistics import quantiles

from history import longest_gap


@dataclass
class Waits:
    """In milliseconds, over some cuts and what lies around them."""

    longest: float  # from sending a record to its acknowledgement
    p99: float  # of all records sent in that time
    silence: float  # without a record for any member

    def __str__(self):
        return f"{self.longest:.0f} ms, p99 {self.p99:.0f} ms, silence {self.silence:.0f} ms"


def waits(client, spans):
    """Of one client in these spans of time, which are over."""
    acked = {e["value"]: e["time"] for e in client.events("acked")}
    pauses = [
        (acked[e["value"]] - e["time"]) * 1000
        for e in client.events("sent")
        if e["value"] in acked and any(a <= e["time"] <= b for a, b in spans)
    ]
    if len(pauses) < 100:
        raise RuntimeError(f"{client.name}: {len(pauses)} records around the cuts say nothing")
    silences = [longest_gap([client], "polled", a, b) * 1000 for a, b in spans]
    return Waits(max(pauses), quantiles(pauses, n=100)[98], max(silences))


class Held:
    """What the daemon says it held each partition, over all cuts of a pair; and what `plan` had expected."""

    def __init__(self):
        self.ms, self.cuts, self.expected = [], 0, set()

    def add(self, moves, expected):
        self.ms += [p["held_ms"] for move in moves for p in move["partitions"]]
        self.cuts += len(moves)
        self.expected.add(expected)

    def __str__(self):
        cuts = quantiles(self.ms, n=100)
        return (
            f"{len(self.ms)} partitions in {self.cuts} cuts: median {cuts[49]:.0f} ms, p99 {cuts[98]:.0f} ms, "
            f"longest {max(self.ms)} ms; `plan` expects about {max(self.expected)} ms"
        )


HEAD = """# Pauses around a cut

Written by `tests/e2e/run --all --only cut`: each client sends {rate} records a second to 12 partitions (kafka-go {slow}) and
reads them, three clients and their controls directly at old at a time, on {processors} processors that also carry both
clusters (load average of the last 15 minutes: {load:.0f}); from {around:g} s before each of five cuts to {around:g} s behind it. *pause* is from sending a record to its
acknowledgement, *silence* the longest time without a record for any member of the group; in milliseconds, the control's in brackets.

| clusters | client | longest pause | p99 of the pauses | silence |
| --- | --- | --- | --- | --- |
"""


def table(rows, held, **words):
    """`rows`: {(pair, kind): (proxied, control)}; `held`: {pair: Held}."""
    lines = [
        f"| {pair} | {kind} | {a.longest:.0f} ({b.longest:.0f}) | {a.p99:.0f} ({b.p99:.0f}) | {a.silence:.0f} ({b.silence:.0f}) |"
        for (pair, kind), (a, b) in sorted(rows.items())
    ]
    said = [f"\nHeld by the daemon, {pair}: {each}." for pair, each in sorted(held.items())]
    return HEAD.format(**words) + "\n".join(lines) + "\n" + "\n".join(said) + "\n"
