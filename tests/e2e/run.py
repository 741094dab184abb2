"""Runs the scenarios (see README.md in tests/). Called by tests/e2e/run, in a namespace of its own."""

import argparse
import signal
import sys
import time
from functools import partial
from pathlib import Path

HERE = Path(__file__).resolve().parent
REPO = HERE.parent.parent
sys.path[:0] = [str(p) for p in (HERE, HERE / "scenarios", REPO / "deploy", REPO / "tests")]

import addresses  # noqa: E402
import admin  # noqa: E402
import control  # noqa: E402
import counter  # noqa: E402
import cut  # noqa: E402
import doors  # noqa: E402
import faults  # noqa: E402
import guided  # noqa: E402
import handover  # noqa: E402
import hostile  # noqa: E402
import key_offset  # noqa: E402
import lagging  # noqa: E402
import lifecycle  # noqa: E402
import mistakes  # noqa: E402
import operators  # noqa: E402
import protocol  # noqa: E402
import relay_test  # noqa: E402
import retention  # noqa: E402
import roundtrip  # noqa: E402
import scheme1  # noqa: E402
import storm  # noqa: E402
import walk  # noqa: E402
from lab import Lab  # noqa: E402
from operate import forget_seams  # noqa: E402
from report import Report, together  # noqa: E402

# In this order; those of one row run at the same time.
ROWS = [
    [("addresses", addresses)],
    [("roundtrip", roundtrip)],
    [("admin", admin), ("control", control)],
    [("mistakes", mistakes)],
    [("storm", storm)],
    [("cut", cut)],
    [("scheme1", scheme1)],
    [("walk", walk)],
    [("operators", operators)],
    [("doors", doors)],
    [("handover", handover)],
    [("guided", guided)],
    [("key-offset", key_offset)],
    [("lagging", lagging)],
    [("retention", retention)],
    [("faults", faults)],
    [("lifecycle", lifecycle)],
    [("hostile", hostile)],
    [("relay", relay_test)],
    [("protocol", protocol)],
]
# Two at once are more than two processors carry without time-outs of the clients' own.
ONE_AT_A_TIME = {"mistakes", "storm", "cut", "doors", "key-offset", "lagging", "retention", "faults", "guided", "handover", "hostile", "operators", "relay",
                 "scheme1", "walk"}
# Long, and nearly the same for both pairs: both only with --all. 3.9.2 offers the most versions.
ONE_PAIR = {
    "cut": "2.8.2",
    "doors": "3.9.2",
    "faults": "2.8.2",
    "handover": "2.8.2",
    "guided": "3.9.2",
    "hostile": "3.9.2",
    "scheme1": "3.9.2",
    "storm": "3.9.2",
    "key-offset": "3.9.2",
    "lagging": "3.9.2",
    "mistakes": "3.9.2",
    "operators": "3.9.2",
    "protocol": "3.9.2",
    "relay": "3.9.2",
    "retention": "3.9.2",
    "walk": "3.9.2",
}


def leaks(report):
    """No client behind a proxy has ever opened a connection to a broker (control clients have)."""
    seen = counter.connections()
    report.line(
        seen["proxied"] == 0 and seen["direct"] > 0,
        "leaks",
        "all",
        "all",
        f"client connections to brokers: proxied {seen['proxied']} | direct {seen['direct']}",
    )


def drain(pair, report):
    """The proxies have carried all of the above; SIGTERM ends them well."""

    def body():
        code = pair.shunt.drain()
        report.line(code == 0, "drain", pair.name, "SIGTERM", f"exit {code}")

    report.guard("drain", pair.name, "SIGTERM", body, shunt=pair.shunt)


def run_row(parts, lab, report, everything):
    """Runs the scenarios of a row, for each pair, at the same time."""
    begin = time.monotonic()
    for pair in lab.pairs:  # a row's own daemons have journals of their own
        forget_seams(pair.old, pair.new)

    def one(name, module, pair):
        report.guard(name, pair.name, "all", lambda: module.run(pair, report), shunt=pair.shunt)

    def wanted(name, pair):
        return everything or ONE_PAIR.get(name, pair.old.version) == pair.old.version

    runs = [partial(one, *part, pair) for part in parts for pair in lab.pairs if wanted(part[0], pair)]
    if any(name in ONE_AT_A_TIME for name, _ in parts):
        for each in runs:
            each()
    else:
        together(*runs)
    if parts:
        say(f"{', '.join(name for name, _ in parts)}: {time.monotonic() - begin:.0f} s")


def say(text):
    print(f"     {text}", flush=True)


def main():
    parse = argparse.ArgumentParser()
    parse.add_argument(
        "--only",
        action="append",
        choices=[name for row in ROWS for name, _ in row],
        help="a scenario; repeatable",
    )
    parse.add_argument("--old", choices=["2.8.2", "3.9.2"], help="only this old cluster")
    parse.add_argument("--all", action="store_true", help="every scenario for every pair")
    parse.add_argument("--keep", action="store_true", help="keep the logs also when all passed")
    args = parse.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))

    report, lab, begin = Report(), Lab(args.old), time.monotonic()
    try:
        if report.guard("start", "all", "clusters", lambda: lab.start() or True):
            say(f"clusters and proxies up after {time.monotonic() - begin:.0f} s")
            for pair in lab.pairs:
                pair.everything = args.all
            for row in ROWS:
                parts = [part for part in row if not args.only or part[0] in args.only]
                run_row(parts, lab, report, args.all or bool(args.only))
            if not args.only:  # it needs clients of both kinds
                leaks(report)
            together(*[partial(drain, pair, report) for pair in lab.pairs])
    finally:
        keep = args.keep or report.failed
        lab.stop(keep)
        if keep:
            say(f"logs: {lab.folder}")
    say(f"e2e took {(time.monotonic() - begin) / 60:.1f} min")
    print(f"{report.passed} passed, {report.failed} failed")
    return 1 if report.failed or not report.passed else 0


if __name__ == "__main__":
    sys.exit(main())
