"""The fault relay does what it says: each fault by raw protocol at a real cluster, then with Shunt.

    build/deps/venv/bin/python tests/e2e/relay_test.py [2.8.2|3.9.2|4.3.1]    in a network namespace

As a scenario: run(pair, report), for a pair whose old cluster advertises a relay's ports.
"""

import select
import shutil
import socket
import sys
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent.parent / "deploy")]

from client import Client  # noqa: E402
from cluster import Cluster  # noqa: E402
from history import all_polled, judge  # noqa: E402
from operate import create_topics  # noqa: E402
from relay_control import Relay  # noqa: E402
from report import Report  # noqa: E402
from sidecar import Shunt  # noqa: E402
from wait import wait_for  # noqa: E402
from wire.connection import Closed, Connection  # noqa: E402
from wire.records import batch, batches, bulk  # noqa: E402

MIB, TOPIC, ACKS = 1 << 20, "relay", 50
SOFTWARE = {"ClientSoftwareName": "wire", "ClientSoftwareVersion": "1"}


class Place:
    """A cluster, its relay, and a topic with partition p led by broker p + 1."""

    def __init__(self, cluster, relay):
        self.cluster, self.relay = cluster, relay
        self.direct = {
            n: Connection("127.0.0.1", port) for n, port in zip(cluster.ids, cluster.ports)
        }

    def connect(self, node=1, seconds=10):
        return Connection("127.0.0.1", self.relay.ports[node - 1], seconds=seconds)

    def end(self, node=1):
        """The log's end, asked directly."""
        body = {
            "ReplicaId": -1,
            "Topics": [
                {"Name": TOPIC, "Partitions": [{"PartitionIndex": node - 1, "Timestamp": -1}]}
            ],
        }
        answer = self.direct[node].call("ListOffsets", 2, body)
        return answer["Topics"][0]["Partitions"][0]["Offset"]


def produce(value=b"x", node=1, acks=-1):
    data = [{"Index": node - 1, "Records": batch([value])}]
    body = {
        "Acks": acks,
        "TimeoutMs": 30000,
        "TopicData": [{"Name": TOPIC, "PartitionData": data}],
    }
    return "Produce", 7, body


def fetch(at, most):
    partition = {"Partition": 0, "FetchOffset": at, "PartitionMaxBytes": most}
    body = {
        "ReplicaId": -1, "MaxWaitMs": 1000, "MinBytes": 1, "MaxBytes": most, "SessionEpoch": -1,
        "Topics": [{"Topic": TOPIC, "Partitions": [partition]}],
    }  # fmt: skip
    return "Fetch", 11, body


def quiet(connection, seconds=0.2):
    """Nothing comes and nothing ends: what only time can tell; no other step depends on it."""
    return not select.select([connection.socket], [], [], seconds)[0]


def ending(connection):
    """How a connection ends: fin, rst, or the answer that came instead."""
    try:
        return f"answer {connection.answer()[0]}"
    except Closed:
        return "fin"
    except ConnectionResetError:
        return "rst"


def timed(body):
    begin = time.monotonic()
    body()
    return time.monotonic() - begin


def same(*pairs):
    """Whether each (found, expected) agrees, and all that was found."""
    return all(found == wanted for found, wanted in pairs), [found for found, _ in pairs]


def addresses(place):
    """Who asks behind the relay is shown the relay's ports, who asks directly the brokers'."""

    def shown(connection):
        brokers = connection.call("Metadata", 8, {"Topics": []})["Brokers"]
        return sorted(b["Port"] for b in brokers)

    relayed, direct = place.relay.ports, place.cluster.ports
    return same(
        *[(shown(place.connect(n)), relayed) for n in place.cluster.ids],
        *[(shown(place.direct[n]), direct) for n in place.cluster.ids],
    )


def large(place):
    """A Produce and a Fetch of 16 MiB, many MB/s; both are counted and neither is collected."""
    value, connection, at = bulk(16 * MIB), place.connect(), place.end()
    ask, before = produce(value), place.relay.stats()[1]
    sent = timed(lambda: connection.call(*ask))
    answers = []
    got = timed(lambda: answers.append(connection.call(*fetch(at, 20 * MIB))))
    records = answers[0]["Responses"][0]["Partitions"][0]["Records"]
    back = next(batches(records))["values"] == [value]
    after = place.relay.stats()[1]
    passed = [after[w]["bytes"] - before[w]["bytes"] > 16 * MIB for w in ("requests", "answers")]
    status = Path(f"/proc/{place.relay.process.pid}/status").read_text()
    peak = int(status.split("VmHWM:")[1].split()[0]) >> 10
    ok = back and all(passed) and max(sent, got) < 4 and peak < 40
    return ok, f"16 MiB: {16 / sent:.0f} MiB/s there, {16 / got:.0f} MiB/s back, in {peak} MiB"


def no_acks(place):
    """Produce with acks=0 has no answer: the next answer belongs to the next request."""
    connection, before = place.connect(), place.relay.stats()[1]["answers"]["frames"]
    at = place.end()
    for _ in range(3):
        connection.send(*produce(acks=0))
    answer = connection.call("Metadata", 8, {"Topics": []})
    after = place.relay.stats()[1]["answers"]["frames"]
    more = {api: n - before.get(api, 0) for api, n in after.items() if n != before.get(api, 0)}
    wait_for("3 records", lambda: place.end() == at + 3, 10)
    return same((len(answer["Brokers"]), place.cluster.size), (more, {"Metadata": 1}))


def half_closed(place):
    """A client that ends its side still gets its answers, then the broker's end."""
    connection = place.connect()
    correlation = connection.send(*produce())
    connection.socket.shutdown(socket.SHUT_WR)
    answer = connection.receive("Produce", 7, correlation)
    return same((answer["ThrottleTimeMs"], 0), (ending(connection), "fin"))


def drop_answer(place):
    """The third answer is lost each way: its record is in the log."""
    found = []
    for then, wanted in (("fin", "fin"), ("rst", "rst"), ("zombie", "fin"), ("silent", True)):
        at, connection = place.end(), place.connect()
        lost = place.relay.drop_answer("Produce", n=3, then=then, broker=1)
        connection.call("Metadata", 8, {"Topics": []})
        connection.call(*produce())
        connection.call(*produce())
        connection.send(*produce())
        lost.wait()
        seen = quiet(connection) if then == "silent" else ending(connection)
        again = place.connect().call(*produce())  # it was for once
        found += [((then, seen, place.end() - at, again["ThrottleTimeMs"]), (then, wanted, 4, 0))]
    return same(*found)


def drop_request(place):
    """The request is lost each way: its record is not in the log, those before are answered."""
    found = []
    for then, wanted in (("fin", "fin"), ("rst", "rst"), ("silent", True)):
        at, connection = place.end(), place.connect()
        lost = place.relay.drop_request("Produce", n=2, then=then)
        connection.call(*produce())
        connection.send(*produce())
        lost.wait()
        seen = quiet(connection) if then == "silent" else ending(connection)
        found += [((then, seen, place.end() - at), (then, wanted, 1))]
    return same(*found)


def series(place):
    """Every second of three answers, counted over connections; a deadline that passes says so."""
    lost = place.relay.drop_answer("Metadata", n=2, every=2, count=3)
    told = []
    for _ in range(3):
        connection = place.connect()
        connection.call("Metadata", 8, {"Topics": []})
        connection.send("Metadata", 8, {"Topics": []})
        told.append(ending(connection))
    place.connect().call("Metadata", 8, {"Topics": []})
    try:
        late = lost.wait(4, seconds=0.1)
    except TimeoutError:
        late = "TimeoutError"
    return same((told, ["fin"] * 3), (lost.hits, 3), (late, "TimeoutError"))


def cut(place):
    """Only the chosen broker's connections, and by api only those that wait for its answer."""
    relay, found = place.relay, []
    for how in ("fin", "rst"):
        one, two = place.connect(1), place.connect(2)
        for c in (one, two):
            c.call("ApiVersions", 3, SOFTWARE)
        relay.cut(how, broker=1)
        two.call("ApiVersions", 3, SOFTWARE)
        found.append((ending(one), how))
    waits, idle = place.connect(2), place.connect(2)
    idle.call("ApiVersions", 3, SOFTWARE)
    with relay.half_open("answers", "Metadata"):
        passed = relay.watch("Metadata")
        waits.send("Metadata", 8, {"Topics": []})
        passed.wait()
        number = relay.cut("rst", "Produce"), relay.cut("fin", "Metadata")
    idle.call("ApiVersions", 3, SOFTWARE)
    relay.cut()
    return same(*found, (number, (0, 1)), (ending(waits), "fin"), (relay.stats()[2]["open"], 0))


def zombie(place):
    """The client sees the end; what it had sent is appended afterwards, as late as one likes."""
    at, connection = place.end(), place.connect()
    connection.call("ApiVersions", 3, SOFTWARE)
    hold, arrived = place.relay.half_open("requests"), place.relay.watch("Produce", when="arrived")
    for _ in range(3):
        connection.send(*produce())
    arrived.wait()
    place.relay.cut("zombie")
    seen, before = ending(connection), place.end() - at
    connection.close()
    passed = place.relay.watch("Produce")
    lost = place.relay.watch("Produce", "answers", when="arrived")
    hold.restore()
    passed.wait(3)
    lost.wait(3)
    return same((seen, "fin"), (before, 0), (place.end() - at, 3))


def refuse(place):
    relay, found = place.relay, {}
    with relay.refuse("closed", broker=1):
        place.connect(2).call("ApiVersions", 3, SOFTWARE)
        try:
            place.connect(1)
        except ConnectionRefusedError:
            found["closed"] = "refused"
    with relay.refuse("reset"):
        try:  # either connect or the first use says so
            connection = place.connect()
            connection.send("ApiVersions", 3, SOFTWARE)
            found["reset"] = ending(connection)
        except (ConnectionResetError, BrokenPipeError):
            found["reset"] = "rst"
    relay.refuse("silent")
    connection = place.connect()
    correlation = connection.send("ApiVersions", 3, SOFTWARE)
    found["silent"] = quiet(connection)
    relay.restore()
    answer = connection.receive("ApiVersions", 3, correlation)
    return same(
        (found, {"closed": "refused", "reset": "rst", "silent": True}), (answer["ErrorCode"], 0)
    )


def delay(place):
    """Only the chosen API's answers; restore ends one that waits."""
    connection = place.connect()
    with place.relay.delay(500, "Metadata"):
        slow = timed(lambda: connection.call("Metadata", 8, {"Topics": []}))
        quick = timed(lambda: connection.call("ApiVersions", 3, SOFTWARE))
    with place.relay.delay(60_000, "Metadata"):
        arrived = place.relay.watch("Metadata", "answers", when="arrived")
        correlation = connection.send("Metadata", 8, {"Topics": []})
        arrived.wait()
    connection.receive("Metadata", 8, correlation)
    return 0.5 <= slow < 3 and quick < 0.5, f"{slow * 1000:.0f} ms, others {quick * 1000:.0f} ms"


def throttle(place):
    """1 MiB at 1 MiB/s, in each direction."""
    connection, at, ask = place.connect(), place.end(), produce(bulk(MIB))
    with place.relay.throttle(MIB, "requests"):
        there = timed(lambda: connection.call(*ask))
    with place.relay.throttle(MIB, "answers"):
        back = timed(lambda: connection.call(*fetch(at, 2 * MIB)))
    free = timed(lambda: connection.call(*ask))
    ok = all(0.9 < t < 3 for t in (there, back)) and free < 0.9
    return ok, f"1 MiB/s: {there:.2f} s there, {back:.2f} s back; without: {free:.2f} s"


def half_open(place):
    """No answer until restore; the record is in the log if only answers stand still."""
    relay, found = place.relay, []
    for way, appended in (("answers", 1), ("requests", 0), (None, 0)):
        at, connection = place.end(), place.connect()
        connection.call("ApiVersions", 3, SOFTWARE)
        here = relay.watch("Produce", when="arrived")
        back = relay.watch("Produce", "answers", when="arrived")
        with relay.half_open(way):
            correlation = connection.send(*produce())
            (back if way == "answers" else here).wait()
            still, stored = quiet(connection), place.end() - at
        connection.receive("Produce", 7, correlation)
        found += [((still, stored, place.end() - at), (True, appended, 1))]
    return same(*found)


def direct(place):
    """Brokers, and who asks a broker directly, do not come by: only our own APIs were seen."""
    stats = place.relay.stats().values()
    seen = {api for b in stats for w in ("requests", "answers") for api in b[w]["frames"]}
    return same((seen, {"Metadata", "ApiVersions", "Produce", "Fetch"}))


def wrong(place):
    """A mistake in a test is told."""
    try:
        place.relay.half_open("both")
    except RuntimeError as error:
        return True, str(error)
    return False, "half_open('both') was taken"


PARTS = (
    addresses, large, no_acks, half_closed, drop_answer, drop_request, series, cut, zombie, refuse,
    delay, throttle, half_open, direct, wrong,
)  # fmt: skip


def lost_acks(place, pair, report):
    """A producer at Shunt, Shunt at the relay: answers to Produce are lost, records are not.

    The control shows that there was something to repeat: without idempotence some stand twice.
    """
    create_topics(place.cluster, ["lost-acks"], 4)
    ports = pair.shunt.port + 50, pair.shunt.http + 50
    shunt = Shunt(pair.folder / "relayed", place.relay.bootstrap, None, *ports)
    clients = []

    def client(side, name, bootstrap, **options):
        where = pair.folder / "clients", "librdkafka", side, name, bootstrap
        clients.append(Client(*where, topic="lost-acks", **options))
        return clients[-1]

    def losing(name, count, **options):
        begin = time.monotonic()
        # Reconnect quickly: the answers lost are the subject.
        writer = client(
            "proxied", name, shunt.bootstrap, roles="produce", partitions=4, rate=400,
            c__reconnect__backoff__ms=10, c__reconnect__backoff__max__ms=50,
            c__retry__backoff__ms=10, **options,
        )  # fmt: skip
        writer.wait("records flow", lambda c: len(c.events("acked")) > 20)
        hits = place.relay.drop_answer("Produce", n=2, every=2, count=count).wait(count, 60)
        writer.quiet()
        reader.wait("all polled", lambda c: all_polled([reader, writer]))
        text = f"{hits} answers lost in {time.monotonic() - begin:.0f} s"
        return judge([reader, writer]), text

    def line(ok, who, text):
        report.line(ok, "relay", pair.name, who, text)

    try:
        shunt.start()
        at = place.cluster.bootstrap
        reader = client("direct", "lost-acks-c", at, roles="consume", group="lost-acks")
        verdict, text = losing("lost-acks-p", ACKS)
        line(verdict.clean(), "lost acks", f"{text}: {verdict}")
        verdict, text = losing("lost-acks-control", 10, c__enable__idempotence="false")
        line(verdict.stored_twice > 0 and not verdict.lost, "control", f"{text}: {verdict}")
        for one in clients:
            one.stop()
    finally:
        for one in clients:
            one.end()
        shunt.kill()


def run(pair, report):
    create_topics(pair.old, [TOPIC], 2, {"max.message.bytes": str(20 * MIB)})
    with Relay(pair.old, pair.folder / "relay") as relay:
        place = Place(pair.old, relay)

        def one(part):
            ok, text = part(place)
            report.line(ok, "relay", pair.name, part.__name__, text)

        for part in PARTS:
            report.guard("relay", pair.name, part.__name__, lambda part=part: one(part))
            relay.restore()
        report.guard("relay", pair.name, "lost acks", lambda: lost_acks(place, pair, report))
        trouble = relay.log.read_text()
        report.line(not trouble, "relay", pair.name, "its log", trouble[-2000:] or "empty")


def main(version="3.9.2"):
    folder = Path(tempfile.mkdtemp(prefix="shunt-relay-", dir="/dev/shm"))
    cluster = Cluster("old", version, 25092, folder, advertise=[25152, 25153])
    shunt, report = SimpleNamespace(port=9092, http=9644), Report()  # its ports only: none runs
    pair = SimpleNamespace(name=version, folder=folder, old=cluster, shunt=shunt)
    try:
        cluster.start()
        cluster.wait_ready()
        begin = time.monotonic()
        run(pair, report)
        print(f"     {time.monotonic() - begin:.0f} s")
    finally:
        cluster.stop()
    if report.failed:
        print(f"     logs: {folder}")
    else:
        shutil.rmtree(folder)
    print(f"{report.passed} passed, {report.failed} failed")
    return 1 if report.failed else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
