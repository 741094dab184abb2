"""The clusters' dumped logs, laid together through the segments: one virtual log per place."""

from collections import defaultdict

from checker.lines import BadInput, rows
from checker.segments import CLUSTERS, WHOLLY_OLD


class Native:
    def __init__(self, segments):
        self.segments = segments
        self.log = defaultdict(dict)  # place -> {virtual: value}
        self.where = defaultdict(dict)  # place -> {value: virtual}, its first
        self.again = defaultdict(set)  # (place, value) -> virtuals, where it stands more than once
        self.clash = []  # (place, virtual, one value, other value): two dumps disagree
        self.outside = []  # (place, cluster, native, value): in no segment, or another topic's
        self.opaque = defaultdict(int)  # place -> records whose value is not known
        self.records = dict.fromkeys(CLUSTERS, 0)
        self.clusters, self.topics = set(), set()  # what was dumped
        self.starts = {}  # (place, cluster) -> log start
        self.unreadable = 0
        self._whole = {}

    def of(self, place):
        return self.segments.get(place, WHOLLY_OLD)

    def whole(self, place):
        """Every record that its segments ever held is here; asked only when all is read."""
        if place not in self._whole:
            of = self.of(place)
            self._whole[place] = (
                place[0] in self.topics
                and of.clusters() <= self.clusters
                and not self.opaque.get(place)
                # retention or DeleteRecords took nothing
                and all(self.starts.get((place, s.cluster), 0) <= s.begin for s in of.all)
            )
        return self._whole[place]

    def add(self, row, place):
        cluster, native, value = row["cluster"], row["offset"], row["value"]
        virtual = self.of(place).virtual(cluster, native)
        if value is None:
            self.opaque[place] += virtual is not None
            return
        if virtual is None:
            self.outside.append((place, cluster, native, bare(value)))
            return
        value = bare(value)
        there = self.log[place].setdefault(virtual, value)
        if there != value:
            self.clash.append((place, virtual, there, value))
        first = self.where[place].setdefault(value, virtual)
        if first != virtual:
            self.again[place, value] |= {first, virtual}


def bare(value):
    """A value without its padding."""
    return value.split(" ", 1)[0]


def read(dumps, segments, history):
    """Lays the dumps of the topics that the logs know together; of others only what logged clients
    sent is kept.

    Rows without an offset say that a partition was dumped, empty as it may be: see dump.py.
    """
    native, topics = Native(segments), history.topics()

    def unreadable():
        native.unreadable += 1

    for dump in dumps:
        last = place = None
        for row in rows(dump, unreadable):
            try:
                topic, partition, cluster = row["topic"], row["partition"], row["cluster"]
                if (topic, partition, cluster) != last:
                    last, place = (topic, partition, cluster), (topic, partition)
                    native.topics.add(topic)
                    native.clusters.add(cluster)
                if "offset" not in row:
                    native.starts[place, cluster] = row.get("log_start", 0)
                    continue
                if topic in topics:
                    native.records[cluster] += 1
                    native.add(row, place)
                elif row["value"] is not None and bare(row["value"]) in history.sent:
                    native.outside.append((place, cluster, row["offset"], bare(row["value"])))
            except (KeyError, TypeError, AttributeError) as error:
                raise BadInput(f"dump: {error!r} in {str(row)[:200]}") from error
    if native.unreadable:  # unlike a client, nothing kills the dump: half of it judges nothing
        raise BadInput(f"dump: {native.unreadable} lines are no JSON objects")
    return native
