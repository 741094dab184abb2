"""Record sets as brokers store them (magic 0 and 1: only headers) to rows, one per record."""

import struct

from checker.codecs import NoCodec, inflate

HEADER = struct.Struct(">qiibIhiqqqhii")  # base offset ... record count
TRANSACTIONAL, CONTROL = 16, 32


def rows(data, first):
    """The rows from offset `first` on, and the offset after the last whole batch (None: there is
    none).

    A record that cannot be decoded has the value None and `codec` says why; control batches have no
    rows.
    """
    found, after, at = [], None, 0
    while at + 17 <= len(data):
        base, length = struct.unpack_from(">qi", data, at)
        end = at + 12 + length
        if end > len(data):
            break
        if data[at + 16] < 2:
            found.append({"offset": base, "value": None, "codec": f"magic {data[at + 16]}"})
            after = base + 1
        else:
            head = HEADER.unpack_from(data, at)
            after = base + head[6] + 1
            if not head[5] & CONTROL:
                found += _batch(head, data[at + HEADER.size : end])
        at = end
    return [row for row in found if row["offset"] >= first], after


def _batch(head, body):
    base, _, _, _, _, attributes, last, time, max_time, producer, epoch, sequence, count = head
    appended = max_time if attributes & 8 else None  # log append time
    about = {"producer_id": producer, "producer_epoch": epoch}
    if attributes & TRANSACTIONAL:
        about["transactional"] = True
    try:
        records = _records(inflate(attributes & 7, body), count)
    except NoCodec as codec:
        # As many as there are; where compaction left gaps, their offsets are not known.
        lost = {"value": None, "key": None, "timestamp": max_time, "codec": str(codec)}
        return [{"offset": base + n, **lost, "sequence": None, **about} for n in range(count)]
    return [
        {
            "offset": base + delta,
            "value": _text(value),
            "key": _text(key),
            "timestamp": time + later if appended is None else appended,
            # Sequences follow the offsets' distances, not the place in the batch, and wrap at 2^31.
            "sequence": (sequence + delta) % 2**31 if sequence >= 0 else None,
            **about,
        }
        for later, delta, key, value in records
    ]


def _text(data):
    return None if data is None else data.decode(errors="replace")


def _records(data, count):
    at = 0

    def signed():
        nonlocal at
        value = shift = 0
        while True:
            byte = data[at]
            at += 1
            value |= (byte & 127) << shift
            if byte < 128:
                return value >> 1 ^ -(value & 1)
            shift += 7

    def some():
        nonlocal at
        size = signed()
        if size < 0:
            return None
        at += size
        return data[at - size : at]

    for _ in range(count):
        size = signed()
        end = at + size
        at += 1  # attributes
        yield signed(), signed(), some(), some()
        if at > end or end > len(data):
            raise ValueError(f"a record runs past its end at {at}")
        at = end  # over the headers
