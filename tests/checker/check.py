#!/usr/bin/env python3
"""Judges a history by client logs, dumped cluster logs, segments and committed offsets.

usage: check.py --logs FOLDER|FILE... [--dump FILE...] [--segments FILE] [--commits FILE]
                [--others TOPIC...] [--group CLIENT=GROUP...] [-o text|json]
Exit code: 0 clean, 1 anomalies, 2 usage.
"""

import argparse
import sys
from pathlib import Path

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).resolve().parent.parent)

from checker import history as histories
from checker import native as natives
from checker import reads, seam, writes
from checker import segments as virtual_logs
from checker.lines import BadInput, document, no_collector
from checker.places import Places
from checker.result import Result


def check(logs, dumps=(), segments=None, commits=None, others=(), groups=None):
    """The Result of a history. Raises BadInput for what cannot be judged.

    `logs`     files, folders of *.jsonl, or lists of events
    `dumps`    files, or lists of rows
    `segments` `commits`  a file, or the JSON itself
    `others`   topics that more than the logged clients write
    `groups`   {client: group}, for logs that do not say it
    """
    with no_collector():
        return _check(logs, dumps, segments, commits, set(others), groups)


def _check(logs, dumps, segments, commits, others, groups):
    history = histories.read(logs, groups)
    if not history.sent and not history.polled:
        raise BadInput("the logs hold no record, sent or polled: nothing to judge")
    native = natives.read(dumps, virtual_logs.read(segments), history)
    places = Places(history, native)
    result = Result()
    for judge in (*writes.ALL, *reads.ALL, *seam.ALL):
        judge(history, native, places, result)
    seam.orphan(history, native, places, result, others)
    if commits is not None:
        try:
            reads.commit_drift(history, document(commits), native, places, result)
        except (KeyError, TypeError) as error:
            raise BadInput(f"commits: not the rows of dump.py: {error!r}") from error
    result.totals = totals(history, native, places)
    return result


def totals(history, native, places):
    return {
        "clients": len(history.clients),
        "sent": len(history.sent),
        "acked": len(history.acked),
        "failed": len(history.failed),
        "sent_again": sum(n - 1 for n in history.sends.values()),
        "polled": history.polled,
        "repeated": history.polled - sum(map(len, places.reads.values())),
        "committed": history.committed,
        "records_in_old": native.records["old"],
        "records_in_new": native.records["new"],
        "in_no_segment": len(native.outside),
        "without_value": sum(native.opaque.values()),
        "unreadable_lines": history.unreadable,
    }


def main(words):
    parser = argparse.ArgumentParser(prog="check.py", description=__doc__.splitlines()[0])
    parser.add_argument("--logs", nargs="+", type=Path, required=True, metavar="FOLDER|FILE")
    parser.add_argument("--dump", nargs="+", type=Path, default=[], metavar="FILE")
    parser.add_argument("--segments", type=Path, metavar="FILE", help="shuntctl -o json verify")
    parser.add_argument("--commits", type=Path, metavar="FILE", help="dump.py --commits")
    parser.add_argument("--others", nargs="+", default=[], metavar="TOPIC", help="no orphans there")
    parser.add_argument("--group", nargs="+", default=[], metavar="CLIENT=GROUP")
    parser.add_argument("-o", choices=("text", "json"), default="text")
    options = parser.parse_args(words)
    try:
        groups = dict(pair.split("=", 1) for pair in options.group)
        result = check(
            options.logs, options.dump, options.segments, options.commits, options.others, groups
        )
    except (BadInput, ValueError) as error:
        print(f"check.py: {error}", file=sys.stderr)
        return 2
    print(result.as_json() if options.o == "json" else result)
    return 0 if result.clean else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
