"""Starts the client programs of clients/ and reads their uniform logs while they run."""

import json
import subprocess
import threading
from collections import defaultdict

from cluster import DEPS, REPO
from wait import wait_for

HERE = REPO / "tests" / "e2e" / "clients"
BUILT = REPO / "build" / "clients"
PYTHON = str(DEPS / "venv" / "bin" / "python")
JAVA = [
    "java",
    "-Xmx96m",
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    "-XX:-UsePerfData",
    "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
    "-cp",
    f"{BUILT}/java:{DEPS}/kafka-clients-4.4.0/*",
    "Client",
]
KINDS = {
    "java": JAVA,
    "franz-go": [str(BUILT / "franz")],
    "librdkafka": [PYTHON, str(HERE / "confluent_client.py")],
    "librdkafka-2.0": [str(BUILT / "rdkafka")],
    "kafka-python": [PYTHON, str(HERE / "kpython_client.py")],
    "aiokafka": [PYTHON, str(HERE / "aiokafka_client.py")],
    "sarama": [str(BUILT / "sarama")],
    "kafka-go": [str(BUILT / "kafkago")],
    "kafkajs": [str(DEPS / "bin" / "node"), str(HERE / "kafkajs_client.js")],
}
# The group id of a client's process says which side it is on: counter.py counts connections by it.
GIDS = {"proxied": 7001, "direct": 7002}


def progress(clients, partitions, seconds=90):
    """Waits until every client has sent, after this moment, a record to each partition and polled it."""
    marks = [
        (c, *(len(c.events(name)) for name in ("sent", "acked", "polled")))
        for c in clients
    ]
    for client, sent, acked, polled in marks:

        def alive(c, sent=sent, acked=acked, polled=polled):
            fresh = {e["value"] for e in c.events("sent")[sent:]}
            return all(
                len({e["partition"] for e in events if e["value"] in fresh}) == partitions
                for events in (c.events("acked")[acked:], c.events("polled")[polled:])
            )

        client.wait("sends and reads on every partition", alive, seconds)


class Client:
    def __init__(self, folder, kind, side, name, bootstrap, **options):
        self.kind, self.side, self.name = kind, side, name
        folder.mkdir(parents=True, exist_ok=True)
        self.log, self.errors_log = folder / f"{name}.jsonl", folder / f"{name}.err"
        words = {"client": name, "bootstrap": bootstrap, **options}
        command = KINDS[kind] + [
            f"{key.replace('__', '.')}={value}" for key, value in words.items()
        ]
        with open(self.log, "wb") as out, open(self.errors_log, "wb") as err:
            self.process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=out,
                stderr=err,
                group=GIDS[side],
                extra_groups=[],
            )
        self._events, self._held, self._at, self._lock = (
            defaultdict(list),
            set(),
            0,
            threading.Lock(),
        )

    def events(self, name):
        """All events of a name so far; the list only grows."""
        with self._lock:
            with open(self.log, "rb") as log:
                log.seek(self._at)
                fresh = log.read()
            whole = fresh.rfind(b"\n") + 1
            self._at += whole
            for line in fresh[:whole].splitlines():
                event = json.loads(line)
                self._events[event["event"]].append(event)
                self._hold(event)
            return self._events[name]

    def _hold(self, event):
        places = {(event.get("member"), p) for p in event.get("partitions", [])}
        if event["event"] == "assigned":
            self._held |= places
        elif event["event"] in ("revoked", "lost"):
            self._held -= places

    def wait(self, what, condition, seconds=40):
        def check():
            if condition(self):
                return True
            if self.process.poll() is not None:
                raise RuntimeError(
                    f"{self.name} ended with {self.process.returncode} before: {what}"
                )
            return False

        wait_for(f"{self.name}: {what}", check, seconds)
        return self

    def partitions(self):
        """How many partitions its members hold now."""
        self.events("assigned")
        return len(self._held)

    def members(self):
        """How many members hold partitions now."""
        self.events("assigned")
        return len({member for member, _ in self._held})

    def quiet(self):
        """Producing ends; returns when every record sent is acknowledged or has failed."""
        self.process.stdin.write(b"quiet\n")
        self.process.stdin.flush()
        return self.wait("all sent records answered", lambda c: c.events("produced"), 60)

    def stop(self, seconds=60):
        """Leaves its group and ends; a program that does not end well is an error."""
        if self.process.poll() is None:
            self.process.stdin.close()
            self.process.wait(seconds)
        if self.process.returncode != 0 or not self.events("closed"):
            raise RuntimeError(f"{self.name} ended with {self.process.returncode}")
        return self

    def end(self):
        """Unconditionally: for cleaning up."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def tail(self, lines=8):
        words = self.errors_log.read_text(errors="replace").splitlines()[-lines:]
        words += [
            json.dumps(e) for name in ("warning", "error") for e in self.events(name)[-lines:]
        ]
        return "\n".join(word[:300] for word in words)
