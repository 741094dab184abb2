#!/usr/bin/env python3
"""Runs the planted examples and the other tests; last line: `N passed, N failed`."""

import json
import random
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[0:1] = [str(HERE.parent), str(HERE)]

from checker import golden  # noqa: E402
from checker.check import check  # noqa: E402
from checker.lines import BadInput  # noqa: E402
from checker.result import KINDS  # noqa: E402
from checker.segments import Segment, Segments  # noqa: E402
import planted.allowed  # noqa: E402, F401
from planted.clean import clean  # noqa: E402
from planted.table import TABLE  # noqa: E402

failed = []
passed = 0


def say(good, what):
    global passed
    passed += bool(good)
    if not good:
        failed.append(what)
        print(f"FAIL {what}")


def judge(h, **options):
    return check(h.logs.values(), [h.dump], h.segments, h.commits, **options)


def planted_examples():
    for name, mutate, found, apart, options in TABLE:
        h = clean()
        mutate(h)
        result = judge(h, **options)
        got = {kind: n for kind, n in result.apart.items() if n}
        good = result.found() == found and got == apart and result.clean == (not found)
        say(good, f"{name}: expected {found} {apart}, found {result.found()} {got}")
    for kind in KINDS:
        say(any(kind == next(iter(f), None) for _, _, f, _, _ in TABLE), f"{kind} is not planted")


def bad_input():
    def refused(name, mutate):
        h = clean()
        mutate(h)
        try:
            judge(h)
            say(False, f"{name}: not refused")
        except BadInput:
            say(True, name)

    partitions = lambda h: h.segments["partitions"]  # noqa: E731
    refused("no records", lambda h: h.logs.clear())
    refused("a row without a value", lambda h: h.dump[5].pop("value"))
    refused("commits without a group", lambda h: h.commits[0].pop("group"))
    refused("segments of nothing", lambda h: h.segments.clear())
    refused("virtual overlap", lambda h: partitions(h)[0]["segments"][1].update(virtual_start=7))
    refused("native overlap", lambda h: partitions(h)[0]["segments"][2].update(native_start=7))


def positions():
    """Against the definition, tried out offset by offset."""
    rng = random.Random(1)
    for n in range(300):
        segments, ends = random_segments(rng)
        pair = {c: rng.randint(0, e + 3) for c, e in ends.items()}
        best = None
        for virtual, own in own_pairs(segments):
            if all(own[c] <= pair[c] for c in own):
                best = virtual
        got = Segments("?", segments).position(pair)
        text = [(s.cluster, s.virtual, s.begin, s.end) for s in segments]
        say(got == best, f"position {n}: {text} {pair}: expected {best}, got {got}")


def random_segments(rng):
    ends = {"old": rng.randint(0, 3), "new": rng.randint(0, 3)}
    segments, virtual = [], rng.randint(0, 2) + ends["old"]
    for n in range(rng.randint(1, 5)):
        cluster, length = ("old", "new")[n % 2], rng.randint(0, 4)
        segments.append(Segment(cluster, virtual, ends[cluster], ends[cluster] + length))
        ends[cluster] += length
        virtual += length
    return segments, ends


def own_pairs(segments):
    own = {}
    for s in segments:
        own.setdefault(s.cluster, s.begin)
    for s in segments:
        for native in range(s.begin, s.end + 1):
            own[s.cluster] = native
            yield s.virtual + native - s.begin, dict(own)


def command():
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)

        def run(h, *more):
            logs = folder / "logs"
            logs.mkdir(exist_ok=True)
            for name, events in h.logs.items():
                (logs / f"{name}.jsonl").write_text("".join(json.dumps(e) + "\n" for e in events))
            with open(logs / "p.jsonl", "a") as log:
                log.write('{"time": 1, "ev')  # as a killed program leaves it
            (folder / "dump").write_text("".join(json.dumps(r) + "\n" for r in h.dump))
            (folder / "segments").write_text(json.dumps(h.segments))
            (folder / "commits").write_text(json.dumps(h.commits))
            files = [f"--{name}={folder}/{name}" for name in ("dump", "segments", "commits")]
            words = [sys.executable, HERE / "check.py", "--logs", logs, *files, *more]
            return subprocess.run(words, capture_output=True, text=True)

        h = clean()
        done = run(h)
        say(done.returncode == 0 and "1 unreadable" in done.stdout, f"command, clean: {done}")
        h.dump.append(planted.table.row("old", "orders", 0, offset=10, value="x:0"))
        done = run(h)
        say(done.returncode == 1 and "value=x:0" in done.stdout, f"command, orphan: {done}")
        done = run(h, "-o", "json")
        say(json.loads(done.stdout)["counts"]["orphan"] == 1, f"command, json: {done}")
        h.segments = {}
        done = run(h)
        say(done.returncode == 2 and "segments" in done.stderr, f"command, no segments: {done}")
        say(run(clean(), "--nonsense").returncode == 2, "command, unknown option")


def decoding():
    for what, good in golden.cases():
        say(good, what)


for part in (planted_examples, bad_input, positions, decoding, command):
    part()
print(f"{passed} passed, {len(failed)} failed")
sys.exit(bool(failed))
