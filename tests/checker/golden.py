"""Tests of dump's decoding: batches of Kafka's own encoder (tests/golden), in every codec."""

import sys
from pathlib import Path

from checker import batches, codecs

GOLDEN = Path(__file__).resolve().parent.parent / "golden" / "batches.txt"


def cases():
    """(what, good) of each; a codec that this machine lacks must be reported, not dropped."""
    sets = {}
    for line in GOLDEN.read_text().splitlines():
        kind, name, *words = line.split()
        if kind == "set":
            sets[name] = bytes.fromhex(words[0])
    for kind in ("", "-idempotent", "-transactional"):
        plain, _ = batches.rows(sets[f"v2-none{kind}"], 0)
        said = ["value-0", "value-1", "value-2", "a tombs", "value-4"][: len(plain)]
        got = [(r["value"] or "a tombstone")[:7] for r in plain]
        yield f"v2-none{kind}: {plain}", len(got) > 1 and got == said
        for codec in ("gzip", "snappy", "lz4", "zstd"):
            got, _ = batches.rows(sets[f"v2-{codec}{kind}"], 0)
            known = {codecs.NAMES[n] for n in codecs.DECODERS}
            if codec in known:
                yield f"v2-{codec}{kind}: {got}", got == plain
            else:
                print(f"{codec}: not on this machine", file=sys.stderr)
                yield f"v2-{codec}{kind}: {got}", [r["codec"] for r in got] == [codec] * len(plain)
    for name in ("v2-commit", "v2-abort", "v2-empty"):
        got, after = batches.rows(sets[name], 0)
        yield f"{name}: {got}", got == [] and after > 0
    got, _ = batches.rows(sets["v1-none"], 0)
    yield f"v1-none: {got}", [(r["value"], r["codec"]) for r in got] == [(None, "magic 1")] * 3
    got, _ = batches.rows(sets["v2-gap"], 0)
    offsets = [r["offset"] for r in got]
    yield f"v2-gap: {got}", offsets == sorted(set(offsets)) and offsets[-1] - offsets[0] >= len(got)
    idempotent, after = batches.rows(sets["v2-none-idempotent"], 0)
    first = idempotent[0]
    steps = [(r["offset"] - first["offset"], r["sequence"] - first["sequence"]) for r in idempotent]
    yield f"sequences {idempotent}", all(a == b for a, b in steps) and first["producer_id"] >= 0
    late, _ = batches.rows(sets["v2-none-idempotent"], after - 1)
    yield f"from the last on: {late}", [r["offset"] for r in late] == [after - 1]
    cut = sets["v2-none"][:-1]
    yield "a cut batch", batches.rows(cut, 0) == ([], None)
