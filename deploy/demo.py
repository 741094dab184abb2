"""The demo's steps (deploy/demo calls it): two Kafka clusters, Shunt, three live applications, and scheme 1 as an operator
walks it; then the verdict on all that the applications were told.
"""

import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from cluster import Cluster
from demo_clients import RATE, TOOLS, Flow
from sidecar import CTL, Shunt
from wait import wait_for

PARTITIONS = 4
FLOWS = {"orders": ("Java", "billing"), "payments": ("librdkafka", "ledger"), "events": ("kafka-python", "audit")}
CANARY = "billing"
MORE = 2 * RATE  # records of each that are to flow before the next step
began = time.monotonic()


def say(text):
    print(f"demo: {time.monotonic() - began:5.1f} s  {text}", flush=True)


class Demo:
    def __init__(self, folder):
        self.folder = folder
        self.old = Cluster("old", "2.8.2", 19092, folder, brokers=2)
        self.new = Cluster("new", "4.3.1", 20092, folder, brokers=2)
        self.shunt = Shunt(folder / "shunt", self.old.bootstrap, self.new.bootstrap)
        self.flows = []

    def run(self, keep):
        self.start()
        self.show("plan", "--scheme", "1", "--topics", ",".join(FLOWS))
        self.show("start", "--scheme", "1", "--topics", ",".join(FLOWS))
        say("production goes to new; the groups read old to its end and wait there")
        self.show("move", "produce", "--to", "new")
        self.watch("every group to have read old", self.drained)
        self.show("groups")
        say(f"a canary goes on: {CANARY}")
        self.show("move", "fetch", "--group", CANARY, "--wait")
        self.flow("the canary to read new", [self.canary])
        say("and is taken back")
        self.show("undo")
        say("it was a good canary: all groups go on")
        self.show("move", "fetch", "--all", "--wait")
        self.flow("all to read new", self.flows)
        self.show("verify")
        say("finish: each group's coordinator goes to new, in one rebalance; after that old is needed no more")
        self.show("finish")
        self.flow("all to go on", self.flows)
        say("old is switched off")
        self.old.stop()
        self.flow("all to go on without it", self.flows)
        self.show("status")
        if keep:
            say(f"Shunt: {self.shunt.bootstrap}, new: {self.new.bootstrap}; old is off")
            say(f"try: {CTL} --socket {self.shunt.socket} status -w; Ctrl-C ends all")
            signal.pause()
        return self.verdict()

    # ---- steps -----------------------------------------------------------------------------------------------------------
    def start(self):
        say(f"starting Kafka {self.old.version} (old) and {self.new.version} (new), two brokers each")
        together(*(c.start for c in (self.old, self.new)))
        together(*(c.wait_ready for c in (self.old, self.new)))
        together(*(lambda c=c: self.create_topics(c) for c in (self.old, self.new)))
        say(f"starting Shunt at {self.shunt.bootstrap} (its log: {self.shunt.program.log})")
        self.shunt.start()
        for topic, (library, group) in FLOWS.items():
            self.flows.append(Flow(library, topic, group, self.shunt.bootstrap, self.folder))
            say(f"{topic}: a producer and the group {group}, on {library}, all they know is {self.shunt.bootstrap}")
        self.canary = next(f for f in self.flows if f.group == CANARY)
        self.flow("all applications to write and read", self.flows)

    def create_topics(self, cluster):
        for topic in FLOWS:
            words = f"--bootstrap-server {cluster.bootstrap} --create --topic {topic} --partitions {PARTITIONS}"
            with open(self.folder / f"topics-{cluster.name}.log", "ab") as log:
                subprocess.run(
                    [*TOOLS, "org.apache.kafka.tools.TopicCommand", *words.split(), "--replication-factor", "2"],
                    check=True, stdout=log, stderr=log,
                )  # fmt: skip

    def show(self, *words):
        """An operator's command, and what it prints."""
        print("\n$ shuntctl " + " ".join(words), flush=True)
        done = subprocess.run([str(CTL), "--socket", str(self.shunt.socket), *words])
        print(flush=True)
        if done.returncode != 0:
            raise RuntimeError(f"shuntctl {' '.join(words)}: exit {done.returncode}")

    def watch(self, what, condition, seconds=60):
        """Waits for it; a line a second says what flows where."""
        told = [0.0]

        def look():
            if time.monotonic() - told[0] >= 1:
                told[0] = time.monotonic()
                self.live()
            return condition()

        wait_for(what, look, seconds)

    def live(self):
        _, topics = self.shunt.ctl("topics")
        _, groups = self.shunt.ctl("groups")
        produce = {t["topic"]: t["produce"] for t in topics["topics"]}
        fetch = {g["group"]: g for g in groups["groups"]}
        words = []
        for f in self.flows:
            g = fetch.get(f.group, {"fetch": "?"})
            words.append(f"{f.topic} {len(f.acked)} -> {produce.get(f.topic, '?')}, {f.group} {g['fetch']} -> {len(f.read)}")
        say(" | ".join(words))

    def flow(self, what, flows):
        """MORE records of each are written and read."""
        marks = [(f, len(f.acked) + MORE, len(f.read) + MORE) for f in flows]
        self.watch(what, lambda: all(len(f.acked) >= a and len(f.read) >= r for f, a, r in marks))

    def drained(self):
        _, seen = self.shunt.ctl("groups")
        drained = {g["group"] for g in seen["groups"] if g["drained"] and g["fetch"] == "wait"}
        return all(f.group in drained for f in self.flows)

    def verdict(self):
        say("the producers end, the groups read what is left")
        together(*(f.quiet for f in self.flows))
        wait_for("everything to be read", lambda: all(f.all_read() for f in self.flows), 40)
        together(*(f.stop for f in self.flows))
        bad = 0
        for f in self.flows:
            v = f.verdict()
            bad += v["lost"] + v["repeated"] + v["out of order"] + v["client errors"] + (v["acked"] == 0)
            say(
                f"{f.topic:<9}{f.library:<13}" + ", ".join(f"{name} {v[name]}" for name in list(v)[:5])
                + f", longest pause of the producer {v['longest pause']} ms"
            )
            for words in f.errors[:5]:
                say(f"    {words}")
        code = self.shunt.drain()
        say(f"SIGTERM: Shunt drained, exit {code}")
        say("nothing lost, nothing repeated, nothing out of order, no client saw an error" if not bad else "NOT as it should be")
        return 0 if bad == 0 and code == 0 else 1

    def end(self):
        for f in self.flows:
            f.end()
        self.shunt.kill()
        together(self.old.stop, self.new.stop)
        shutil.rmtree(self.folder, ignore_errors=True)


def together(*jobs):
    """Runs them side by side; the first failure is raised when all have ended."""
    failures = []

    def guarded(job):
        try:
            job()
        except Exception as failure:
            failures.append(failure)

    threads = [threading.Thread(target=guarded, args=(job,)) for job in jobs]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    if failures:
        raise failures[0]


def main():
    keep = "--keep" in sys.argv[1:]
    for sig in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(sig, lambda *_: sys.exit(130))
    demo = Demo(Path(tempfile.mkdtemp(prefix="shunt-demo-")))
    try:
        return demo.run(keep)
    except KeyboardInterrupt:
        say("ending")
        return 0 if keep else 130
    except (RuntimeError, TimeoutError, subprocess.SubprocessError) as failure:
        say(f"failed: {failure}")
        say(f"Shunt's last words:\n{demo.shunt.program.tail()}" if demo.shunt.program.log.exists() else "")
        return 1
    finally:
        demo.end()


if __name__ == "__main__":
    sys.exit(main())
