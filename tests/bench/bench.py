"""Measures the loads over all targets, side by side, and prints figures and goals. Called by tests/bench/run.

No figure fails the run: an answer that is wrong or missing does, or none for 20 s.
"""

import argparse
import json
import os
import resource
import shutil
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
REPO = HERE.parent.parent
sys.path[:0] = [str(p) for p in (HERE, REPO / "tests" / "e2e", REPO / "deploy")]

import load  # noqa: E402
import measures  # noqa: E402
import memory  # noqa: E402
import proxies  # noqa: E402
from figures import Figures  # noqa: E402
from place import Place  # noqa: E402

PAIRED_REQUESTS = 200  # of each load in a round
JSON = REPO / "build" / "bench" / "cost.json"


def run(place, folder, args):
    """Yields (what was done, Figures) as they come."""
    figures, yes = Figures(place.names), lambda part: not args.part or part in args.part
    clients = place.start()
    os.sched_setaffinity(0, proxies.OTHERS or {proxies.PROCESSOR})
    yield "two clusters and the targets are up", figures
    if yes("memory"):
        figures.add(memory.idle(clients, (1000,) if args.quick else (1000, 5000)))
        figures.add(memory.held(clients))
        yield "memory", figures
    moved = place.move()
    if yes("memory"):
        figures.add(memory.held(moved))
    clients = {name: (clients | moved)[name] for name in place.names}
    cpu, latency, calls = (
        [work for work in works if yes(part) and args.load in work.name]
        for part, works in (("cpu", load.TIMED), ("latency", load.PAIRED), ("calls", load.COUNTED))
    )
    for work in {work.name: work for work in cpu + latency + calls}.values():  # warms clients, proxies and brokers
        list(measures.timed(clients, 0, work))
    yield "warmed", figures
    for turn in range(args.rounds):
        for work in cpu:
            figures.add(measures.timed(clients, turn, work))
        for work in latency:
            figures.add(measures.paired(clients, turn, work, PAIRED_REQUESTS))
        yield f"round {turn + 1} of {args.rounds}", figures
    for work in calls:
        figures.add(measures.system_calls(clients, work, folder))
    place.check_all_is_there(clients)
    yield "system calls; every topic holds just what was acknowledged", figures


def arguments():
    parse = argparse.ArgumentParser(prog="tests/bench/run")
    parse.add_argument("--rounds", type=int, help="of CPU and latency: 16, with --quick 3")
    parse.add_argument("--quick", action="store_true", help="few rounds, idle connections only 1,000")
    parse.add_argument("--target", action="append", help="only this one and direct; may be repeated")
    parse.add_argument("--part", action="append", choices=("cpu", "latency", "memory", "calls"), help="only this")
    parse.add_argument("--load", default="", help="only loads whose name contains this, as `produce` or `small`")
    parse.add_argument("--write", action="store_true", help="the tables into COST.md")
    parse.add_argument("--former", help=argparse.SUPPRESS)  # the binary, from tests/bench/run --against
    parse.add_argument("--former-commit", help=argparse.SUPPRESS)
    parse.add_argument("--this-commit", default="", help=argparse.SUPPRESS)
    args = parse.parse_args()
    args.rounds = args.rounds or (3 if args.quick else 16)
    return args


def main():
    args = arguments()
    base = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    # Brokers and proxies inherit it; the idle connections need 10,000 in a proxy.
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    folder, begin, done = Path(tempfile.mkdtemp(prefix="shunt-bench-", dir=base)), time.monotonic(), 0
    place, failed = Place(folder, args.former, args.target), 0
    if place.without_tls:
        print(f"     without TLS: {place.without_tls}")
    try:
        for what, figures in run(place, folder, args):
            done += 1
            print(f"     {time.monotonic() - begin:4.0f} s  {what}")
    except Exception as error:
        print(f"FAIL {type(error).__name__}: {error}")
        failed = 1
    finally:
        place.stop()
        shutil.rmtree(folder, ignore_errors=True)
    if not failed:
        report(args, figures)
    print(f"{0 if failed else done} passed, {failed} failed")
    return failed


def report(args, figures):
    text = f"{figures.table()}\n\n{figures.goal_table()}"
    if args.former:
        text += f"\n\nformer: {args.former_commit}\n\n{figures.against('former', 'shunt')}"
    print(text)
    JSON.parent.mkdir(parents=True, exist_ok=True)
    JSON.write_text(json.dumps({"commit": args.this_commit, "rounds": args.rounds} | figures.json(), indent=1))
    print(f"     all figures: {JSON.relative_to(REPO)}")
    if args.write:
        (HERE / "COST.md").write_text(COST.format(args=args, cpus=os.cpu_count(), text=text))


COST = """# What the data path costs

Made by `tests/bench/run --write` from {args.this_commit}: medians of {args.rounds} rounds, all targets in turn within each, one run, {cpus} processors, Kafka 3.9.2
(behind `shunt renumbering`: 4.3.1), loopback, broker data on tmpfs. `README.md` says what each line is. CPU is the proxy's own; trust CPU and ratios, not MB/s.

{text}
"""

if __name__ == "__main__":
    sys.exit(main())
