"""What the checker found: counts, examples, what is counted apart, and totals."""

import json

KINDS = (
    "lost-write",
    "duplicate",
    "inconsistent-offsets",
    "unseen",
    "nonmonotonic-poll",
    "poll-skip",
    "nonmonotonic-send",
    "split-brain",
    "retry-dup",
    "orphan",
    "commit-drift",
    "rewind",
    "cross-topic",
)
EXAMPLES_MAX = 10
PRINTED = 3


class Result:
    def __init__(self):
        self.counts = dict.fromkeys(KINDS, 0)
        self.apart = dict.fromkeys(KINDS, 0)  # of producers that are not idempotent: no anomaly
        self.examples = {kind: [] for kind in KINDS}
        self.totals = {}

    def add(self, kind, place, apart=False, **detail):
        """One anomaly, or one counted apart; details: client, member, offset, value, ..."""
        counts = self.apart if apart else self.counts
        counts[kind] += 1
        if not apart and len(self.examples[kind]) < EXAMPLES_MAX:
            self.examples[kind].append({"topic": place[0], "partition": place[1], **detail})

    @property
    def clean(self):
        return not any(self.counts.values())

    def found(self):
        """The kinds that were found, with their counts."""
        return {kind: n for kind, n in self.counts.items() if n}

    def no_worse_than(self, other):
        """For a control run beside it: no kind more often than there, counted apart or not."""
        return all(
            self.counts[kind] <= other.counts[kind] and self.apart[kind] <= other.apart[kind]
            for kind in KINDS
        )

    def as_dict(self):
        return {
            "clean": self.clean,
            "counts": self.counts,
            "apart": self.apart,
            "examples": self.examples,
            "totals": self.totals,
        }

    def as_json(self):
        return json.dumps(self.as_dict())

    def __str__(self):
        said = [f"{n} {name.replace('_', ' ')}" for name, n in self.totals.items() if n]
        lines = [", ".join(said)]
        for kind, count in self.counts.items():
            apart = f" (and {self.apart[kind]} not idempotent)" if self.apart[kind] else ""
            lines.append(f"{kind:<21}{count}{apart}")
            for detail in self.examples[kind][:PRINTED]:
                lines.append("    " + " ".join(f"{k}={v}" for k, v in detail.items()))
            if count > PRINTED:
                lines.append(f"    ... {count - PRINTED} more")
        return "\n".join(lines)
