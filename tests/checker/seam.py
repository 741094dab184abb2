"""Anomalies of two clusters made one: split-brain, retry-dup, orphan."""


def split_brain(history, native, places, result):
    """An acknowledged record in a cluster at or past the end of its last segment, which is closed.

    Also when the log has the record as well; then apart for producers that are not idempotent.
    """
    for place, cluster, offset, value in native.outside:
        if not native.of(place).past_the_seam(cluster, offset):
            continue
        acked = history.acked.get(value)
        if acked and acked[0] == place:
            at = native.where.get(place, {}).get(value)
            apart = at is not None and history.excused(value)
            result.add(
                "split-brain",
                place,
                apart,
                cluster=cluster,
                native=offset,
                value=value,
                also_at=at,
            )


def retry_dup(history, native, places, result):
    """A value natively more often in a place's log than it was sent, in one cluster or both."""
    for (place, value), offsets in native.again.items():
        if len(offsets) > history.allowed(value):
            apart = history.excused(value)
            result.add("retry-dup", place, apart, value=value, offsets=sorted(offsets))


def orphan(history, native, places, result, others):
    """A record in the log that no client sent; only of topics that logged clients alone write."""
    for place, log in native.log.items():
        if place[0] in history.producing() and place[0] not in others:
            for offset, value in log.items():
                if value not in history.sent:
                    result.add("orphan", place, offset=offset, value=value)


ALL = (split_brain, retry_dup)
