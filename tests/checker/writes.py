"""Anomalies of what was written: all that is not of the seam (seam.py)."""


def lost_write(history, native, places, result):
    """Acknowledged, but not in the log.

    Where the log is not known whole: its offset is known and nobody polled it, though a group
    polled below and above.
    """
    for value, (place, offset) in history.acked.items():
        if native.whole(place):
            lost = value not in native.where.get(place, ())
        else:
            lost = (
                offset is not None
                and value not in places.polled.get(place, ())
                and any(low < offset < high for low, high in places.bounds(place))
            )
        if lost:
            apart = _unconfirmed(history, value, offset)
            result.add("lost-write", place, apart, value=value, offset=offset)


def _unconfirmed(history, value, offset):
    """acks=0: the library calls a record acknowledged that no broker has spoken of."""
    return offset is None and history.excused(value)


def unseen(history, native, places, result):
    """Acknowledged and polled by nobody, in a topic that somebody reads."""
    for value, (place, offset) in history.acked.items():
        if place[0] in history.consumed and value not in places.polled.get(place, ()):
            apart = _unconfirmed(history, value, offset)
            result.add("unseen", place, apart, value=value, offset=offset)


def duplicate(history, native, places, result):
    """A value at more virtual offsets of a place than it was sent: in the log, polled, acked."""
    for (place, value), offsets in places.again.items():
        if len(offsets) > history.allowed(value):
            apart = history.excused(value)
            result.add("duplicate", place, apart, value=value, offsets=sorted(offsets))


def inconsistent_offsets(history, native, places, result):
    """Two values with one virtual offset: in the log, polled or acknowledged."""
    for (place, offset), (one, other, by) in places.clash.items():
        result.add("inconsistent-offsets", place, offset=offset, values=[one, other], by=by)


def nonmonotonic_send(history, native, places, result):
    """N of a producer's values `NAME:N` falls in a place's log."""
    for place in set(places.at) | set(native.log):
        log, last = places.log(place), {}
        firsts = {value: min(at) for (p, value), at in places.again.items() if p == place}
        for offset in sorted(log):
            value = log[offset]
            producer, _, n = value.rpartition(":")
            # One that stands twice counts where it stands first; one sent twice has no one place.
            if not n.isdigit() or value in history.sends or firsts.get(value, offset) != offset:
                continue
            if _astray(history, place, value):
                continue
            before = last.get(producer, (-1, None))
            if int(n) < before[0]:
                result.add(
                    "nonmonotonic-send",
                    place,
                    client=history.sender.get(value),
                    values=[f"{producer}:{before[0]}", value],
                    offsets=[before[1], offset],
                )
            last[producer] = int(n), offset


def cross_topic(history, native, places, result):
    """A value that was sent to one place, stored in or polled from another."""
    for place, at in places.at.items():
        for offset, value in at.items():
            _judge_place(history, result, place, offset, value, "seen")
    for place, cluster, offset, value in native.outside:
        _judge_place(history, result, place, offset, value, f"{cluster}, in no segment")


def _judge_place(history, result, place, offset, value, by):
    if _astray(history, place, value):
        sent_to = "%s-%s" % history.sent[value]
        result.add("cross-topic", place, value=value, offset=offset, sent_to=sent_to, by=by)


def _astray(history, place, value):
    home = history.sent.get(value, place)
    return home != place and (home[0] != place[0] or home[1] is not None)


ALL = (lost_write, unseen, duplicate, inconsistent_offsets, nonmonotonic_send, cross_topic)
