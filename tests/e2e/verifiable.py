"""Kafka's own VerifiableProducer and VerifiableConsumer, and what their JSON output says of a topic: each acknowledged number
read once, each partition's in the order they were sent, no error, so many rebalances.
"""

import json
import re
import signal
import subprocess
from collections import Counter, defaultdict

from client import GIDS
from cluster import java
from wait import wait_for

KEYS = 12  # keys of the records, in turn: they go to all partitions
ERROR = re.compile(r"^\S+ (ERROR|FATAL) |^Exception in ")  # of the tool's log


class Tool:
    """One of the two programs; its output, with the tool's log between the JSON, is kept in a file."""

    def __init__(self, name, side, log, version, bootstrap, topic, *words):
        self.log, self.topic, self._at = log, topic, 0
        self._events, self.complaints = defaultdict(list), []
        command = [*java(version, "96m"), f"org.apache.kafka.tools.{name}", "--bootstrap-server", bootstrap]
        with open(log, "wb") as out:
            self.process = subprocess.Popen(
                [*command, "--topic", topic, *words], stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                group=GIDS[side], extra_groups=[],
            )  # fmt: skip

    def events(self, name):
        """All events of a name so far."""
        with open(self.log, "rb") as log:
            log.seek(self._at)
            fresh = log.read()
        whole = fresh.rfind(b"\n") + 1
        self._at += whole
        for line in fresh[:whole].decode(errors="replace").splitlines():
            if line.startswith("{"):
                event = json.loads(line)
                self._events[event["name"]].append(event)
            elif ERROR.match(line):
                self.complaints.append(line)
        return self._events[name]

    def wait(self, what, condition, seconds=40):
        def check():
            if condition():
                return True
            if self.process.poll() is not None:
                raise RuntimeError(f"{self.log} ended with {self.process.returncode} before: {what}")
            return False

        wait_for(f"{self.log.stem}: {what}", check, seconds)

    def ask_to_stop(self):
        """SIGTERM: it sends or commits what it has, and ends."""
        self.process.send_signal(signal.SIGTERM)

    def stop(self, seconds=40):
        if self.process.poll() is None:
            self.ask_to_stop()
            self.process.wait(seconds)
        if not self.events("shutdown_complete"):
            raise RuntimeError(f"{self.log} ended with {self.process.returncode}, without its last word")
        return self

    def end(self):
        """Unconditionally: for cleaning up."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()


class Producer(Tool):
    """Numbers from 0 on, so many a second."""

    def __init__(self, side, log, version, bootstrap, topic, rate):
        words = ["--throughput", str(rate), "--acks", "-1", "--repeating-keys", str(KEYS)]
        super().__init__("VerifiableProducer", side, log, version, bootstrap, topic, *words)

    def acked(self):
        return self.events("producer_send_success")

    def sent(self):
        """Once it has ended."""
        return self.events("tool_data")[0]["sent"]

    def errors(self):
        return self.events("producer_send_error") + self.complaints


class Consumer(Tool):
    """A member of a group; it commits after each poll."""

    def __init__(self, side, log, version, bootstrap, topic, group):
        words = ["--group-id", group, "--reset-policy", "earliest", "--verbose"]
        super().__init__("VerifiableConsumer", side, log, version, bootstrap, topic, *words)

    def read(self):
        return self.events("record_data")

    def errors(self):
        return [e for e in self.events("offsets_committed") if not e["success"]] + self.complaints

    def rebalances(self):
        """(revocations, assignments) so far"""
        return len(self.events("partitions_revoked")), len(self.events("partitions_assigned"))


def held(consumers):
    """How many partitions each holds now, most first."""

    def one(consumer):
        changes = consumer.events("partitions_assigned") + consumer.events("partitions_revoked")
        last = max(changes, key=lambda e: (e["timestamp"], e["name"] == "partitions_assigned"), default=None)
        return len(last["partitions"]) if last and last["name"] == "partitions_assigned" else 0

    return sorted(map(one, consumers), reverse=True)


def by_partition(events):
    found = defaultdict(list)
    for e in events:
        found[e["partition"]].append(int(e["value"]))
    return found


def in_time(consumers):
    """What they read, as time went by."""
    return sorted((e for c in consumers for e in c.read()), key=lambda e: e["timestamp"])


def all_read(producer, consumers):
    return {e["value"] for e in producer.acked()} <= {e["value"] for c in consumers for e in c.read()}


def problems(producer, consumers, by_offsets=None):
    """What is not as it should be, in words. Offsets of `by_offsets` (all of the consumers, unless told) are those acknowledged."""
    acked, read = by_partition(producer.acked()), by_partition(in_time(consumers))
    numbers = Counter(n for values in read.values() for n in values)
    due = {n for values in acked.values() for n in values}
    falls = sum(b < a for values in read.values() for a, b in zip(values, values[1:]))
    told = {e["value"]: (e["partition"], e["offset"]) for e in producer.acked()}
    places = [(e["value"], (e["partition"], e["offset"])) for c in by_offsets or consumers for e in c.read()]
    found = {
        "not acknowledged": producer.sent() - len(due),
        "lost": len(due - set(numbers)),
        "never sent": len(set(numbers) - due),
        "repeated": sum(numbers.values()) - len(numbers),
        "out of order": falls,
        "not where acknowledged": sum(told.get(value) != place for value, place in places),
    }
    words = [f"{what}: {count}" for what, count in found.items() if count]
    # What all of the above must come to: each partition read as it was sent.
    if not words and {p: sorted(values) for p, values in acked.items()} != read:
        words.append("not read as sent")
    errors = [e for tool in (producer, *consumers) for e in tool.errors()]
    return words + [f"{len(errors)} errors: {errors[:3]}"] * bool(errors) + ["nothing sent"] * (not due)


def longest(events):
    """Milliseconds between two that follow each other."""
    times = sorted(e["timestamp"] for e in events)
    return max((b - a for a, b in zip(times, times[1:])), default=0)
