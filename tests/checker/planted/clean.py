"""A small clean history over a seam and back: what mutations start from.

Topic `orders`, two partitions, producers `p` and `q`, one group `g`; topic `audit`, one partition,
producer `q`, read by a member without a group. Program c1 has the members 0 and 1; after the first
12 records of each partition it leaves and c2 takes over.

    orders-0   old [0, 8)  new [3, 11)  old [8, open     to new (whose log began at 3) and back
    orders-1   old [0, 9)  new [0, open
    audit-0    old [0, open
"""

import copy

SEGMENTS = {
    ("orders", 0): [("old", 0, 0, 8), ("new", 8, 3, 11), ("old", 16, 8, None)],
    ("orders", 1): [("old", 0, 0, 9), ("new", 9, 0, None)],
    ("audit", 0): [("old", 0, 0, None)],
}
COUNT = {("orders", 0): 18, ("orders", 1): 18, ("audit", 0): 6}
HALF = 12  # c1 reads and commits this far
ENDS = {("orders", 0): {"old": 10, "new": 11}, ("orders", 1): {"old": 9, "new": 9}}


class Planted:
    """The parts of a history to mutate: logs {client: [events]}, dump, segments, commits."""

    def __init__(self):
        self.logs = {name: [] for name in ("p", "q", "c1", "c2", "reader")}
        self.dump, self.time, numbers = [], 0.0, {"p": 0, "q": 0}
        for name in self.logs:
            self.say(name, "start", library="planted", group=None if name == "reader" else "g")
        for place, count in COUNT.items():
            self.dump += [row(c, *place) for c in ("old", "new")]
            for virtual in range(count):
                producer = "pq"[virtual % 2] if place[0] == "orders" else "q"
                value = f"{producer}:{numbers[producer]}"
                numbers[producer] += 1
                self.say(producer, "sent", place, value=value)
                self.say(producer, "acked", place, offset=virtual, value=value)
                self.store(place, virtual, value)
        self._read("c1", 0, [("orders", 0)], 0, HALF)
        self._read("c1", 1, [("orders", 1)], 0, HALF)
        self._read("c2", 0, [("orders", 0), ("orders", 1)], HALF, 99)
        self._read("reader", 0, [("audit", 0)], 0, 99, commits=False)
        for name in self.logs:
            self.say(name, "closed")
        self.segments = {"partitions": [_partition(*item) for item in SEGMENTS.items()]}
        self.commits = [
            {"cluster": c, "group": "g", "topic": t, "partition": p, "offset": at}
            for (t, p), ends in ENDS.items()
            for c, at in ends.items()
        ]

    def say(self, client, event, place=None, **more):
        self.time += 0.001
        where = {"topic": place[0], "partition": place[1]} if place else {}
        event_row = {"time": self.time, "event": event, "client": client, **where, **more}
        self.logs[client].append(event_row)

    def store(self, place, virtual, value):
        """Into the cluster and at the native offset that the segments say."""
        for cluster, start, begin, end in SEGMENTS[place]:
            native = virtual - start + begin
            if native >= begin and (end is None or native < end):
                self.dump.append(row(cluster, *place, offset=native, value=value))
                return

    def _read(self, client, member, places, first, end, commits=True):
        names = [f"{t}-{p}" for t, p in places]
        self.say(client, "assigned", member=member, partitions=names)
        for place in places:
            acks = sorted(self.find("acked", place=place), key=lambda e: e["offset"])
            for e in [e for e in acks if first <= e["offset"] < end]:
                at = {"member": member, "offset": e["offset"], "value": e["value"]}
                self.say(client, "polled", place, **at)
                if commits and ((e["offset"] + 1) % 4 == 0 or e is acks[-1]):
                    self.say(client, "committed", place, member=member, offset=e["offset"] + 1)
        self.say(client, "revoked", member=member, partitions=names)

    def find(self, event, client=None, place=None, **more):
        """All events like that, of all logs."""
        where = {"topic": place[0], "partition": place[1]} if place else {}
        return [
            e
            for name, log in self.logs.items()
            for e in log
            if client in (None, name)
            and e["event"] == event
            and (where | more).items() <= e.items()
        ]

    def one(self, event, client=None, place=None, **more):
        (found,) = self.find(event, client, place, **more)
        return found

    def drop(self, event, place, **more):
        (log,) = [log for log in self.logs.values() if any(_is(e, event, place, more) for e in log)]
        log.remove(self.one(event, place=place, **more))

    def stored(self, place, value):
        """The dump's row of a value."""
        (found,) = [
            r
            for r in self.dump
            if (r["topic"], r["partition"]) == place and r.get("value", "").rstrip() == value
        ]
        return found

    def value(self, place, virtual):
        return self.one("acked", place=place, offset=virtual)["value"]


def _is(e, event, place, more):
    where = {"event": event, "topic": place[0], "partition": place[1]}
    return (where | more).items() <= e.items()


def row(cluster, topic, partition, offset=None, value=None):
    """A row of a dump: of a record, or only of a partition."""
    at = {"cluster": cluster, "topic": topic, "partition": partition}
    if offset is None:
        return at | {"log_start": 0}
    more = {"key": None, "timestamp": 0, "producer_id": 1, "sequence": offset}
    return at | {"offset": offset, "value": value + "   ", **more}


def _partition(place, segments):
    keys = ("cluster", "virtual_start", "native_start", "native_end")
    return {
        "topic": place[0],
        "partition": place[1],
        "segments": [dict(zip(keys, s)) for s in segments],
    }


_CLEAN = None


def clean():
    """A fresh copy to mutate."""
    global _CLEAN
    _CLEAN = _CLEAN or Planted()
    return copy.deepcopy(_CLEAN)
