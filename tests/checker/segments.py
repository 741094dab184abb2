"""A partition's segments, as `verify` tells them: native to virtual, and committed pairs."""

from bisect import bisect_right

from checker.lines import BadInput, document

CLUSTERS = ("old", "new")
OPEN = float("inf")


class Segment:
    __slots__ = ("cluster", "virtual", "begin", "end")

    def __init__(self, cluster, virtual, begin, end):
        self.cluster, self.virtual, self.begin = cluster, virtual, begin
        self.end = OPEN if end is None else end


class Segments:
    """The virtual log of one partition."""

    def __init__(self, where, segments):
        self.all = sorted(segments, key=lambda s: (s.virtual, s.end - s.begin))
        virtual = 0
        for s in self.all:
            if s.cluster not in CLUSTERS or s.begin > s.end or s.virtual < virtual:
                raise BadInput(f"segments of {where} overlap or run backwards at {s.virtual}")
            virtual = s.virtual + s.end - s.begin
        self._of = {c: self._native(where, c) for c in CLUSTERS}
        self._begins = {c: [s.begin for s in self._of[c]] for c in CLUSTERS}

    def _native(self, where, cluster):
        """A cluster's segments in its native order; empty ones hold nothing."""
        own = [s for s in self.all if s.cluster == cluster and s.begin < s.end]
        own.sort(key=lambda s: s.begin)
        for a, b in zip(own, own[1:]):
            if b.begin < a.end:
                raise BadInput(f"segments of {where} show {cluster} {b.begin} twice")
        return own

    def virtual(self, cluster, native):
        """The virtual offset of a native one; None where no segment holds it."""
        n = bisect_right(self._begins[cluster], native) - 1
        if n < 0 or native >= self._of[cluster][n].end:
            return None
        segment = self._of[cluster][n]
        return segment.virtual + native - segment.begin

    def past_the_seam(self, cluster, native):
        """At or past the end of the cluster's last segment, which is closed."""
        ends = [s.end for s in self.all if s.cluster == cluster]
        return bool(ends) and native >= max(ends)

    def clusters(self):
        """Those that hold part of the log."""
        return {s.cluster for s in self.all if s.begin < s.end}

    def position(self, pair):
        """The greatest virtual offset whose own pair is <= the committed {cluster: offset} in both.

        A component nobody committed counts as that cluster's first start: nothing of it was read.
        """
        first = {}
        for s in self.all:
            first.setdefault(s.cluster, s.begin)
        own, best = dict(first), None
        have = {c: pair.get(c, first.get(c)) for c in first}
        for s in self.all:
            own[s.cluster] = s.begin
            if all(own[c] <= have[c] for c in own):
                best = s.virtual + min(have[s.cluster], s.end) - s.begin
            own[s.cluster] = s.end
        return best


WHOLLY_OLD = Segments("?", [Segment("old", 0, 0, None)])


def read(source):
    """{place: Segments}; a partition that is not named lies wholly in old."""
    if source is None:
        return {}
    try:
        return {
            (p["topic"], p["partition"]): Segments(
                f"{p['topic']}-{p['partition']}",
                [
                    Segment(s["cluster"], s["virtual_start"], s["native_start"], s["native_end"])
                    for s in p["segments"]
                ],
            )
            for p in document(source)["partitions"]
            if p["segments"]
        }
    except (KeyError, TypeError) as error:
        raise BadInput(f"segments: not what `shuntctl -o json verify` says: {error!r}") from error
