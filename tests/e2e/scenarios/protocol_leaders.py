"""Requests that span leaders, sent whole to every node and to the bootstrap: complete, right, each part from its leader."""

import time

from operate import move_leaders
from wait import wait_for
from wire.bench import differences, flat, short, without
from wire.connection import Closed
from wire.records import batch, batches

A, B, NONE = "wire-a", "wire-b", "wire-none"
ALL = [(t, p) for t in (A, B) for p in range(6)]
UNKNOWN_ID = b"\7" * 16
ANSWER = {  # where the answer keeps its topics, partitions and their number
    "Produce": ("Responses", "PartitionResponses", "Index"),
    "Fetch": ("Responses", "Partitions", "PartitionIndex"),
    "ListOffsets": ("Topics", "Partitions", "PartitionIndex"),
    "OffsetForLeaderEpoch": ("Topics", "Partitions", "Partition"),
    "DeleteRecords": ("Topics", "Partitions", "PartitionIndex"),
    "DescribeProducers": ("Topics", "Partitions", "PartitionIndex"),
}
BLANK = 0x7F  # the tag that nobody reads, where leader endpoints stood
TIMES = {-1: 1, -2: 1, -3: 7, -4: 8, -5: 9}  # a ListOffsets timestamp and its first version


class Leaders:
    """Where each partition is led, and the topics' ids, directly from old."""

    def __init__(self, bench):
        self.bench, self.asked, self.hinted = bench, 0, 0
        version = 10 if 10 in bench.versions("Metadata") and bench.pair.old.version[0] > "2" else 8
        seen = bench.old[1].call(
            "Metadata",
            version,
            {"Topics": [{"Name": A}, {"Name": B}], "AllowAutoTopicCreation": False},
        )
        self.ids = {t["Name"]: t.get("TopicId", bytes(16)) for t in seen["Topics"]} | {
            NONE: UNKNOWN_ID
        }
        self.of = {
            (t["Name"], p["PartitionIndex"]): p["LeaderId"]
            for t in seen["Topics"]
            for p in t["Partitions"]
        }
        self.epoch = {
            (t["Name"], p["PartitionIndex"]): p["LeaderEpoch"]
            for t in seen["Topics"]
            for p in t["Partitions"]
        }

    def body(self, api, places, element, **more):
        """`element(topic, partition)` gives the innermost fields."""
        inner = {"Produce": "PartitionData"}.get(api, "Partitions")
        topics = []
        for topic in dict.fromkeys(t for t, _ in places):
            name = {"Topic" if api in ("Fetch", "OffsetForLeaderEpoch") else "Name": topic}
            if api in ("Fetch", "Produce"):
                name["TopicId"] = self.ids[topic]
            elements = [element(t, p) for t, p in places if t == topic]
            topics.append(
                name | {"PartitionIndexes" if api == "DescribeProducers" else inner: elements}
            )
        return {"TopicData" if api == "Produce" else "Topics": topics} | more

    def direct(self, api, version, places, element, **more):
        """The answer put together from each leader's own; places nobody leads are asked at broker 1."""
        merged, rest = {}, None
        self.asked += 1
        for node, connection in self.bench.old.items():
            mine = [p for p in places if self.of.get(p, 1) == node]
            if mine:
                answer = connection.call(api, version, self.body(api, mine, element, **more))
                merged |= flat(answer, *ANSWER[api])
                rest = rest or without(answer, (ANSWER[api][0],))
                self.hinted += bool(answer.get("NodeEndpoints"))
        return merged, rest

    def compare(self, api, version, places, element, ignore=(), expect=None, **more):
        """Differences on any connection; `expect` changes the direct answer into what must come now."""
        problems = []
        for front, connection in self.bench.fronts.items():
            want, want_rest = self.direct(api, version, places, element, **more)
            want = expect(want) if expect else want
            got = connection.call(api, version, self.body(api, places, element, **more))
            problems += [f"v{version} at {front}: {p}" for p in self.hints(got)]
            rest = without(got, (ANSWER[api][0], "NodeEndpoints", *ignore))
            rest.get("_tags", {}).pop(BLANK, None)
            if not rest.get("_tags", True):
                del rest["_tags"]
            found = differences(without(want, ignore), without(flat(got, *ANSWER[api]), ignore))
            found += differences(without(want_rest, ("NodeEndpoints", *ignore)), rest)
            problems += [
                f"v{version} at {front} {short(self.body(api, places[:1], element, **more), 150)}: {d}"
                for d in found
            ]
        return problems

    def hints(self, got):
        """Leader endpoints (KIP-951): this client's own addresses, or none."""
        return [
            f"endpoint {e}"
            for e in got.get("NodeEndpoints", [])
            if (e["Host"], e["Port"]) != self.bench.addresses.get(e["NodeId"])
        ]


def run(bench):
    leaders = settle(bench)
    n = len(bench.fronts)
    for what, body in (
        ("Produce", produced),
        ("Fetch", fetched),
        ("ListOffsets", listed),
        ("OffsetForLeaderEpoch", epochs),
        ("DescribeProducers", producers),
        ("DeleteRecords", deleted),
    ):
        if bench.versions(what):

            def part(b, what=what, body=body):
                leaders.asked = leaders.hinted = 0
                problems = [p for v in b.versions(what) for p in body(leaders, v)]
                spans = f"v{b.versions(what)[0]}-v{b.versions(what)[-1]}"
                b.check(
                    what,
                    problems,
                    f"{spans}: {len(ALL)} partitions of both leaders in one request, {leaders.asked} requests on {n} connections, as from each leader (endpoint hints in {leaders.hinted} direct answers)",
                )

            bench.part(what, part)
    bench.part("old Produce", old_produce)
    bench.part("Fetch session", lambda b: sessions(b, leaders))


def settle(bench):
    """Leaders moved once, so that there is a former epoch; Shunt has seen it."""
    if max(Leaders(bench).epoch.values()) == 0:
        move_leaders(bench.pair.old)
    leaders = Leaders(bench)

    def known():
        seen = bench.fronts["bootstrap"].call("Metadata", 8, {"Topics": [{"Name": A}, {"Name": B}]})
        return leaders.of == {
            (t["Name"], p["PartitionIndex"]): p["LeaderId"]
            for t in seen["Topics"]
            for p in t["Partitions"]
        }

    wait_for("Shunt knows the leaders", known)
    return leaders


def produced(leaders, version):
    """Directly to each leader first: through Shunt the same request comes one offset later."""
    problems = []
    for acks in (1, -1):

        def later(want):
            return {
                place: fields | {"BaseOffset": fields["BaseOffset"] + 1}
                for place, fields in want.items()
            }

        def element(t, p):
            return {"Index": p, "Records": batch([f"{t}/{p} v{version} acks {acks}".encode()])}

        problems += leaders.compare(
            "Produce",
            version,
            ALL,
            element,
            ("LogAppendTimeMs",),
            later,
            Acks=acks,
            TimeoutMs=10000,
        )
    return problems


def fetched(leaders, version):
    def element(t, p, **more):
        return {"Partition": p, "FetchOffset": 2, "PartitionMaxBytes": 200_000} | more

    def strange(t, p):
        if (t, p) == (A, 1):
            return element(t, p, FetchOffset=10**9)
        if (t, p) == (B, 2) and version >= 9:
            return element(t, p, CurrentLeaderEpoch=0)
        if (t, p) == (B, 3) and version >= 9:
            return element(t, p, CurrentLeaderEpoch=10**6)
        if (t, p) == (A, 4) and version >= 12:
            return element(t, p, LastFetchedEpoch=10**6)
        return element(t, p)

    more = {"MaxWaitMs": 0, "MinBytes": 0, "MaxBytes": 4_000_000}
    strangers = [(NONE, 0), (NONE, 3), (A, 77)]
    problems = leaders.compare("Fetch", version, ALL, element, **more)
    problems += leaders.compare("Fetch", version, ALL, element, **more | {"IsolationLevel": 1})
    problems += leaders.compare("Fetch", version, ALL + strangers, strange, **more)
    problems += leaders.compare("Fetch", version, strangers, element, **more)
    return problems


def listed(leaders, version):
    problems, now = [], int(time.time() * 1000)
    for stamp in [t for t, first in TIMES.items() if version >= first] + [
        now - 86400_000,
        now + 86400_000,
        now - 5000,
    ]:
        for isolation in (0, 1):

            def element(t, p):
                return {"PartitionIndex": p, "Timestamp": stamp}

            problems += leaders.compare(
                "ListOffsets",
                version,
                ALL + [(NONE, 0), (B, 99)],
                element,
                ReplicaId=-1,
                IsolationLevel=isolation,
            )
    return problems


def epochs(leaders, version):
    problems = []
    for epoch in (0, 1, 10**6):

        def element(t, p):
            return {"Partition": p, "LeaderEpoch": epoch, "CurrentLeaderEpoch": 0 if p == 5 else -1}

        problems += leaders.compare(
            "OffsetForLeaderEpoch", version, ALL + [(NONE, 0)], element, ReplicaId=-1
        )
    return problems


def producers(leaders, version):
    return leaders.compare("DescribeProducers", version, ALL + [(NONE, 0)], lambda t, p: p)


def deleted(leaders, version):
    def element(t, p):
        return {"PartitionIndex": p, "Offset": 10**9 if (t, p) == (A, 0) else 2}

    return leaders.compare(
        "DeleteRecords", version, ALL + [(NONE, 0), (A, 99)], element, TimeoutMs=10000
    )


def old_produce(bench):
    """v0 to v2 are offered for old librdkafka's sake and served by no 4.x broker: the connection ends, as at one."""
    ends = []
    for side, connection in (("proxied", bench.connect()), ("4.3.1", bench.new[1])):
        frame = bytearray(
            connection.frame("Produce", 3, {"Acks": 1, "TimeoutMs": 1000, "TopicData": []}, 5)
        )
        frame[6:8] = b"\0\2"
        connection.socket.sendall(frame)
        try:
            ends.append((side, bytes(connection.answer()[1])))
        except (Closed, ConnectionResetError):
            ends.append((side, "closed"))
    bench.new[1].close()
    bench.new[1] = bench._keep(type(bench.new[1])("127.0.0.1", bench.pair.new.ports[0]))
    bench.check("Produce", [str(ends)] * (ends[0][1] != ends[1][1]), f"v2: {ends}")


def sessions(bench, leaders):
    """An incremental session (KIP-227) with one leader works as at the broker; a request that spans leaders gets none."""
    problems = []
    for version in bench.versions("Fetch"):
        if version < 7:
            continue
        for node in bench.old:
            mine = [p for p in ALL if leaders.of[p] == node]
            for front in (node, 3 - node, "bootstrap"):
                connection = bench.fronts[front]

                def fetch(places, session, epoch, at=0):
                    def element(t, p):
                        return {"Partition": p, "FetchOffset": at, "PartitionMaxBytes": 1_000_000}

                    body = leaders.body(
                        "Fetch",
                        places,
                        element,
                        MaxWaitMs=0,
                        MinBytes=0,
                        SessionId=session,
                        SessionEpoch=epoch,
                    )
                    return connection.call("Fetch", version, body)

                ends, _ = leaders.direct(
                    "ListOffsets",
                    4,
                    mine,
                    lambda t, p: {"PartitionIndex": p, "Timestamp": -1},
                    ReplicaId=-1,
                )
                first = fetch(mine, 0, 0, at=min(f["Offset"] for f in ends.values()))
                if (
                    first["ErrorCode"]
                    or first["SessionId"] == 0
                    or len(flat(first, *ANSWER["Fetch"])) != len(mine)
                ):
                    problems.append(f"v{version} node {node} at {front}: begun with {short(first)}")
                    continue
                place, text = mine[0], f"in session v{version} {front}".encode()
                bench.old[node].call(
                    "Produce",
                    7,
                    leaders.body(
                        "Produce",
                        [place],
                        lambda t, p: {"Index": p, "Records": batch([text])},
                        Acks=-1,
                        TimeoutMs=5000,
                    ),
                )
                empty = {
                    "Topics": [],
                    "MaxWaitMs": 1000,
                    "MinBytes": 1,
                    "SessionId": first["SessionId"],
                    "SessionEpoch": 1,
                }
                got = connection.call("Fetch", version, empty)
                seen = {
                    k: [v for b in batches(f["Records"] or b"") for v in b["values"]]
                    for k, f in flat(got, *ANSWER["Fetch"]).items()
                }
                if got["ErrorCode"] or not any(text in v for v in seen.values()):
                    problems.append(f"v{version} node {node} at {front}: then {short(got)}")
                whole = fetch(ALL, 0, 0)
                if (
                    whole["ErrorCode"]
                    or whole["SessionId"]
                    or len(flat(whole, *ANSWER["Fetch"])) != len(ALL)
                ):
                    problems.append(
                        f"v{version} at {front}: spanning leaders, session {whole['SessionId']} error {whole['ErrorCode']}"
                    )
    bench.check(
        "Fetch session",
        problems,
        "v7+: one leader: begun and continued on every connection; several: none, all partitions answered",
    )
