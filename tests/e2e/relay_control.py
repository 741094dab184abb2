"""The fault relay as tests use it: starts relay.py in front of a cluster; one method per fault.

    cluster = Cluster(..., advertise=[19152, 19153])     # the relay's ports, one per broker
    with Relay(cluster, folder) as relay:                # relay.bootstrap: the cluster behind it
        lost = relay.drop_answer("Produce", n=3)         # the third from now, then FIN both ways
        lost.wait()                                      # it has happened; TimeoutError after 30 s
        with relay.half_open("answers", broker=2): ...   # ends with the block

`api` is a name, `broker` an id, `way` "requests" or "answers"; None means any. The methods that set
a rule return a Fault with `wait(hits)`, `hits` and `restore()`. Usable from several threads.
"""

import json
import socket
import subprocess
import sys
from pathlib import Path

from wire.codec import NAMES, REQUESTS

PROGRAM = Path(__file__).with_name("relay.py")


class Fault:
    def __init__(self, relay, rule):
        self._relay, self._rule = relay, rule

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.restore()

    def wait(self, hits=1, seconds=30):
        """Returns its hits so far once there are as many as that."""
        return self._relay._ask("wait", seconds + 10, rule=self._rule, hits=hits, seconds=seconds)

    @property
    def hits(self):
        return self.wait(0)

    def restore(self):
        """Ends it. What it held goes on; the frames it dropped and connections it cut stay so."""
        self._relay._ask("restore", rule=self._rule)


class Refusal:
    def __init__(self, relay, broker):
        self._relay, self._broker = relay, broker

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.restore()

    def restore(self):
        self._relay._ask("refuse", how="all", broker=self._broker)


class Relay:
    def __init__(self, cluster, folder):
        self.cluster, self.folder, self.process = cluster, Path(folder), None
        self.ports = cluster.advertise
        self.addresses = [f"127.0.0.1:{port}" for port in self.ports]
        self.bootstrap = ",".join(self.addresses)
        self.log, self._socket = self.folder / "relay.log", self.folder / "relay.sock"

    def start(self):
        self.folder.mkdir(parents=True, exist_ok=True)
        places = zip(self.cluster.ids, self.ports, self.cluster.relayed_ports)
        words = [sys.executable, str(PROGRAM), str(self._socket)]
        words += [":".join(map(str, place)) for place in places]
        with open(self.log, "ab") as log:  # its standard input is its leash: it ends when we do
            self.process = subprocess.Popen(
                words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log
            )
        if self.process.stdout.readline() != b"ready\n":
            raise RuntimeError(f"relay ended ({self.log}):\n{self.log.read_text()}")
        return self

    def stop(self):
        """Every connection through it ends too."""
        if self.process:
            self.process.communicate(timeout=10)
            self._socket.unlink(missing_ok=True)

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.stop()

    def drop_answer(self, api=None, n=1, count=1, every=1, then="fin", broker=None):
        """The request is executed, its answer swallowed.

        The n-th from now, then every `every`-th, `count` in all.
        then: "fin", "rst" close both sides; "silent" keeps them open, no answer comes any more;
        "zombie": the client sees the end, requests it had sent still reach the broker.
        A hit counts once the connection is closed or silent.
        """
        return self._drop("answers", api, n, count, every, then, broker)

    def drop_request(self, api=None, n=1, count=1, every=1, then="fin", broker=None):
        """The request never reaches the broker; with "silent" neither do those behind it."""
        return self._drop("requests", api, n, count, every, then, broker)

    def watch(self, api=None, way="requests", when="passed", broker=None):
        """No fault, hits count frames: `passed` wholly to the other side, `arrived` with its head.

        A half-open way reads no further: only the first frame it holds is sure to arrive.
        """
        return self._fault("watch", way=way, api=_key(api), broker=broker, when=when)

    def delay(self, ms, api=None, way="answers", broker=None):
        """Each such frame waits, and those behind it with it."""
        return self._fault("delay", ms=ms, way=way, api=_key(api), broker=broker)

    def throttle(self, rate, way=None, api=None, broker=None):
        """Bytes/s, per broker and way, shared by the connections."""
        return self._fault("throttle", rate=rate, way=way, api=_key(api), broker=broker)

    def half_open(self, way=None, api=None, broker=None):
        """Connections stay, new ones come, nothing passes; with an api: from its next frame on."""
        return self._fault("half_open", way=way, api=_key(api), broker=broker)

    def cut(self, how="rst", api=None, broker=None):
        """Ends connections now (with an api: those waiting for an answer of it); returns how many.

        "fin", "rst": both sides; what is under way is lost. "zombie": the client sees FIN and no
        answer, and what it has sent still reaches the broker: with half_open("requests") as late as
        restore(). "rst" also takes from the broker what its socket holds unread; "fin" does not.
        """
        return self._ask("cut", how=how, api=_key(api), broker=broker)

    def refuse(self, how="closed", broker=None):
        """New connections: "closed" nobody listens, "reset" at once, "silent" never served."""
        self._ask("refuse", how=how, broker=broker)
        return Refusal(self, broker)

    def restore(self):
        """Ends every fault; watches go on."""
        self._ask("restore", rule=None)

    def stats(self):
        """{broker: {open, accepted, unreachable, requests: WAY, answers: WAY}}.

        WAY: {frames: {api: n}, dropped: {api: n}, bytes}; frames are those passed on whole.
        """
        seen = {int(broker): fields for broker, fields in self._ask("stats").items()}
        for fields in seen.values():
            for way in (fields["requests"], fields["answers"]):
                for kind in ("frames", "dropped"):
                    way[kind] = {NAMES.get(int(k), int(k)): n for k, n in way[kind].items()}
        return seen

    def _drop(self, way, api, n, count, every, then, broker):
        return self._fault(
            "drop", way=way, api=_key(api), n=n, count=count, every=every, then=then, broker=broker
        )

    def _fault(self, command, **words):
        return Fault(self, self._ask(command, **words))

    def _ask(self, command, timeout=20, **words):
        with socket.socket(socket.AF_UNIX) as asking:
            asking.settimeout(timeout)
            asking.connect(str(self._socket))
            asking.sendall(json.dumps({"command": command, **words}).encode() + b"\n")
            answer = json.loads(asking.makefile().readline())
        if "error" in answer:
            kind = TimeoutError if answer["error"] == "TimeoutError" else RuntimeError
            raise kind(f"relay: {command} {words}: {answer['error']} {answer['text']}")
        return answer["ok"]


def _key(api):
    return None if api is None else REQUESTS[api].key
