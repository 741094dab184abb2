"""New comes late, old restarts while a client is idle: connections stay, offers shrink only for new ones."""

import select
import socket
import threading
import time

from protocol_apis import controller
from protocol_identity import own_shunt
from protocol_flow import LARGE, MIB, Log
from protocol_leaders import ANSWER, Leaders
from protocol_versions import SOFTWARE, expected, meet, served_by
from sidecar import Shunt
from wait import wait_for
from wire.bench import NEW_NODES, Bench, differences, flat, ranges
from wire.connection import Closed, Connection
from wire.records import bulk


class Door:
    """A TCP port that leads to a broker once it is opened."""

    def __init__(self, port, to):
        self.port, self.to, self.socket = port, to, None

    def open(self):
        self.socket = socket.create_server(("127.0.0.1", self.port))
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        while True:
            try:
                inside, _ = self.socket.accept()
            except OSError:
                return
            threading.Thread(target=self._pass, args=(inside,), daemon=True).start()

    def _pass(self, inside):
        with inside, socket.create_connection(("127.0.0.1", self.to)) as outside:
            other = {inside: outside, outside: inside}
            while True:
                for ready in select.select(other, [], [])[0]:
                    data = ready.recv(65536)
                    if not data:
                        return
                    other[ready].sendall(data)

    def close(self):
        if self.socket:
            self.socket.close()


def run(bench):
    bench.part("new late", new_late)
    bench.part("one down", one_down)
    bench.part("old restarts", old_restarts)
    elect_preferred(bench)


def new_late(bench):
    door = Door(bench.shunt.port + 700, bench.pair.new.ports[0])
    shunt = Shunt(
        bench.pair.folder / "wire-late",
        bench.pair.old.bootstrap,
        f"127.0.0.1:{door.port}",
        bench.shunt.port + 22,
        bench.shunt.http + 22,
    )
    opened = []

    def connect(at=None):
        opened.append(Connection(*(at or ("127.0.0.1", shunt.port)), seen=bench.look))
        return opened[-1]

    try:
        shunt.start()
        early = connect()
        alone = ranges(early.call("ApiVersions", 3, SOFTWARE))
        old, new = served_by(bench.old.values()), served_by(bench.new.values())
        problems = [f"while only old serves: {d}" for d in differences(expected(old)[0], alone)]
        seen = {
            b["NodeId"]: (b["Host"], b["Port"])
            for b in early.call("Metadata", 8, {"Topics": None})["Brokers"]
        }
        problems += [f"nodes {seen}"] if set(seen) != set(bench.old) else []
        at_node = connect(seen[1])
        at_node.call("ListGroups", 0, {})
        door.open()
        wait_for("the shunt sees new", lambda: shunt.status()["clusters"]["new"]["reachable"], 30)
        everyone = {*bench.old, *(NEW_NODES + n for n in bench.new)}

        def shown(connection):
            return {
                b["NodeId"]: (b["Host"], b["Port"])
                for b in connection.call("Metadata", 8, {"Topics": []})["Brokers"]
            }

        wait_for("new's nodes are shown", lambda: set(shown(early)) == everyone, 15)
        late = connect()
        both = ranges(late.call("ApiVersions", 3, SOFTWARE))
        problems += [f"with new: {d}" for d in differences(expected(meet([old, new]))[0], both)]
        for name, connection in (("bootstrap", early), ("node 1", at_node)):
            now = shown(connection)
            kept = {n: a for n, a in now.items() if n in bench.old}
            problems += (
                [f"{name}: {now}, before {seen}"] if kept != seen or set(now) != everyone else []
            )
        gone = {a: r for a, r in alone.items() if both.get(a) != r}
        bench.check(
            "new late",
            problems,
            f"only old: {len(alone)} APIs, then {len(both)}; connections from before see new's nodes, old's addresses stay; offered only before: {gone or 'nothing'}",
        )
    finally:
        shunt.kill()
        door.close()
        for c in opened:
            c.close()


def old_restarts(bench):
    """Both brokers of old die and come back while clients hold idle connections: the next call is answered."""
    shunt = own_shunt(bench.pair, "wire-restart", bench.shunt.port + 23)
    try:
        shunt.start()
        own = Bench(bench.pair, bench.report, shunt)
        ask = {
            "ReplicaId": -1,
            "Topics": [
                {
                    "Name": "wire-a",
                    "Partitions": [{"PartitionIndex": p, "Timestamp": -1} for p in range(6)],
                }
            ],
        }
        for c in own.fronts.values():
            c.call("ListOffsets", 2, ask)
            c.call("FindCoordinator", 2, {"Key": "wire-g1"})
            c.call("DescribeGroups", 0, {"Groups": ["wire-g1", "wire-g2", "wire-g3"]})
        restart(bench.pair.old)
        reconnect(bench)
        problems, waits = [], {}

        def ready():
            codes = [
                p["ErrorCode"] for p in fresh.call("ListOffsets", 2, ask)["Topics"][0]["Partitions"]
            ]
            return codes == [0] * 6

        fresh = own.connect()
        wait_for("a new connection is served", ready, 40)
        for front, c in own.fronts.items():
            try:
                begun = time.monotonic()
                while any(
                    codes_now := [
                        p["ErrorCode"]
                        for p in c.call("ListOffsets", 2, ask)["Topics"][0]["Partitions"]
                    ]
                ):
                    if time.monotonic() - begun > 5:
                        problems.append(f"at {front} for 5 s: {codes_now}")
                        break
                    time.sleep(0.05)
                waits[front] = round(time.monotonic() - begun, 2)
                named = {
                    b["NodeId"]: (b["Host"], b["Port"])
                    for b in c.call("Metadata", 8, {"Topics": []})["Brokers"]
                }
                problems += [f"at {front}: {named}"] if named != own.addresses else []
                c.call("DescribeGroups", 0, {"Groups": ["wire-g1", "wire-g2", "wire-g3"]})
            except Exception as error:
                problems.append(f"at {front}: {type(error).__name__} {error}")
        bench.check(
            "old restarts",
            problems,
            f"{len(own.fronts)} idle connections are served on, at the same addresses; seconds until leaders are right: {waits}",
        )
        bench.leaks.take(own.leaks)
        own.close()
    finally:
        shunt.kill()


def one_down(bench):
    """Broker 2 dies and comes back: a connection to node 1 is never closed, and what broker 1 leads is served all the time, as at the broker itself."""
    elect_preferred(bench)
    wait_for("both lead", lambda: set(Leaders(bench).of.values()) == {1, 2}, 20)
    leaders = Leaders(bench)
    mine = [p for p in leaders.of if leaders.of[p] == 1]
    asks = {
        "its own partitions": (
            "ListOffsets",
            2,
            leaders.body("ListOffsets", mine, last, ReplicaId=-1),
        ),
        "all partitions": (
            "ListOffsets",
            2,
            leaders.body("ListOffsets", list(leaders.of), last, ReplicaId=-1),
        ),
        "metadata": ("Metadata", 8, {"Topics": [{"Name": "wire-a"}]}),
        "groups": ("DescribeGroups", 0, {"Groups": ["wire-g1", "wire-g2", "wire-g3"]}),
    }
    seen, stop, threads = {}, threading.Event(), []
    for side, at in (
        ("direct", bench.old[1].at),
        ("node 1", bench.addresses[1]),
        ("bootstrap", ("127.0.0.1", bench.shunt.port)),
    ):
        for what, ask in asks.items():
            seen[side, what] = {"answers": 0, "closed": 0, "errors": 0, "slowest": 0.0}
            threads.append(threading.Thread(target=watch, args=(at, ask, seen[side, what], stop)))
    for thread in threads:
        thread.start()
    bench.pair.old.kill_node(2)
    large_while_down(bench)
    wait_for("broker 1 leads everything", lambda: set(Leaders(bench).of.values()) == {1}, 40)
    time.sleep(1)
    bench.pair.old.start_node(2)
    wait_for("broker 2 is back", bench.pair.old.in_sync, 60)
    time.sleep(1)
    stop.set()
    for thread in threads:
        thread.join()
    for what in asks:
        direct = seen["direct", what]
        for side in ("node 1", "bootstrap"):
            got = seen[side, what]
            in_flight = what in ("groups", "all partitions")  # one may be lost with the broker
            worse = got["closed"] > direct["closed"] + in_flight
            worse |= got["slowest"] > direct["slowest"] + 3
            worse |= what == "its own partitions" and got["errors"] > direct["errors"]
            bench.check("one down", [str(got)] * worse, f"{what} at {side}: {got}, direct {direct}")
    reconnect(bench)
    elect_preferred(bench)


def large_while_down(bench):
    """A large Produce that spans a dead leader: answered for every partition, the dead one's by 6 or 7, as at a broker; never closed."""
    log, told = Log(bench, LARGE), {}
    dead = {p for p, n in log.at.items() if n == 2}
    body = log.produce({p: bulk(2 * MIB) for p in range(4)}, 1)
    for side, at in (("direct", bench.old[1].at), ("node 1", bench.addresses[1])):
        with Connection(*at) as connection:
            try:
                answer = flat(connection.call("Produce", 7, body), *ANSWER["Produce"])
                told[side] = {p: f["ErrorCode"] for (_, p), f in sorted(answer.items())}
            except (OSError, Closed) as error:
                told[side] = type(error).__name__
    fine = {p: (6, 7) if p in dead else (0,) for p in range(4)}
    wrong = isinstance(told["node 1"], str) or any(
        told["node 1"].get(p) not in fine[p] for p in fine
    )
    bench.check(
        "one down",
        [str(told)] * wrong,
        f"4 x 2 MiB of Produce, partitions {dead} without leader: {told}",
    )


def last(topic, partition):
    return {"PartitionIndex": partition, "Timestamp": -1}


def watch(at, ask, seen, stop):
    """Asks again and again on one connection; another one when it is closed."""
    connection = None
    while not stop.is_set():
        begun = time.monotonic()
        try:
            connection = connection or Connection(*at, seconds=30)
            answer = connection.call(*ask)
            seen["answers"] += 1
            seen["errors"] += any(c not in "0" for c in codes(answer))
        except OSError:
            seen["closed"] += 1
            connection = None
        except Closed:
            seen["closed"] += 1
            connection = None
        seen["slowest"] = round(max(seen["slowest"], time.monotonic() - begun), 2)
        time.sleep(0.05)


def codes(value):
    """Every error code in an answer, as text."""
    if isinstance(value, dict):
        return [str(v) for k, v in value.items() if k == "ErrorCode"] + [
            c for v in value.values() for c in codes(v)
        ]
    return [c for v in value for c in codes(v)] if isinstance(value, list) else []


def elect_preferred(bench):
    """Leaders spread over the brokers again, for what comes after."""
    ask = {"ElectionType": 0, "TopicPartitions": None, "TimeoutMs": 10000}
    with Connection("127.0.0.1", bench.pair.old.ports[controller(bench) - 1]) as connection:
        connection.call("ElectLeaders", 1, ask)


def reconnect(bench):
    for node in bench.old:
        bench.old[node].close()
        bench.old[node] = bench._keep(Connection("127.0.0.1", bench.pair.old.ports[node - 1]))


def restart(cluster):
    """All brokers at once. One that comes back before ZooKeeper has dropped its former self ends, and is started again."""
    for node in cluster.ids:
        cluster.kill_node(node)

    def back():
        for node in cluster.ids:
            if not cluster.programs[f"broker-{node}"].alive():
                cluster.start_node(node)
        return cluster.in_sync()

    wait_for(f"{cluster.name} is back", back, 90, every=1)
