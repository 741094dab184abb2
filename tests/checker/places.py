"""Which value stands at which virtual offset, by log, polls and acks; and what disagrees."""

from collections import defaultdict


class Places:
    """`at`: place -> {offset: value}; `where`: place -> {value: an offset}; the rest disagrees."""

    def __init__(self, history, native):
        self.at = defaultdict(dict, {p: dict(at) for p, at in native.log.items()})
        self.where = defaultdict(dict, {p: dict(at) for p, at in native.where.items()})
        self.again = defaultdict(set, {k: set(v) for k, v in native.again.items()})
        self.clash = {(place, at): (a, b, "log, log") for place, at, a, b in native.clash}
        self.polled = defaultdict(set)  # place -> values
        self.reads = defaultdict(set)  # (group, place) -> offsets
        for run in history.runs:
            self._put_all(run.place, run.offsets, run.values, "polled")
            self.polled[run.place].update(run.values)
            self.reads[run.group, run.place].update(run.offsets)
        acks = defaultdict(lambda: ([], []))
        for value, place, offset in history.acks:
            if offset is not None:
                acks[place][0].append(offset)
                acks[place][1].append(value)
        for place, (offsets, values) in acks.items():
            self._put_all(place, offsets, values, "acked")
        self._history, self._native, self._holding, self._bounds = history, native, {}, {}

    def _put_all(self, place, offsets, values, source):
        at, where = self.at[place], self.where[place]
        for offset, value in zip(offsets, values):
            there = at.setdefault(offset, value)
            if there != value:
                self.clash.setdefault((place, offset), (there, value, f"known, {source}"))
            first = where.setdefault(value, offset)
            if first != offset:
                self.again[place, value] |= {first, offset}

    def bounds(self, place):
        """The lowest and the highest offset that each group read of a place."""
        if place not in self._bounds:
            read = [offsets for (_, p), offsets in self.reads.items() if p == place]
            self._bounds[place] = [(min(offsets), max(offsets)) for offsets in read]
        return self._bounds[place]

    def holding(self, place):
        """The offsets of acknowledged records, rising: by the log if whole, else by the acks."""
        if place not in self._holding:
            acked, log = self._history.acked, self._native.log
            if self._native.whole(place):
                offsets = [o for o, value in log.get(place, {}).items() if value in acked]
            else:
                offsets = [o for _, p, o in self._history.acks if p == place and o is not None]
            self._holding[place] = sorted(set(offsets))
        return self._holding[place]

    def log(self, place):
        """{offset: value}: the dumped log if it is known whole, else all that anybody told."""
        return self._native.log.get(place, {}) if self._native.whole(place) else self.at[place]
