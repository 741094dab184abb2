#!/usr/bin/env python3
"""Dumps native logs and committed offsets directly from a cluster's brokers, for check.py.

usage: dump.py --cluster old|new --bootstrap H:P[,H:P...]
               [--topic T... [--out FILE]]               records, as JSON lines
               [--commits GROUP... [--commits-out FILE]] offsets; rows of the other cluster stay
Exit code: 0 all dumped, 1 records that could not be decoded (value null), 2 usage or no answer.

A row tells each partition's log_start and log_end, then there is one per record. Control batches
have none; records of aborted transactions have (`transactional`: true). Run it at rest.
"""

import argparse
import json
import sys
from pathlib import Path

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).resolve().parent.parent)

from checker.brokers import Brokers
from checker.lines import BadInput, document

CLUSTERS = ("old", "new")


def dump(cluster, bootstrap, topics, out):
    """Writes the rows of `topics` to the open text file; (records, records not decoded)."""
    records = opaque = 0
    with Brokers(bootstrap) as brokers:
        for place in sorted(brokers.leaders(topics)):
            head = {"cluster": cluster, "topic": place[0], "partition": place[1]}
            rows = brokers.records(place)
            start, end = next(rows)
            out.write(json.dumps(head | {"log_start": start, "log_end": end}) + "\n")
            for row in rows:
                records, opaque = records + 1, opaque + ("codec" in row)
                out.write(json.dumps(head | row) + "\n")
    return records, opaque


def commits(cluster, bootstrap, groups):
    """[{cluster, group, topic, partition, offset}] of all the groups' committed offsets."""
    with Brokers(bootstrap) as brokers:
        return [{"cluster": cluster} | row for group in groups for row in brokers.committed(group)]


def main(words):
    parser = argparse.ArgumentParser(prog="dump.py", description=__doc__.splitlines()[0])
    parser.add_argument("--cluster", choices=CLUSTERS, required=True)
    parser.add_argument("--bootstrap", required=True, metavar="H:P[,H:P...]")
    parser.add_argument("--topic", nargs="+", default=[], metavar="T")
    parser.add_argument("--out", type=Path, metavar="FILE")
    parser.add_argument("--commits", nargs="+", default=[], metavar="GROUP")
    parser.add_argument("--commits-out", type=Path, metavar="FILE")
    options = parser.parse_args(words)
    if not options.topic and not options.commits:
        parser.error("nothing to dump: --topic or --commits")
    try:
        opaque = _topics(options) if options.topic else 0
        if options.commits:
            _commits(options)
    except (BadInput, OSError) as error:
        print(f"dump.py: {error}", file=sys.stderr)
        return 2
    return 1 if opaque else 0


def _topics(options):
    out = open(options.out, "w") if options.out else sys.stdout
    try:
        records, opaque = dump(options.cluster, options.bootstrap, options.topic, out)
    finally:
        if options.out:
            out.close()
    print(f"{options.cluster}: {records} records, {opaque} not decoded", file=sys.stderr)
    return opaque


def _commits(options):
    rows = commits(options.cluster, options.bootstrap, options.commits)
    file = options.commits_out
    if file and file.exists():
        rows = [r for r in document(file) if r["cluster"] != options.cluster] + rows
    text = json.dumps(rows) + "\n"
    file.write_text(text) if file else sys.stdout.write(text)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
