"""Judges the uniform logs of a group of clients: what was lost, repeated, stored twice, out of order, or shown as an error."""

from collections import Counter
from dataclasses import dataclass

POLL_MAX = 100  # records a member may have read and not yet committed, in these programs


@dataclass
class Verdict:
    sent: int  # records given to the library
    acked: int
    lost: int  # acknowledged, never polled by any member
    repeated: int  # polls of a (partition, offset) that was polled before
    stored_twice: int  # values that stand at more than one offset
    misplaced: int  # the offset acknowledged is not the offset polled
    disordered: int  # a producer's records out of its order, in the log or in a member's polls
    failed: int  # records that the library gave up
    errors: int  # other errors the application was told of (commits, polls)

    def clean(self):
        """Exactly once and in order, with no word to the application."""
        return self.acked == self.sent > 0 and not any(
            (
                self.lost,
                self.repeated,
                self.stored_twice,
                self.misplaced,
                self.disordered,
                self.failed,
                self.errors,
            )
        )

    def _whole(self):
        return self.acked > 0 and not any((self.lost, self.misplaced, self.disordered))

    def as_good_as(self, other):
        """No worse than the control run; losing, misplacing or disordering is never good."""
        return self._whole() and all(
            vars(self)[k] <= vars(other)[k]
            for k in ("repeated", "stored_twice", "failed", "errors")
        )

    def survives(self, other):
        """As good, but for what a coordinator's death does by chance: commits that fail, and the one poll each may repeat."""
        return (
            self._whole()
            and self.stored_twice <= other.stored_twice
            and self.failed <= other.failed
            and self.repeated <= max(other.repeated, POLL_MAX * self.errors)
        )

    def __str__(self):
        faults = {k: v for k, v in vars(self).items() if k not in ("sent", "acked") and v}
        return f"{self.acked}/{self.sent} acked, " + (
            ", ".join(f"{v} {k}" for k, v in faults.items()) or "once and in order"
        )


def _number(value):
    producer, _, n = value.rpartition(":")
    return producer, int(n)


def _falls(values):
    """How often a producer's number falls in a sequence of values (each value counted at its first place)."""
    last, seen, falls = {}, set(), 0
    for value in values:
        if value in seen:
            continue
        seen.add(value)
        producer, n = _number(value)
        falls += n < last.get(producer, -1)
        last[producer] = n
    return falls


def judge(clients, since=0.0, until=float("inf"), outages=()):
    """The verdict over all records *sent* in [since, until); errors by their own time.

    `outages` are the times in which nobody listened at the clients' address: that a connection was
    refused then (kafka-python raises it from poll) is no word of ours, and the control run has none.
    """

    def refused(e):
        text = e.get("text", "").upper()
        return "REFUSED" in text and any(a <= e["time"] < b for a, b in outages)

    def events(name):
        return sorted((e for c in clients for e in c.events(name)), key=lambda e: e["time"])

    sent = {e["value"] for e in events("sent") if since <= e["time"] < until}
    acked = {
        e["value"]: (e["partition"], e["offset"]) for e in events("acked") if e["value"] in sent
    }
    polls = [e for e in events("polled") if e["value"] in sent]
    errors = [
        e
        for e in events("error")
        if e.get("value") in sent
        or ("value" not in e and since <= e["time"] < until and not refused(e))
    ]
    places, members, log = {}, {}, {}
    for e in polls:
        places.setdefault(e["value"], set()).add((e["partition"], e["offset"]))
        members.setdefault((e["client"], e["member"], e["partition"]), []).append(e["value"])
        log.setdefault(e["partition"], {})[e["offset"]] = e["value"]
    reads = Counter((e["partition"], e["offset"]) for e in polls)
    return Verdict(
        sent=len(sent),
        acked=len(acked),
        lost=sum(value not in places for value in acked),
        repeated=sum(n - 1 for n in reads.values()),
        stored_twice=sum(len(at) > 1 for at in places.values()),
        # librdkafka knows no offset for a record whose answer was lost and whose resend the broker
        # called a duplicate (error 46): that is an acknowledgement all the same.
        misplaced=sum(
            value in places and at[1] is not None and at not in places[value]
            for value, at in acked.items()
        ),
        disordered=sum(_falls(values) for values in members.values())
        + sum(_falls(at[o] for o in sorted(at)) for at in log.values()),
        failed=sum("value" in e for e in errors),
        errors=sum("value" not in e for e in errors),
    )


def all_polled(clients):
    """True when every acknowledged record has been polled by one of the clients."""
    acked = {e["value"] for c in clients for e in c.events("acked")}
    return acked <= {e["value"] for c in clients for e in c.events("polled")}


def longest_gap(clients, event, since, until, of=lambda e: True):
    """Seconds of the longest silence of one event (of those wanted) within [since, until]."""
    times = sorted(
        {e["time"] for c in clients for e in c.events(event) if since <= e["time"] <= until and of(e)}
    )
    edges = [since, *times, until]
    return max(b - a for a, b in zip(edges, edges[1:]))
