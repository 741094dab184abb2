"""Reads the seams from a daemon's journal (control/README.md): what the moves answered is lost with a daemon that dies."""

import json
import struct
from itertools import count


def records(folder):
    """The JSON records of its newest file, up to a torn tail."""
    data, at = max(folder.glob("*.log")).read_bytes(), 0
    while at + 8 <= len(data):
        size, _ = struct.unpack_from(">II", data, at)
        if at + 8 + size > len(data):
            return
        yield json.loads(data[at + 8 : at + 8 + size])
        at += 8 + size


def moves(folder):
    """The sealed cuts of topics that began empty on old, as `move produce` answers them."""
    to, out, logs = {}, [], {}
    for r in whole(records(folder)):
        if r["type"] == "cut_intended":
            to[r["move"]] = r["to"]
        if r["type"] == "cut_sealed":
            out.append({"to": to[r["move"]], "partitions": []})
            for s in r["seams"]:
                place = s["topic"], s["partition"]
                virtual, native = logs.get(place, (0, 0))
                virtual += s["native_end"] - native
                logs[place] = virtual, s["native_start"]
                ends = s["native_end"], s["native_start"]
                old, new = ends if to[r["move"]] == "new" else reversed(ends)
                out[-1]["partitions"].append(
                    {"topic": s["topic"], "partition": s["partition"], "old_end": old,
                     "new_start": new, "virtual_start": virtual}
                )  # fmt: skip
    return out


def whole(all_records):
    """Large records come in parts."""
    text = ""
    for r in all_records:
        if r["type"] != "part":
            yield r
            continue
        text += r["json"]
        if r["part"] == r["parts"]:
            yield json.loads(text)
            text = ""
