"""The demo's applications: three topics, each with a producer and a consumer group of another library, none of them ours to
change. What they were told is read from what they print.

    Java              Kafka's own VerifiableProducer and VerifiableConsumer
    librdkafka        kcat
    kafka-python      demo_app.py
"""

import json
import re
import signal
import subprocess
import threading
import time
from pathlib import Path

from cluster import java

TOOLS = java("4.3.1", "128m")
RATE = 40  # records a second of each producer
KCAT_READS = 1024  # bytes at a time: a shorter line would wait for others
APP = ["/usr/bin/python3", str(Path(__file__).with_name("demo_app.py"))]


class Flow:
    """A topic, its producer and its group."""

    def __init__(self, library, topic, group, bootstrap, folder):
        self.library, self.topic, self.group, self.folder = library, topic, group, folder
        self.acked, self.read, self.errors = [], [], []  # (time, number), (time, number, partition, offset), words
        self.sent, self.over = None, False
        start = {"Java": self._java, "librdkafka": self._kcat, "kafka-python": self._python}
        self.producer, self.consumer = start[library](bootstrap)

    # ---- the three libraries ---------------------------------------------------------------------------------------------
    def _java(self, bootstrap):
        words = ["--bootstrap-server", bootstrap, "--topic", self.topic]
        tools = "org.apache.kafka.tools.Verifiable"
        return (
            self._run([*TOOLS, f"{tools}Producer", *words, "--throughput", str(RATE), "--acks", "-1"], self._json),
            self._run(
                [*TOOLS, f"{tools}Consumer", *words, "--group-id", self.group, "--verbose", "--enable-autocommit",
                 "--reset-policy", "earliest"], self._json,
            ),
        )  # fmt: skip

    def _kcat(self, bootstrap):
        kcat = ["kcat", "-b", bootstrap]
        producer = self._run(
            [*kcat, "-P", "-t", self.topic, "-vvv", "-X", "enable.idempotence=true"], self._delivered, stdin=True
        )
        threading.Thread(target=self._feed, args=(producer,), daemon=True).start()
        consumer = self._run(
            [*kcat, "-u", "-q", "-X", "auto.offset.reset=earliest", "-f", "%s %p %o\n", "-G", self.group, self.topic],
            self._received,
        )
        return producer, consumer

    def _python(self, bootstrap):
        return (
            self._run([*APP, "produce", bootstrap, self.topic], self._json),
            self._run([*APP, "consume", bootstrap, self.topic, self.group], self._json),
        )

    # ---- what they say ---------------------------------------------------------------------------------------------------
    def _run(self, command, take, stdin=False):
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True,
            stdin=subprocess.PIPE if stdin else subprocess.DEVNULL,
        )  # fmt: skip

        def listen():
            with open(self.folder / f"{self.topic}.log", "a") as log:
                for line in process.stdout:
                    log.write(line)
                    take(line)

        process.listener = threading.Thread(target=listen, daemon=True)
        process.listener.start()
        return process

    def _feed(self, producer):
        self.stopping = threading.Event()
        number = 0
        while not self.stopping.wait(1 / RATE):
            producer.stdin.write(f"{number:<{KCAT_READS - 1}}\n")
            producer.stdin.flush()
            number += 1
        self.sent = number
        producer.stdin.close()

    def _json(self, line):
        if not line.startswith("{"):
            if " ERROR " in line or "Traceback" in line or line.startswith("ERROR"):
                self._error(line)
            return
        e = json.loads(line)
        name = e["name"]
        if name in ("producer_send_success", "acked"):
            self.acked.append((time.time(), int(e["value"])))
        elif name in ("record_data", "read"):
            self.read.append((time.time(), int(e["value"]), e["partition"], e["offset"]))
        elif name in ("producer_send_error", "error") or e.get("success") is False:
            self._error(line)
        elif name == "closed":
            self.sent = e.get("sent", self.sent)

    def _delivered(self, line):
        if " delivered to " in line:
            self.acked.append((time.time(), len(self.acked)))
        self._complaint(line)

    def _received(self, line):
        found = re.match(r"(\d+) +(\d+) (\d+)$", line)
        if found:
            self.read.append((time.time(), *map(int, found.groups())))
        self._complaint(line)

    def _complaint(self, line):
        if "ERROR" in line or "failed" in line or re.match(r"%[0-3]\|", line):
            self._error(line)

    def _error(self, line):
        if not self.over:  # kafka-python complains of the polls that it gives up when it is closed
            self.errors.append(line.strip())

    # ---- the end ---------------------------------------------------------------------------------------------------------
    def quiet(self):
        """Its producer ends when all it sent is acknowledged."""
        if self.library == "librdkafka":
            self.stopping.set()
        else:
            self.producer.send_signal(signal.SIGTERM)
        self.producer.wait(40)
        self.producer.listener.join(10)
        if self.sent is None:
            self.sent = len(self.acked)

    def all_read(self):
        return {n for _, n in self.acked} <= {n for _, n, *_ in self.read}

    def stop(self):
        self.over = True
        self.consumer.send_signal(signal.SIGTERM)
        self.consumer.wait(20)
        self.consumer.listener.join(10)

    def end(self):
        for process in (self.producer, self.consumer):
            if process.poll() is None:
                process.kill()
                process.wait()

    def verdict(self):
        """{what: how many}: all but `acked` and the times are to be 0."""
        read = [n for _, n, *_ in self.read]
        last, disorder = {}, 0
        for _, number, partition, _ in self.read:
            disorder += number <= last.get(partition, -1)
            last[partition] = number
        return {
            "acked": len(self.acked),
            "lost": len({n for _, n in self.acked} - set(read)) + max(self.sent - len(self.acked), 0),
            "repeated": len(read) - len(set(read)),
            "out of order": disorder,
            "client errors": len(self.errors),
            "longest pause": longest([t for t, _ in self.acked]),
            "longest silence": longest([t for t, *_ in self.read]),
        }


def longest(times):
    """Milliseconds between two that follow each other."""
    return round(1000 * max((b - a for a, b in zip(times, times[1:])), default=0))
