"""Measures the loads over this build, a former one and direct connections, side by side, and prints one table.

Short rounds in slices of some milliseconds, in turn: what disturbs the machine disturbs all three. Called by tests/bench/run.
"""

import argparse
import os
import shutil
import sys
import tempfile
import time
from pathlib import Path
from statistics import median, quantiles

HERE = Path(__file__).resolve().parent
REPO = HERE.parent.parent
sys.path[:0] = [str(p) for p in (HERE, REPO / "tests" / "e2e", REPO / "deploy")]

import load  # noqa: E402
from cluster import Cluster  # noqa: E402
from operate import create_topics  # noqa: E402
from sidecar import BINARY, Shunt  # noqa: E402

LOADS = [
    load.BulkProduce(),
    load.BulkFetch(),
    load.SmallProduce(1),
    load.SmallProduce(load.IN_FLIGHT),
    load.SmallFetch(),
    load.SmallMetadata(),
]
TARGETS = ("this", "former", "direct")


def cpu_of(shunt):
    """CPU-seconds of all its threads so far, to the nanosecond (utime + stime of stat count in 10 ms)."""
    tasks = Path(f"/proc/{shunt.program.process.pid}/task")
    return lambda: sum(int((t / "schedstat").read_text().split()[0]) for t in tasks.iterdir()) / 1e9


class Place:
    """Two clusters of one broker each and a daemon of each build before them."""

    def __init__(self, folder, former):
        self.old = Cluster("old", "3.9.2", 21092, folder, brokers=1)
        self.new = Cluster("new", "4.3.1", 23092, folder, brokers=1)
        self.shunts = {
            name: Shunt(folder / name, self.old.bootstrap, self.new.bootstrap, port, http)
            for name, port, http in (("this", 9092, 9644), ("former", 9192, 9744))
        }
        for name, binary in (("this", BINARY), ("former", former)):
            self.shunts[name].program.command[0] = str(binary)

    def start(self):
        for cluster in (self.old, self.new):
            cluster.start()
        for cluster in (self.old, self.new):
            cluster.wait_ready()
        for topic, partitions in (("bulk", 8), ("filled", 8), ("small", 1), ("one", 1)):
            create_topics(self.old, [topic], partitions)
        for shunt in self.shunts.values():
            shunt.start()
        targets = {name: load.Target(name, s.port, cpu_of(s)) for name, s in self.shunts.items()}
        targets["direct"] = load.Target("direct", self.old.ports[0])
        load.prepare(targets["direct"])
        self.pin()
        return targets

    def pin(self):
        """The daemons on one processor, the client on another: what a wake-up costs hangs on where they are."""
        *others, last = sorted(os.sched_getaffinity(0))
        for shunt in self.shunts.values():
            os.sched_setaffinity(shunt.program.process.pid, {last})
        os.sched_setaffinity(0, others or {last})

    def stop(self):
        for shunt in self.shunts.values():
            shunt.kill()
        for cluster in (self.old, self.new):
            cluster.stop()


class Measure:
    """One load at all targets; each list has an entry per round."""

    def __init__(self, work):
        self.work = work
        self.cost, self.rate, self.p50, self.p99 = ({name: [] for name in TARGETS} for _ in range(4))

    def round(self, targets, turn):
        """All three at the same time, slice by slice, in an order that turns."""
        order = [targets[TARGETS[(n + turn) % len(TARGETS)]] for n in range(len(TARGETS))]
        rounds = {target: self.work.round(target) for target in order}
        sums = {target: [0.0, load.Work()] for target in order}
        for _ in range(load.SLICES):
            for target in order:
                before = target.cpu() if target.cpu else 0.0
                done = next(rounds[target])
                total = sums[target][1]
                sums[target][0] += (target.cpu() if target.cpu else 0.0) - before
                total.amount, total.seconds = total.amount + done.amount, total.seconds + done.seconds
                total.waits += done.waits
        for target, (cpu, done) in sums.items():
            self.add(target, cpu, done)

    def add(self, target, cpu, done):
        if target.cpu:
            self.cost[target.name].append(cpu / done.amount)
        self.rate[target.name].append(done.amount / done.seconds)
        if done.waits:
            cuts = quantiles(done.waits, n=100)
            self.p50[target.name].append(cuts[49] * 1e6)
            self.p99[target.name].append(cuts[98] * 1e6)

    def rows(self):
        name = self.work.cost.split(" per ")[1]
        yield self.row(self.work.cost, self.cost, "{:.3f}")
        if self.work.unit == "GB":
            per_second = {k: [1000 * v for v in values] for k, values in self.rate.items()}
            yield self.row(f"MB/s, {name.removeprefix('GB ')}", per_second, "{:.0f}")
        elif self.p50["this"]:
            yield self.row(f"p50 µs, {name.removeprefix('1,000 ')}", self.p50, "{:.0f}")
            yield self.row(f"p99 µs, {name.removeprefix('1,000 ')}", self.p99, "{:.0f}")
        else:
            per_second = {k: [1000 * v for v in values] for k, values in self.rate.items()}
            yield self.row(f"requests/s, {name.removeprefix('1,000 ')}", per_second, "{:.0f}")

    @staticmethod
    def row(what, values, form):
        """Medians over the rounds; ratios are medians of each round's own."""
        direct = values["direct"]
        words = [form.format(median(values[name])) if values[name] else "" for name in TARGETS]
        return [what, *words, ratio(values["this"], values["former"]), ratio(values["this"], direct) if direct else ""]


def ratio(mine, others):
    """Median of the rounds' ratios, and the quartiles."""
    low, middle, high = quantiles([a / b for a, b in zip(mine, others)], n=4)
    return f"{middle:.3f} ({low:.2f}–{high:.2f})"


def table(measures):
    rows = [["", *TARGETS, "this / former (quartiles)", "this / direct (quartiles)"]]
    rows += [["---"] * 6] + [row for measure in measures for row in measure.rows()]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def main():
    parse = argparse.ArgumentParser()
    parse.add_argument("--former", required=True)
    parse.add_argument("--former-commit", required=True)
    parse.add_argument("--this-commit", required=True)
    parse.add_argument("--rounds", type=int, default=24)
    parse.add_argument("--write", action="store_true", help="the table into COST.md")
    args = parse.parse_args()
    base = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    folder, begin = Path(tempfile.mkdtemp(prefix="shunt-bench-", dir=base)), time.monotonic()
    place, measures, failed = Place(folder, args.former), [Measure(work) for work in LOADS], 0
    try:
        targets = place.start()
        for measure in measures:  # the first round warms clients, daemons and brokers
            Measure(measure.work).round(targets, 0)
        for turn in range(args.rounds):
            for measure in measures:
                measure.round(targets, turn)
        print(f"     {args.rounds} rounds after {time.monotonic() - begin:.0f} s")
    except Exception as error:  # an answer that is wrong, or none for 20 s: no figure fails
        print(f"FAIL {type(error).__name__}: {error}")
        failed = 1
    finally:
        place.stop()
        shutil.rmtree(folder, ignore_errors=True)
    if not failed:
        text = table(measures)
        print(text)
        if args.write:
            write(args, text)
    print(f"{0 if failed else len(measures)} passed, {failed} failed")
    return failed


def write(args, text):
    (HERE / "COST.md").write_text(
        f"""# What the data path costs with no migration running

Made by `tests/bench/run --write`: medians of {args.rounds} rounds, interleaved in slices of some milliseconds, one run, {os.cpu_count()} processors, Kafka 3.9.2, loopback, broker data on tmpfs.
*this* is the build of {args.this_commit}; *former* that of {args.former_commit}; *direct* has no daemon. CPU is the daemon's own.
A ratio is the median over the rounds of each round's own; trust CPU and ratios, not MB/s.

{text}
"""
    )


if __name__ == "__main__":
    sys.exit(main())
