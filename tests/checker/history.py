"""What the clients sent, were acknowledged, polled and committed, from the uniform logs.

A *place* is (topic, partition). A *run* is what one member polled of one place in one go: from an
`assigned` (or a `seek`, or the program's start) to the next. A log says its group in `start` or in
the event; where none does, all clients are taken as one group.
"""

from collections import defaultdict

from checker.lines import BadInput, rows

NO_GROUP = ""


class Run:
    __slots__ = ("client", "member", "place", "group", "since", "sought", "offsets", "values")

    def __init__(self, client, member, place, group, since, sought):
        self.client, self.member, self.place, self.group = client, member, place, group
        self.since, self.sought = since, sought
        self.offsets, self.values = [], []


class History:
    def __init__(self):
        self.sent = {}  # value -> place (partition None: the library chose)
        self.sends = {}  # value -> how often the application sent it, where more than once
        self.sender = {}  # value -> client
        self.acks = []  # (value, place, offset or None)
        self.acked = {}  # value -> its last (place, offset)
        self.failed = set()  # values the application was told are not written
        self.runs = []
        self.commits = defaultdict(list)  # (group, place) -> [(time, offset, client)], by time
        self.unsure = set()  # groups with a commit that may have been accepted unlogged
        self.repeats_allowed = set()  # clients whose producer is not idempotent
        self.consumed, self.clients = set(), set()  # topics that somebody reads; names
        self.polled = self.committed = self.unreadable = 0

    def topics(self):
        return (
            {place[0] for place in self.sent.values()}
            | self.consumed
            | {p[0] for _, p, _ in self.acks}
        )

    def producing(self):
        return {place[0] for place in self.sent.values()}

    def allowed(self, value):
        """How many places a value may stand at: one for each time the application sent it."""
        return self.sends.get(value, 1)

    def excused(self, value):
        """Its producer is not idempotent: what a retry may do natively is counted apart."""
        return self.sender.get(value) in self.repeats_allowed


def read(logs, groups=None):
    """The History of files, folders of *.jsonl, or lists of events. `groups`: {client: group}."""
    history = History()
    for log in _files(logs):
        _Reader(history, groups or {}).read(log)
    for commits in history.commits.values():
        commits.sort(key=lambda c: c[0])
    return history


def _files(logs):
    for log in logs:
        if hasattr(log, "is_dir") and log.is_dir():
            found = sorted(log.glob("*.jsonl"))
            if not found:
                raise BadInput(f"{log}: no *.jsonl in it")
            yield from found
        else:
            yield log


class _Reader:
    """One log; a `start` within it is the same program begun anew."""

    def __init__(self, history, groups):
        self.history, self.groups = history, groups
        self.group, self.places, self.open, self.assigned = None, {}, {}, {}
        self.consumes, self.unsure = set(), True

    def read(self, log):
        history = self.history

        def unreadable():
            history.unreadable += 1

        for e in rows(log, unreadable):
            kind = e.get("event")
            handler = HANDLERS.get(kind)
            if handler:
                try:
                    handler(self, e)
                except (KeyError, TypeError, ValueError):
                    # e.g. the `idle` role's polled, which is about no record
                    history.unreadable += kind != "polled" or "topic" in e
        self.end()

    def end(self):
        """What a program leaves behind: killed before `closed`, its last commit may be unlogged."""
        if self.unsure:
            self.history.unsure |= self.consumes
        self.open, self.assigned, self.consumes, self.unsure = {}, {}, set(), True

    def place(self, e):
        place = (e["topic"], e["partition"])
        return self.places.setdefault(place, place)

    def group_of(self, e):
        return e.get("group") or self.group or self.groups.get(e.get("client")) or NO_GROUP

    def on_start(self, e):
        self.end()
        self.history.clients.add(e["client"])
        self.group = e.get("group")
        if e.get("idempotent") is False:
            self.history.repeats_allowed.add(e["client"])

    def on_closed(self, e):
        self.unsure = False

    def on_sent(self, e):
        history, value = self.history, e["value"]
        if value in history.sent:
            history.sends[value] = history.allowed(value) + 1
        history.sent[value] = self.place(e)
        history.sender[value] = e["client"]

    def on_acked(self, e):
        value, place, offset = e["value"], self.place(e), e["offset"]
        # Null: nobody told the offset (a resend that the broker called a duplicate; acks=0).
        offset = offset if offset is not None and offset >= 0 else None
        self.history.acks.append((value, place, offset))
        self.history.acked[value] = place, offset

    def on_error(self, e):
        if "value" in e:
            self.history.failed.add(e["value"])
        elif e.get("what") == "commit":
            self.history.unsure.add(self.group_of(e))

    def on_assigned(self, e):
        self.consumes.add(self.group_of(e))
        for name in e["partitions"]:
            topic, _, partition = name.rpartition("-")
            self._begin(e, (topic, int(partition)), sought=False)

    def on_seek(self, e):
        self._begin(e, self.place(e), sought=True)

    def _begin(self, e, place, sought):
        self.history.consumed.add(place[0])
        self.open.pop((e["member"], place), None)
        self.assigned[e["member"], place] = e["time"], sought

    def on_polled(self, e):
        offset, value = e["offset"], e["value"]
        key = e.get("member"), (e["topic"], e["partition"])
        run = self.open.get(key)
        if run is None:
            run = self.open[key] = self._run(e, key)
        run.offsets.append(offset)
        run.values.append(value)
        self.history.polled += 1

    def _run(self, e, key):
        since, sought = self.assigned.pop(key, (e["time"], False))
        place, group = self.place(e), self.group_of(e)
        self.history.consumed.add(place[0])
        self.consumes.add(group)
        self.history.runs.append(Run(e["client"], key[0], place, group, since, sought))
        return self.history.runs[-1]

    def on_committed(self, e):
        key = self.group_of(e), self.place(e)
        self.history.commits[key].append((e["time"], e["offset"], e["client"]))
        self.history.committed += 1


HANDLERS = {
    "start": _Reader.on_start,
    "closed": _Reader.on_closed,
    "sent": _Reader.on_sent,
    "acked": _Reader.on_acked,
    "error": _Reader.on_error,
    "assigned": _Reader.on_assigned,
    "seek": _Reader.on_seek,
    "polled": _Reader.on_polled,
    "committed": _Reader.on_committed,
}
