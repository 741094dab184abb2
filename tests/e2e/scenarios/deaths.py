"""The daemon dies at each step of a cut and of its undo, with clients at work, and is started again."""

import json
import time

import confluent_kafka as ck

from client import progress
from fault_scene import PARTITIONS, UNREACHABLE, Scene
from wait import wait_for

STEPS = ("S1", "S2", "S3", "S4", "S5", "S6", "S7")
LATE = 5  # records to each partition that go past the proxy
WAYS = {"cut": ("old", "new"), "undo": ("new", "old")}


class Deaths(Scene):
    """The daemon dies when a step has been reached and its record written; it is started again, the command repeated."""

    name, number = "deaths", 30

    def __init__(self, pair, report, ways, steps):
        super().__init__(pair, report)
        self.ways, self.steps, self.killed = ways, steps, []

    def run(self):
        self.start()
        for step in self.steps:
            for way in WAYS:
                if way in self.ways:
                    self.die(way, step)
                else:  # back to where the next one begins
                    self.unhindered(way)
        passers = [self.die_sweeping(way) for way in self.ways]
        self.finish()
        code, proof = self.shunt.ctl("verify")
        self.line(code == 0, "deaths verify", f"exit {code}: {(proof or {}).get('problems')}")
        self.judge(self.killed, sealed=proof, others=passers)

    def die_sweeping(self, way):
        """A producer goes past the proxy to the cluster that was left; the daemon dies when the first of it is swept in."""
        source, target = WAYS[way]
        code, answer = self.command(way, "--accept-stragglers")
        if code != 0:
            raise RuntimeError(f"{way}: exit {code}: {answer}")
        begin, before = time.time(), self.stragglers()
        self.shunt.drain()
        self.shunt.start(SHUNT_DIE_AT="S8")
        progress(self.proxied(), PARTITIONS)
        left = getattr(self.pair, source)
        passer = Passer(self.pair.folder, f"{self.name}-past-{source}", left.bootstrap, self.migration.topics[0])
        wait_for("the daemon's death", lambda: not self.shunt.program.alive(), 20)
        self.shunt.start()
        self.killed.append((begin, time.time()))
        wait_for("all of it in the log", lambda: self.stragglers() == before + LATE * PARTITIONS, 30)
        progress(self.proxied(), PARTITIONS)
        words = f"after the start: the rest of {LATE * PARTITIONS} records is swept in, production at {'+'.join(sorted(self.where()))}"
        ok = self.where() == {target}
        self.row(way, "S8", f"records go past the proxy to {source}; SIGKILL when the first are swept in, started again", words)
        self.line(ok, f"{way} S8", words)
        return passer

    def stragglers(self):
        return sum(t["stragglers"] for t in self.migration.ask("topics")["topics"])

    def die(self, way, step):
        source, target = WAYS[way]
        begin = time.time()
        self.shunt.drain()
        self.shunt.start(SHUNT_DIE_AT=step)
        progress(self.proxied(), PARTITIONS)
        told, _ = self.unhindered(way)
        wait_for("the daemon's death", lambda: not self.shunt.program.alive(), 20)
        self.shunt.start()
        self.killed.append((begin, time.time()))
        last, where = self.migration.status()["moves"][-1], self.where()
        progress(self.proxied(), PARTITIONS)
        again, answer = self.repeated(way, last)
        nothing = again == 0 and not answer.get("changed")
        progress(self.proxied(), PARTITIONS)
        there = self.where()
        before = step < "S5"
        outcome = "rolled back" if last["aborted_at"] else "completed"
        ok = (
            told == UNREACHABLE
            and where == ({source} if before else {target})
            and outcome == ("rolled back" if before else "completed")
            and there == {target}
            and (again == 0 and answer["changed"] if before else nothing)
        )
        repeated = "moves" if again == 0 and answer.get("changed") else f"has nothing to do (exit {again})"
        words = (
            f"the command: exit {told}; after the start: {outcome}, production at {'+'.join(sorted(where))}; the command "
            f"again {repeated}; {'clients go on' if ok else 'WRONG'}"
        )
        self.row(way, step, "SIGKILL of the daemon when the step's record is written, started again", words)
        self.line(ok, f"{way} {step}", f"{words}; status: {last}")

    def repeated(self, way, last):
        """The command again. An undo that has come about is not repeated, which would take back the move before it: its
        other form is.
        """
        if way == "undo" and not last["aborted_at"]:
            return 0, self.migration.move("old")
        return self.unhindered(way)

    def where(self):
        """Where the migration's topics are produced to."""
        topics = self.migration.ask("topics")["topics"]
        return {t["produce"] for t in topics if t["topic"] in self.migration.topics}


class Passer:
    """A producer that goes past the proxy. Its log has no acknowledgements: they name another log's offsets."""

    def __init__(self, folder, name, bootstrap, topic):
        self.name, self.kind, self.log = name, "librdkafka", folder / "clients" / f"{name}.jsonl"
        producer = ck.Producer({"bootstrap.servers": bootstrap, "enable.idempotence": True})
        self.sent = []
        for n in range(LATE * PARTITIONS):
            self.sent.append({
                "time": time.time(), "event": "sent", "client": name, "topic": topic, "partition": n % PARTITIONS,
                "value": f"{name}:{n}",
            })  # fmt: skip
            producer.produce(topic, self.sent[-1]["value"], partition=n % PARTITIONS)
        if producer.flush(30):
            raise RuntimeError(f"{name}: not written")
        self.log.write_text("".join(json.dumps(e) + "\n" for e in self.sent))

    def events(self, name):
        return self.sent if name == "sent" else []
