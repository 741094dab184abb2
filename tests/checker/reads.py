"""Anomalies of what was read: nonmonotonic-poll, poll-skip, rewind, commit-drift."""

from bisect import bisect_left

from checker.history import NO_GROUP
from checker.lines import BadInput


def polls(history, native, places, result):
    """Within a run: nonmonotonic-poll, not above the one before; poll-skip, over acked records."""
    for run in history.runs:
        last = run.offsets[0]
        for n in range(1, len(run.offsets)):
            offset = run.offsets[n]
            if offset != last + 1:  # nearly never
                _step(run, last, offset, places, result)
            last = offset


def _step(run, last, offset, places, result):
    who = {"client": run.client, "member": run.member, "offsets": [last, offset]}
    if offset <= last:
        result.add("nonmonotonic-poll", run.place, **who)
        return
    skipped = _between(places.holding(run.place), last + 1, offset)
    if skipped:
        result.add("poll-skip", run.place, **who, skipped=len(skipped), first=skipped[0])


def _between(offsets, first, end):
    return offsets[bisect_left(offsets, first) : bisect_left(offsets, end)]


def resumes(history, native, places, result):
    """Between runs: rewind, a group resumes below its last commit; poll-skip, over unread ones."""
    for run in history.runs:
        before = _last_commit(history, run)
        if run.sought or before is None:
            continue
        _, commit, by = before
        who = {"client": run.client, "member": run.member, "group": run.group}
        start = run.offsets[0]
        if start < commit:
            result.add("rewind", run.place, **who, resumed=start, committed=commit, by=by)
        elif start > commit:
            skipped = _between(places.holding(run.place), commit, start)
            read = places.reads[run.group, run.place]
            skipped = [offset for offset in skipped if offset not in read]
            if skipped:
                result.add(
                    "poll-skip",
                    run.place,
                    **who,
                    offsets=[commit, start],
                    skipped=len(skipped),
                    first=skipped[0],
                )


def _last_commit(history, run):
    """The group's last commit logged before the run began; the same millisecond is too near."""
    commits = history.commits.get((run.group, run.place), [])
    n = bisect_left(commits, run.since, key=lambda c: c[0])
    return commits[n - 1] if n else None


def commit_drift(history, committed, native, places, result):
    """The committed pair of a group, read through the segments, is not its last logged commit.

    It may be above, up to what was polled, if a commit's answer was perhaps not logged (_unlogged).
    """
    pairs = {}
    for row in committed:
        key = row["group"], (row["topic"], row["partition"])
        pairs.setdefault(key, {})[row["cluster"]] = row["offset"]
    for (group, place), commits in history.commits.items():
        last = commits[-1][1]
        real = group or _only_group(place, pairs)
        pair = {c: o for c, o in pairs.get((real, place), {}).items() if o is not None and o >= 0}
        position = native.of(place).position(pair) if pair else None
        if position != last and not _unlogged(history, places, group, place, last, position):
            result.add("commit-drift", place, group=real, logged=last, position=position, pair=pair)


def _only_group(place, pairs):
    """The logs name no group: it is the one that has committed here."""
    groups = {g for g, p in pairs if p == place}
    if len(groups) > 1:
        raise BadInput(f"{place}: several groups committed and the logs do not say theirs: --group")
    return groups.pop() if groups else NO_GROUP


def _unlogged(history, places, group, place, last, position):
    top = max(places.reads.get((group, place), {-1})) + 1
    return group in history.unsure and position is not None and last < position <= top


ALL = (polls, resumes)
