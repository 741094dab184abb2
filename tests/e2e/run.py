"""Runs the scenarios (see README.md in tests/). Called by tests/e2e/run, in a namespace of its own."""
import argparse
import signal
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE / "scenarios"), str(HERE.parent.parent / "deploy")]

import addresses  # noqa: E402
import admin  # noqa: E402
import control  # noqa: E402
import counter  # noqa: E402
import lifecycle  # noqa: E402
import roundtrip  # noqa: E402
import storm  # noqa: E402
from lab import Lab  # noqa: E402
from report import Report, together  # noqa: E402

# In this order; those of one row run at the same time.
ROWS = [[("addresses", addresses)], [("roundtrip", roundtrip)], [("admin", admin)], [("storm", storm), ("control", control)], [("lifecycle", lifecycle)]]


def leaks(report):
    """No client behind a proxy has ever opened a connection to a broker; the control clients have, so the counter counts."""
    seen = counter.connections()
    report.line(seen["proxied"] == 0 and seen["direct"] > 0, "leaks", "all", "all", f"client connections to brokers: proxied {seen['proxied']} | direct {seen['direct']}")


def main():
    parse = argparse.ArgumentParser()
    parse.add_argument("--only", action="append", choices=[name for row in ROWS for name, _ in row], help="a scenario; repeatable")
    parse.add_argument("--old", choices=["2.8.2", "3.9.2"], help="only this old cluster")
    parse.add_argument("--keep", action="store_true", help="keep the logs also when all passed")
    args = parse.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))

    report, lab, begin = Report(), Lab(args.old), time.monotonic()
    try:
        if report.guard("start", "all", "clusters", lambda: lab.start() or True):
            print(f"     clusters and proxies up after {time.monotonic() - begin:.0f} s", flush=True)
            for row in ROWS:
                chosen = [(name, module) for name, module in row if not args.only or name in args.only]
                started = time.monotonic()
                together(*[lambda m=module, p=pair: m.run(p, report) for _, module in chosen for pair in lab.pairs])
                if chosen:
                    print(f"     {', '.join(name for name, _ in chosen)}: {time.monotonic() - started:.0f} s", flush=True)
            leaks(report)
            for pair in lab.pairs:
                report.guard("drain", pair.name, "SIGTERM", lambda: report.line((code := pair.shunt.drain()) == 0, "drain", pair.name, "SIGTERM", f"exit {code}"), shunt=pair.shunt)
    finally:
        keep = args.keep or report.failed
        lab.stop(keep)
        if keep:
            print(f"     logs: {lab.folder}")
    print(f"     e2e took {(time.monotonic() - begin) / 60:.1f} min")
    print(f"{report.passed} passed, {report.failed} failed")
    return 1 if report.failed or not report.passed else 0


if __name__ == "__main__":
    sys.exit(main())
