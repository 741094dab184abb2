"""What the protocol scenarios share: connections through Shunt and beside it, comparing, and one line per check."""

import struct

from wire.codec import NAMES, RESPONSES
from wire.connection import Connection

NEW_NODES = 2**28


def differences(want, got, path=""):
    """Where two decoded answers differ, one line each."""
    if isinstance(want, dict) and isinstance(got, dict):
        return [
            line
            for key in sorted(set(want) | set(got), key=str)
            for line in differences(
                want.get(key, "(none)"), got.get(key, "(none)"), f"{path}.{key}"
            )
        ]
    if isinstance(want, list) and isinstance(got, list) and len(want) == len(got):
        return [line for i, w in enumerate(want) for line in differences(w, got[i], f"{path}[{i}]")]
    return [] if want == got else [f"{path or '.'}: expected {short(want)} got {short(got)}"]


def short(value, most=300):
    text = repr(value)
    return text if len(text) <= most else f"{text[:most]}... ({len(text)})"


def without(value, names):
    """A copy without the fields of these names, at any depth."""
    if isinstance(value, dict):
        return {k: without(v, names) for k, v in value.items() if k not in names}
    return [without(v, names) for v in value] if isinstance(value, list) else value


def replaced(value, words):
    """A copy in which whole strings are replaced."""
    if isinstance(value, dict):
        return {k: replaced(v, words) for k, v in value.items()}
    if isinstance(value, list):
        return [replaced(v, words) for v in value]
    return words.get(value, value) if isinstance(value, str) else value


def flat(answer, topics, partitions, partition):
    """Nested topics and partitions as {(topic, partition): fields}; a place that comes twice is an error."""
    places = {}
    for t in answer[topics]:
        for p in t[partitions]:
            place = (t.get("Name") or t.get("Topic") or t.get("TopicId"), p[partition])
            if place in places:
                raise AssertionError(f"{place} is there twice: {short(answer)}")
            places[place] = p
    return places


class Leaks:
    """Looks through answers' bytes for a real broker's host and port."""

    def __init__(self, pair):
        ports = [*pair.old.ports, *pair.new.ports]
        self._fields = [
            b"127.0.0.1" + struct.pack(">i", p) for p in ports
        ]  # as every message has them
        self._text = [f"127.0.0.1:{p}".encode() for p in ports]
        self.found, self.answers, self.asked = [], 0, set()

    def look(self, api, version, frame):
        """Config values and records may name brokers: they are passed on as they are."""
        self.answers += 1
        self.asked.add((api, version))
        data = bytes(frame[:2_000_000])
        found = [r for r in self._fields if r in data]
        if api not in ("DescribeConfigs", "Fetch"):
            found += [t for t in self._text if t in data]
        if found:
            self.found.append(f"{api} v{version}: {found[0]!r}")

    def take(self, other):
        self.found += other.found
        self.answers += other.answers


class Bench:
    """The connections of one client: `fronts` through Shunt (bootstrap and every node), `old` and `new` direct."""

    def __init__(self, pair, report, shunt=None):
        self.pair, self.report, self.shunt = pair, report, shunt or pair.shunt
        self.leaks, self.opened = Leaks(pair), []
        self.look = self.leaks.look
        self.old = {
            n: self._keep(Connection("127.0.0.1", pair.old.ports[n - 1])) for n in pair.old.ids
        }
        self.new = {
            n: self._keep(Connection("127.0.0.1", pair.new.ports[n - 1])) for n in pair.new.ids
        }
        first = self.connect()
        self.offered = ranges(
            first.call(
                "ApiVersions", 3, {"ClientSoftwareName": "wire", "ClientSoftwareVersion": "1"}
            )
        )
        seen = first.call("Metadata", 9 if 9 in self.offered["Metadata"] else 8, {"Topics": None})
        self.addresses = {b["NodeId"]: (b["Host"], b["Port"]) for b in seen["Brokers"]}
        self.fronts = {"bootstrap": first}
        for node, at in self.addresses.items():
            self.fronts[node] = self.connect(at)

    def _keep(self, connection):
        self.opened.append(connection)
        return connection

    def connect(self, at=None, **options):
        """A connection through Shunt: to the bootstrap address or to one it showed."""
        return self._keep(
            Connection(*(at or ("127.0.0.1", self.shunt.port)), seen=self.look, **options)
        )

    def close(self):
        for connection in self.opened:
            connection.close()

    def of(self, node):
        """The direct connection to the broker that a node id shown means."""
        return self.new[node - NEW_NODES] if node >= NEW_NODES else self.old[node]

    def versions(self, api):
        """Offered, and in the definitions."""
        return [v for v in self.offered.get(api, []) if v in RESPONSES[api].valid]

    def clamp(self, api, version):
        offered = self.versions(api)
        return min(max(version, offered[0]), offered[-1])

    def check(self, who, problems, text):
        tail = "".join(f"\n       {p}" for p in problems[:6])
        more = f"\n       ... {len(problems)} in all" if len(problems) > 6 else ""
        return self.report.line(not problems, "protocol", self.pair.name, who, text + tail + more)

    def part(self, who, body):
        """A part of the scenario: an exception is its failure, the next part runs all the same."""
        self.report.guard("protocol", self.pair.name, who, lambda: body(self), shunt=self.shunt)


def ranges(answer):
    """An ApiVersions answer as {name: range}."""
    return {
        NAMES.get(a["ApiKey"], a["ApiKey"]): range(a["MinVersion"], a["MaxVersion"] + 1)
        for a in answer["ApiKeys"]
    }
