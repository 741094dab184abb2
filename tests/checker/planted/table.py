"""The planted examples: a name, the mutation of the clean history, and exactly what must be found.

Kinds behind the first one follow logically from it. `apart`: what is counted apart instead.
"""

from planted.clean import row

P0, P1, AUDIT = ("orders", 0), ("orders", 1), ("audit", 0)
TABLE = []


def plant(name, apart=None, options=None, **found):
    """Registers a mutation; keys are the kinds with _ for -."""

    def register(mutate):
        kinds = {kind.replace("_", "-"): n for kind, n in found.items()}
        TABLE.append((name, mutate, kinds, apart or {}, options or {}))
        return mutate

    return register


def seen_elsewhere(h, place, virtual):
    """Another reader, not of the group, polls a record: it is not unseen."""
    h.say("reader", "polled", place, member=9, offset=virtual, value=h.value(place, virtual))


@plant("lost-write: acknowledged, in no log", lost_write=1, unseen=1)
def _(h):
    value = h.value(P0, 3)
    h.dump.remove(h.stored(P0, value))
    h.drop("polled", P0, value=value)


@plant("lost-write: no dump, the readers passed it", lost_write=1, unseen=1, poll_skip=1)
def _(h):
    h.dump = []
    h.drop("polled", P0, offset=3)


@plant("lost-write: the offset is unknown, the log is not", lost_write=1, unseen=1)
def _(h):
    e = h.one("acked", place=P0, offset=3)
    h.dump.remove(h.stored(P0, e["value"]))
    h.drop("polled", P0, offset=3)
    e["offset"] = None


@plant("duplicate: one record shown at two virtual offsets", duplicate=1)
def _(h):
    h.say("c2", "polled", P0, member=0, offset=18, value=h.value(P0, 17))


@plant("duplicate: acknowledged at another offset than it has", duplicate=1)
def _(h):
    h.one("acked", place=P0, offset=17)["offset"] = 18


@plant("inconsistent-offsets: two readers, two values", inconsistent_offsets=1)
def _(h):
    h.dump = []
    h.say("reader", "polled", P0, member=9, offset=5, value="p:999")


@plant("inconsistent-offsets: polled is not what the log holds", inconsistent_offsets=1, unseen=1)
def _(h):
    h.one("polled", place=P0, offset=5)["value"] = "p:999"


@plant("inconsistent-offsets: acknowledged where another is", inconsistent_offsets=1, duplicate=1)
def _(h):
    h.one("acked", place=P0, offset=5)["offset"] = 6


@plant("unseen: the readers stopped before it", unseen=1)
def _(h):
    h.drop("polled", P0, offset=17)


@plant("nonmonotonic-poll: the same again", nonmonotonic_poll=1)
def _(h):
    h.say("c2", "polled", P0, member=0, offset=17, value=h.value(P0, 17))


@plant("nonmonotonic-poll: back by five", nonmonotonic_poll=1)
def _(h):
    for virtual in range(13, 18):
        h.say("c2", "polled", P0, member=0, offset=virtual, value=h.value(P0, virtual))


@plant("poll-skip: within a run", poll_skip=1)
def _(h):
    h.drop("polled", P0, offset=10)
    seen_elsewhere(h, P0, 10)


@plant("poll-skip: a resume above the commit", poll_skip=1)
def _(h):
    for virtual in (12, 13):
        h.drop("polled", P1, offset=virtual)
        seen_elsewhere(h, P1, virtual)


@plant("nonmonotonic-send: two of a producer swapped, consistently", nonmonotonic_send=1)
def _(h):
    for event in ("acked", "polled"):
        a, b = h.one(event, place=P0, offset=2), h.one(event, place=P0, offset=4)
        a["value"], b["value"] = b["value"], a["value"]
    a, b = (h.stored(P0, h.value(P0, virtual)) for virtual in (2, 4))
    a["value"], b["value"] = b["value"], a["value"]


@plant("split-brain: written to old behind the seam", split_brain=1, lost_write=1, unseen=1)
def _(h):
    h.stored(P1, h.value(P1, 17)).update(cluster="old", offset=9)
    h.drop("polled", P1, offset=17)


@plant("split-brain: and a copy on new", split_brain=1)
def _(h):
    h.dump.append(row("old", *P1, offset=12, value=h.value(P1, 17)))


@plant("split-brain: on new behind the undo", split_brain=1)
def _(h):
    h.dump.append(row("new", *P0, offset=11, value=h.value(P0, 17)))


@plant("retry-dup: twice in one cluster", retry_dup=1, duplicate=1)
def _(h):
    h.dump.append(row("old", *P0, offset=10, value=h.value(P0, 17)))


@plant("retry-dup: before and behind the seam", retry_dup=1, duplicate=1)
def _(h):
    h.dump.append(row("new", *P1, offset=9, value=h.value(P1, 8)))


@plant("orphan: nobody sent it", orphan=1)
def _(h):
    h.dump.append(row("old", *P0, offset=10, value="x:0"))


@plant("commit-drift: new's half is behind", commit_drift=1)
def _(h):
    h.commits[3]["offset"] = 8


@plant("commit-drift: old's half is behind", commit_drift=1)
def _(h):
    h.commits[0]["offset"] = 9


@plant("commit-drift: above what was logged, all programs closed", commit_drift=1)
def _(h):
    h.drop("committed", P1, offset=18)


@plant("commit-drift: gone", commit_drift=2)
def _(h):
    h.commits = []


@plant("rewind: a resume below the commit", rewind=1)
def _(h):
    back(h)


def back(h, seek=False):
    """c2 begins two records below the commit."""
    log = h.logs["c2"]
    at = log.index(h.one("polled", "c2", P0, offset=12))
    about = {"client": "c2", "member": 0, "topic": "orders", "partition": 0, "time": h.time}
    polls = [{"event": "polled", "offset": o, "value": h.value(P0, o)} for o in (10, 11)]
    events = [{"event": "seek", "offset": 10}] * seek + polls
    log[at:at] = [about | e for e in events]


@plant("cross-topic: polled", cross_topic=1)
def _(h):
    h.say("reader", "polled", AUDIT, member=0, offset=6, value=h.value(P0, 17))


@plant("cross-topic: stored", cross_topic=1)
def _(h):
    h.dump.append(row("old", *AUDIT, offset=6, value=h.value(P0, 17)))


@plant("cross-topic: stored in a topic of others", cross_topic=1)
def _(h):
    h.dump.append(row("new", "theirs", 0, offset=0, value=h.value(P0, 17)))


@plant("cross-topic: stored in another partition", cross_topic=1)
def _(h):
    h.dump.append(row("new", *P1, offset=9, value=h.value(P0, 17)))
