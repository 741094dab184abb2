"""Frames in flight: pipelines, acks=0, large requests and answers, slow and half-closed clients, each beside a broker."""

import socket
import time
from pathlib import Path

from operate import create_topics
from protocol_identity import own_shunt
from protocol_leaders import ANSWER
from wire.bench import flat, short
from wire.connection import Closed, Connection
from wire.records import batch, batches, bulk

MIB = 1 << 20
LARGE, SMALL, ORDER = "wire-large", "wire-small", "wire-order"


def prepare(cluster):
    create_topics(cluster, [LARGE], 4, {"max.message.bytes": str(31 * MIB)})
    create_topics(cluster, [SMALL, ORDER], 4)


class Log:
    """A topic's partitions at their leaders, directly."""

    def __init__(self, bench, topic):
        seen = bench.old[1].call("Metadata", 8, {"Topics": [{"Name": topic}]})
        self.topic, self.at = topic, {
            p["PartitionIndex"]: p["LeaderId"] for p in seen["Topics"][0]["Partitions"]
        }
        self.bench, self.leads = bench, lambda p: bench.old[self.at[p]]

    def end(self, p):
        body = {
            "ReplicaId": -1,
            "Topics": [
                {"Name": self.topic, "Partitions": [{"PartitionIndex": p, "Timestamp": -1}]}
            ],
        }
        return self.leads(p).call("ListOffsets", 2, body)["Topics"][0]["Partitions"][0]["Offset"]

    def fetch(self, p, at, most=200 * MIB):
        return {
            "ReplicaId": -1, "MaxWaitMs": 100, "MinBytes": 1, "MaxBytes": most, "SessionEpoch": -1,
            "Topics": [{"Topic": self.topic, "Partitions": [{"Partition": p, "FetchOffset": at, "PartitionMaxBytes": most}]}],
        }  # fmt: skip

    def values(self, p, at, count=None, seconds=15):
        """Values from an offset on, in order; waits for `count` of them."""
        got, deadline = [], time.monotonic() + seconds
        while (len(got) < count if count else not got) and time.monotonic() < deadline:
            answer = self.leads(p).call("Fetch", 11, self.fetch(p, at + len(got)))
            got += [v for b in batches(records(answer)) for v in b["values"]]
        return got

    def produce(self, values, acks):
        """A Produce body: {partition: value}."""
        data = [{"Index": p, "Records": batch([v])} for p, v in values.items()]
        return {
            "Acks": acks,
            "TimeoutMs": 30000,
            "TopicData": [{"Name": self.topic, "PartitionData": data}],
        }


def records(answer):
    return answer["Responses"][0]["Partitions"][0]["Records"] or b""


def resident_kib(shunt):
    text = Path(f"/proc/{shunt.program.process.pid}/status").read_text()
    return int(text.split("VmRSS:")[1].split()[0])


def run(bench):
    for what, body in (
        ("pipeline", pipeline),
        ("acks=0", no_acks),
        ("half-closed", half_closed),
        ("answers owed", answers_owed),
        ("trickle", trickle),
        ("large Produce", large_produce),
        ("large Fetch", large_fetch),
        ("max bytes", max_bytes),
        ("slow reader", slow_reader),
    ):
        bench.part(what, body)


def pipeline(bench):
    """64 requests and more before the first answer is read: all answers, in order, each to its own request."""
    problems, log = [], Log(bench, SMALL)
    bench.fronts["bootstrap"].call(
        "Metadata", 5, {"Topics": [{"Name": SMALL}]}
    )  # as any client asks first
    for count in (64, 300):
        for side, at in [
            *((f"node {f}", c.at) for f, c in bench.fronts.items()),
            ("direct", bench.old[1].at),
        ]:
            c = Connection(*at, seen=None if side == "direct" else bench.look)
            kinds = []
            for n in range(count):
                kind = [
                    ("Metadata", 5, {"Topics": [{"Name": SMALL}]}),
                    (
                        "ListOffsets",
                        2,
                        {
                            "ReplicaId": -1,
                            "Topics": [
                                {
                                    "Name": SMALL,
                                    "Partitions": [
                                        {"PartitionIndex": p, "Timestamp": -1} for p in range(4)
                                    ],
                                }
                            ],
                        },
                    ),
                    ("Fetch", 11, log.fetch(n % 4, 0) | {"MaxWaitMs": 20, "MinBytes": 1 << 30}),
                    ("Produce", 7, log.produce({0: b"a%d" % n, 1: b"b"}, 1)),
                    ("FindCoordinator", 2, {"Key": "wire-g1"}),
                    ("ApiVersions", 0, {}),
                ][n % 6]
                kinds.append((kind[0], kind[1], c.send(*kind)))
            try:
                for api, version, number in kinds:
                    answer = c.receive(api, version, number)
                    if side != "direct" and api == "ListOffsets":
                        codes = [f["ErrorCode"] for f in flat(answer, *ANSWER[api]).values()]
                        problems += [f"{side}: {api} {number} {codes}"] if codes != [0] * 4 else []
            except Exception as error:
                problems.append(
                    f"{side}, {count} requests, at {api} {number}: {type(error).__name__} {error}"
                )
            c.close()
    bench.check(
        "pipeline",
        problems,
        f"64 and 300 requests unread on {len(bench.fronts)} connections and direct: answered in order",
    )


def no_acks(bench):
    """acks=0 has no answer: the next request's comes; the order within a partition stays, also before acks=1."""
    problems, log, count = [], Log(bench, ORDER), 60
    for side, c in [*bench.fronts.items(), ("direct", None)]:
        starts = {p: log.end(p) for p in log.at}
        for n in range(count):
            one, other = n % 4, (n + 1) % 4
            acks = 1 if n % 10 == 9 else 0
            for p in (one, other) if side == "direct" else [None]:
                to = log.leads(p) if side == "direct" else c
                values = {p: b"%d" % n} if side == "direct" else {one: b"%d" % n, other: b"%d" % n}
                number = to.send("Produce", 7, log.produce(values, acks))
                if acks:
                    to.receive("Produce", 7, number)
        if side != "direct":
            c.call("Metadata", 5, {"Topics": []})
        for p in log.at:
            want = [b"%d" % n for n in range(count) if p in (n % 4, (n + 1) % 4)]
            got = log.values(p, starts[p], len(want))
            problems += [f"{side} partition {p}: expected {want} got {got}"] if got != want else []
    bench.check(
        "acks=0",
        problems,
        f"{count} requests over four partitions on every connection: all there, in order, nothing answered",
    )


def half_closed(bench):
    """A client that says no more (FIN), or is gone, after acks=0: what it sent arrives."""
    problems, seen, log = [], [], Log(bench, LARGE)
    for size in (100, 200_000, 2 * MIB):
        for way in ("half-closed", "closed"):
            for mixed in (False, True):
                for side, at in (
                    ("bootstrap", bench.fronts["bootstrap"].at),
                    ("node 1", bench.addresses[1]),
                    ("direct", None),
                ):
                    starts, count = {p: log.end(p) for p in log.at}, 12
                    text = [bulk(size, seed=1) + b"%d" % n for n in range(count)]
                    mine = (
                        [p for p in log.at if log.at[p] == 1] if side == "direct" else list(log.at)
                    )
                    c = Connection(*(at or bench.old[1].at), seconds=40)
                    if mixed:
                        c.send("Produce", 7, log.produce({mine[0]: b"first"}, 1))
                    for n in range(count):
                        c.send("Produce", 7, log.produce({mine[n % len(mine)]: text[n]}, 0))
                    if way == "half-closed":
                        c.socket.shutdown(socket.SHUT_WR)
                        try:
                            while c.socket.recv(65536):
                                pass
                        except OSError as error:
                            seen.append(f"{side} {size} {way}: {error}")
                    c.close()
                    lost = 0
                    for i, p in enumerate(mine):
                        want = [b"first"] * (mixed and i == 0) + text[i :: len(mine)]
                        got = log.values(p, starts[p], len(want), 6)
                        lost += len(want) - len(got)
                        # A close with an answer unread is a reset: the kernel drops what the
                        # other side has not read yet, a broker's as ours. Not asserted, told.
                        reset = way == "closed" and mixed
                        if got != want and side != "direct" and not reset:
                            problems.append(
                                f"{side} {way} {size} bytes {'after acks=1' if mixed else ''} partition {p}: {len(got)} of {len(want)} arrived"
                            )
                    if lost:
                        seen.append(f"{side} {way} {size}{' mixed' if mixed else ''}: {lost} lost")
    bench.check(
        "half-closed",
        problems,
        f"12 records of 100 B, 200 KB, 2 MiB with acks=0, then FIN or close: all arrive{'; ' if seen else ''}{'; '.join(seen)}",
    )


def answers_owed(bench):
    """A client that half-closes while answers are due gets them, then the end."""
    log, got = Log(bench, SMALL), {}
    mine = next(p for p in log.at if log.at[p] == 1)
    for side, at in (
        ("direct", bench.old[1].at),
        ("node 1", bench.addresses[1]),
        ("bootstrap", bench.fronts["bootstrap"].at),
    ):
        c, sent = Connection(*at, seconds=5), []
        for kind in (
            ("Metadata", 5, {"Topics": []}),
            ("Produce", 7, log.produce({mine: b"owed"}, 1)),
            ("Fetch", 11, log.fetch(mine, 0) | {"MaxWaitMs": 300, "MinBytes": 1 << 30}),
        ):
            sent.append((*kind[:2], c.send(*kind)))
        c.socket.shutdown(socket.SHUT_WR)
        got[side] = 0
        try:
            for request in sent:
                c.receive(*request)
                got[side] += 1
        except (OSError, Closed):
            pass
        c.close()
    problems = [f"{s}: {n}" for s, n in got.items() if n < got["direct"]]
    bench.check("answers owed", problems, f"answers after FIN, of 3: {got}")


def trickle(bench):
    """A frame that comes byte by byte, and a large one in pieces."""
    problems, log = [], Log(bench, LARGE)
    for front, c in bench.fronts.items():
        for byte in c.frame("Metadata", 5, {"Topics": [{"Name": LARGE}]}, 71):
            c.socket.sendall(bytes([byte]))
        problems += (
            [f"at {front}"] if c.receive("Metadata", 5, 71)["Topics"][0]["ErrorCode"] else []
        )
        values = {p: bulk(MIB, seed=p) for p in log.at}
        starts = {p: log.end(p) for p in values}
        frame = c.frame("Produce", 7, log.produce(values, -1), 72)
        for at in range(0, len(frame), 1009):
            c.socket.sendall(frame[at : at + 1009])
        told = [
            f["ErrorCode"] for f in flat(c.receive("Produce", 7, 72), *ANSWER["Produce"]).values()
        ]
        if told != [0] * 4 or any(log.values(p, starts[p], 1) != [values[p]] for p in values):
            problems.append(f"Produce at {front}: {told}")
    bench.check(
        "trickle", problems, "Metadata byte by byte, 4 MiB of Produce in pieces of 1009 bytes"
    )


def large_produce(bench):
    problems, log = [], Log(bench, LARGE)
    sides = {"direct": None} | bench.fronts
    takes = []
    for side, c in sides.items():
        for name, sizes in (
            ("5 MB", {0: 5 * MIB}),
            ("20 MB", {1: 20 * MIB}),
            ("4 x 6 MB", dict.fromkeys(range(4), 6 * MIB)),
            ("mixed", {0: 100, 1: 3 * MIB, 2: 10, 3: 2 * MIB}),
        ):
            for acks in (1, -1):
                if name == "20 MB" and acks == -1 and side not in ("bootstrap", "direct"):
                    continue
                starts = {p: log.end(p) for p in sizes}
                values = {p: bulk(size, seed=p) for p, size in sizes.items()}
                begun = time.monotonic()
                for group in [{p: v} for p, v in values.items()] if side == "direct" else [values]:
                    to = log.leads(next(iter(group))) if side == "direct" else c
                    body = log.produce(group, acks)
                    if side != "direct" and name == "mixed":
                        body["TopicData"].append(
                            {
                                "Name": "wire-none",
                                "PartitionData": [{"Index": 0, "Records": batch([bulk(2 * MIB)])}],
                            }
                        )
                    answer = to.call("Produce", 7, body)
                    told = {
                        k: (f["ErrorCode"], f["BaseOffset"])
                        for k, f in flat(answer, *ANSWER["Produce"]).items()
                    }
                    want = {(LARGE, p): (0, starts[p]) for p in group}
                    if len(body["TopicData"]) > 1:
                        want[("wire-none", 0)] = (3, -1)
                    problems += (
                        [f"{name} at {side} acks {acks}: expected {want} got {told}"]
                        if told != want
                        else []
                    )
                takes.append((name, side == "direct", time.monotonic() - begun))
                for p, value in values.items():
                    kept = log.values(p, starts[p], 1)
                    problems += (
                        [f"{name} at {side}: partition {p} holds {short([v[:20] for v in kept])}"]
                        if kept != [value]
                        else []
                    )
    mean = {
        d: sum(t for _, x, t in takes if x == d) / sum(x == d for _, x, _ in takes)
        for d in (True, False)
    }
    bench.check(
        "large Produce",
        problems,
        f"5 MB, 20 MB, 4 x 6 MB and mixed sizes to any node: stored as sent; {mean[False]:.2f} s each, direct {mean[True]:.2f} s",
    )


def filled(bench, log):
    """Three records of 20 MB one after another in partition 3; where they begin."""
    start = log.end(3)
    for n in range(3):
        log.leads(3).call("Produce", 7, log.produce({3: bulk(20 * MIB, seed=n)}, -1))
    return start


def large_fetch(bench):
    problems, log = [], Log(bench, LARGE)
    start = filled(bench, log)
    took = []
    for most in (50 * MIB, 100 * MIB):
        for version in (4, 11, *[v for v in bench.versions("Fetch") if v == 12]):
            frames = {}
            for side, c in [("direct", log.leads(3)), *bench.fronts.items()]:
                c.send("Fetch", version, log.fetch(3, start, most))
                begun = time.monotonic()
                frames[side] = c.answer()[1]
                took.append((side == "direct", time.monotonic() - begun))
                if frames[side] != frames["direct"]:
                    problems.append(
                        f"v{version} at {side}: {len(frames[side])} bytes, direct {len(frames['direct'])}"
                    )
            problems += (
                [f"direct: only {len(frames['direct'])} bytes"]
                if len(frames["direct"]) < 50 * MIB
                else []
            )
    mean = {
        d: sum(t for x, t in took if x == d) / sum(x == d for x, _ in took) for d in (True, False)
    }
    bench.check(
        "large Fetch",
        problems,
        f"up to 100 MiB asked for, from every connection the broker's bytes exactly; {mean[False]:.2f} s each, direct {mean[True]:.2f} s",
    )
    spanning(bench, log)


def spanning(bench, log):
    """All partitions of the large topic by requests that span leaders, until their ends."""
    problems = []
    for front in ("bootstrap", 2):
        c, ends, at, turns = bench.fronts[front], {p: log.end(p) for p in log.at}, {}, 0
        got = {p: 0 for p in log.at}
        begins = {p: max(0, e - 3) for p, e in ends.items()}
        at = dict(begins)
        while at != ends and turns < 100:
            body = log.fetch(0, 0)
            body["Topics"][0]["Partitions"] = [
                {"Partition": p, "FetchOffset": o, "PartitionMaxBytes": 30 * MIB}
                for p, o in at.items()
            ]
            answer = flat(c.call("Fetch", 11, body), *ANSWER["Fetch"])
            turns += 1
            problems += [f"at {front}: {sorted(answer)}"] if len(answer) != 4 else []
            for (_, p), f in answer.items():
                for b in batches(f["Records"] or b""):
                    if b["base"] != at[p]:
                        problems.append(
                            f"at {front} partition {p}: {b['base']} where {at[p]} is due"
                        )
                    at[p] += len(b["values"])
                    got[p] += b["size"]
        problems += [f"at {front}: {at} after {turns} requests, ends {ends}"] if at != ends else []
    bench.check(
        "large Fetch",
        problems,
        "records of up to 20 MB by requests that span leaders: every partition answered, to the end",
    )


def max_bytes(bench):
    """A Fetch answer is no larger than the client allowed (one batch of grace, KIP-74), also when leaders are several."""
    log, problems, sizes = Log(bench, SMALL), [], {}
    for p in log.at:
        for n in range(80):
            log.leads(p).send("Produce", 7, log.produce({p: bulk(20_000, seed=n)}, 0))
    for p in log.at:
        log.leads(p).call("Produce", 7, log.produce({p: bulk(20_000)}, -1))
    for limit in (100_000, 600_000, 2_000_000):
        body = log.fetch(0, 0, limit)
        for side, c in [("direct", log.leads(0)), *bench.fronts.items()]:
            places = [p for p in log.at if side != "direct" or log.at[p] == log.at[0]]
            body["Topics"][0]["Partitions"] = [
                {"Partition": p, "FetchOffset": log.end(p) - 40, "PartitionMaxBytes": limit}
                for p in places
            ]
            answer = flat(c.call("Fetch", 11, body), *ANSWER["Fetch"])
            sizes[side, limit] = sum(len(f["Records"] or b"") for f in answer.values())
            if sizes[side, limit] > limit + 21_000:
                problems.append(
                    f"at {side}: {sizes[side, limit]} bytes of records where MaxBytes is {limit}"
                )
    bench.check(
        "max bytes",
        problems,
        f"{ {f'{s} {m}': n for (s, m), n in sizes.items() if s in ('direct', 'bootstrap')} }",
    )


def slow_reader(bench):
    """160 MB asked for and not read: Shunt stops reading the broker, stays small, and others are served meanwhile."""
    shunt = own_shunt(bench.pair, "wire-slow", bench.shunt.port + 24)
    opened = []
    try:
        shunt.start()
        slow_read(bench, shunt, opened)
    finally:
        shunt.kill()
        for c in opened:
            c.close()


def slow_read(bench, shunt, opened):
    log, problems = Log(bench, LARGE), []
    start = filled(bench, log)
    for options in ({"receive_buffer": 65536, "seconds": 60}, {}):
        opened.append(Connection("127.0.0.1", shunt.port, seen=bench.look, **options))
    c, other = opened
    before = resident_kib(shunt)
    numbers = [c.send("Fetch", 11, log.fetch(3, start, 20 * MIB)) for _ in range(8)]
    slowest, most, begun = 0.0, 0, time.monotonic()
    while time.monotonic() - begun < 3:
        asked = time.monotonic()
        other.call("Metadata", 5, {"Topics": [{"Name": SMALL}]})
        other.call("Produce", 7, log.produce({0: b"meanwhile"}, 1))
        slowest = max(slowest, time.monotonic() - asked)
        most = max(most, resident_kib(shunt))
        time.sleep(0.02)
    log.leads(3).send("Fetch", 11, log.fetch(3, start, 20 * MIB))
    want = log.leads(3).answer()[1]
    for n in numbers:
        number, got = c.answer()
        if number != n or got != want:
            problems.append(f"answer {number} where {n} is due, {len(got)} bytes of {len(want)}")
        most = max(most, resident_kib(shunt))
    problems += [f"{most - before} KiB more resident"] if most - before > 8192 else []
    problems += [f"another client waited {slowest:.1f} s"] if slowest > 1.5 else []
    bench.check(
        "slow reader",
        problems,
        f"8 x {len(want)} bytes exact; resident {before} KiB before, {most} KiB at most; another client's slowest pair of calls {slowest * 1000:.0f} ms",
    )
