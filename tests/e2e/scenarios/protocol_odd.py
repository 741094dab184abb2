"""What clients seldom send: empty and very large requests, unknown tags, repeated topics, empty group names, broken frames."""

import os
import struct
import threading
import time

from operate import create_topics
from protocol_apis import A, B, controller, coordinator
from protocol_leaders import ANSWER, Leaders
from wire.bench import differences, flat, short
from wire.codec import REQUESTS, varint
from wire.connection import Closed, Connection
from wire.records import batch

NAMES = [f"wire-{'x' * 180}-{n}" for n in range(4000)]
# API, version, body: asked as it is, on every connection and at broker 1.
EMPTY = [
    ("Fetch", {"MaxWaitMs": 0, "MinBytes": 0, "Topics": []}),
    ("ListOffsets", {"Topics": []}),
    ("OffsetForLeaderEpoch", {"Topics": []}),
    ("DeleteRecords", {"Topics": [], "TimeoutMs": 100}),
    ("DescribeProducers", {"Topics": []}),
    ("ListOffsets", {"Topics": [{"Name": A, "Partitions": []}]}),
    ("DescribeGroups", {"Groups": []}),
    ("DeleteGroups", {"GroupsNames": []}),
    ("DescribeConfigs", {"Resources": []}),
    ("IncrementalAlterConfigs", {"Resources": []}),
    ("AlterConfigs", {"Resources": []}),
    ("CreateTopics", {"Topics": [], "timeoutMs": 100}),
    ("DeleteTopics", {"Topics": [], "TopicNames": [], "TimeoutMs": 100}),
    ("CreatePartitions", {"Topics": [], "TimeoutMs": 100}),
    ("ElectLeaders", {"TopicPartitions": [], "TimeoutMs": 100}),
    ("DescribeTransactions", {"TransactionalIds": []}),
    ("Produce", {"Acks": 1, "TimeoutMs": 100, "TopicData": []}),
    ("Produce", {"Acks": 5, "TimeoutMs": 100, "TopicData": [{"Name": A, "PartitionData": [{"Index": p, "Records": b"\0" * 70} for p in range(6)]}]}),
    ("Metadata", {"Topics": []}),
    ("Metadata", {"Topics": [{"Name": "not a name!"}, {"Name": ""}], "AllowAutoTopicCreation": False}),
    ("DescribeTopicPartitions", {"Topics": []}),
    ("DescribeClientQuotas", {"Components": []}),
    ("ConsumerGroupDescribe", {"GroupIds": []}),
]  # fmt: skip
LARGE = [
    ("Metadata", {"Topics": [{"Name": n} for n in NAMES], "AllowAutoTopicCreation": False}),
    ("DescribeConfigs", {"Resources": [{"ResourceType": 2, "ResourceName": n, "ConfigurationKeys": None} for n in NAMES[:2000]]}),
    ("DeleteTopics", {"Topics": [{"Name": n} for n in NAMES], "TopicNames": NAMES, "TimeoutMs": 100}),
    ("DescribeTopicPartitions", {"Topics": [{"Name": n} for n in NAMES]}),
]  # fmt: skip


def run(bench):
    bench.part("empty", lambda b: alike(b, "empty", EMPTY))
    bench.part("very large", lambda b: alike(b, "very large", LARGE))
    for what, body in (
        ("large split", large_split),
        ("large groups", large_groups),
        ("repeated", repeated),
        ("no name", no_name),
        ("tags", tags),
        ("session again", session_again),
        ("hostile", hostile),
        ("client ids", client_ids),
        ("new topic", new_topic),
        ("parked", parked),
    ):
        bench.part(what, body)


def alike(bench, what, table):
    problems, count = [], 0
    for api, body in table:
        for version in bench.versions(api)[:: 1 if what == "empty" else 4]:
            want = bench.old[controller(bench)].call(api, version, body)
            for front, connection in list(bench.fronts.items()):
                count += 1
                try:
                    got = connection.call(api, version, body)
                except Exception as error:
                    problems.append(
                        f"{api} v{version} at {front} {short(body, 80)}: {type(error).__name__} {error}"
                    )
                    if front != "bootstrap":
                        bench.fronts[front] = bench.connect(bench.addresses[front])
                    else:
                        del bench.fronts[front]
                    continue
                for answer in (want, got):
                    for key in ("Brokers", "ControllerId", "NodeEndpoints"):
                        answer.pop(key, None)
                    for key in ("Topics", "Results", "Responses"):
                        if answer.get(key) and "Name" in answer[key][0]:
                            answer[key].sort(key=lambda t: t["Name"])
                            for t in answer[key]:
                                t.get("PartitionResponses", []).sort(key=lambda p: p["Index"])
                problems += [
                    f"{api} v{version} at {front} {short(body, 80)}: {d}"
                    for d in differences(want, got)[:2]
                ]
    bench.check(what, problems, f"{count} answers as direct")


def large_split(bench):
    """Requests of hundreds of KB that must be taken apart and put together."""
    leaders, problems = Leaders(bench), []
    places = [(t, p) for t in (A, B) for p in range(20_000)]
    for api, element, more in (
        ("ListOffsets", lambda t, p: {"PartitionIndex": p, "Timestamp": -1}, {"ReplicaId": -1}),
        (
            "OffsetForLeaderEpoch",
            lambda t, p: {"Partition": p, "LeaderEpoch": 0},
            {"ReplicaId": -1},
        ),
        (
            "Fetch",
            lambda t, p: {"Partition": p, "FetchOffset": 2, "PartitionMaxBytes": 1000},
            {"MaxWaitMs": 0, "MinBytes": 0, "MaxBytes": 100_000},
        ),
        ("DescribeProducers", lambda t, p: p, {}),
    ):
        version = bench.versions(api)[-1] if bench.versions(api) else None
        if version is not None:
            # Which batches a limited Fetch chooses is the broker's business.
            problems += [
                f"{api} {p}"
                for p in leaders.compare(api, version, places, element, ("Records",), **more)
            ]
    bench.check(
        "large split", problems, f"{len(places)} partitions in one request, on every connection"
    )


def large_groups(bench):
    """A commit and a query of 20,000 partitions; thousands of groups in one request."""
    problems, group = [], "wire-many"
    of = coordinator(bench, "group", group)
    topics = [
        {
            "Name": A,
            "Partitions": [
                {"PartitionIndex": p, "CommittedOffset": p, "CommittedMetadata": "m" * 20}
                for p in range(20_000)
            ],
        }
    ]
    ask = {"GroupId": group, "Topics": [{"Name": A, "PartitionIndexes": list(range(20_000))}]}
    version = bench.clamp("OffsetFetch", 7)
    for front, connection in bench.fronts.items():
        for api, v, body in (
            (
                "OffsetCommit",
                7,
                {"GroupId": group, "GenerationIdOrMemberEpoch": -1, "Topics": topics},
            ),
            ("OffsetFetch", version, ask),
        ):
            want, got = (c.call(api, v, body) for c in (bench.old[of], connection))
            for answer in (want, got):
                answer["Topics"][0]["Partitions"].sort(key=lambda p: p["PartitionIndex"])
            problems += [f"{api} at {front}: {d}" for d in differences(want, got)]
    names = [f"wire-nobody-{n}" for n in range(3000)]
    version = bench.clamp("DescribeGroups", 5)
    for front, connection in bench.fronts.items():
        got = connection.call("DescribeGroups", version, {"Groups": names})["Groups"]
        wrong = {(g["ErrorCode"], g["GroupState"]) for g in got} - {(0, "Dead"), (69, "Dead")}
        if {g["GroupId"] for g in got} != set(names) or len(got) != len(names) or wrong:
            problems.append(f"at {front}: {len(got)} groups, {wrong}")
    bench.check(
        "large groups",
        problems,
        "20,000 partitions committed and asked for; 3,000 groups of both coordinators described",
    )


def repeated(bench):
    """A topic that comes twice in a request, topics in turns."""
    leaders, problems = Leaders(bench), []
    topics = [
        {"Name": n, "Partitions": [{"PartitionIndex": p, "Timestamp": -1}]}
        for p in range(6)
        for n in (A, B)
    ]
    places = [(t, p) for t in (A, B) for p in range(6)]
    want, _ = leaders.direct(
        "ListOffsets", 5, places, lambda t, p: {"PartitionIndex": p, "Timestamp": -1}, ReplicaId=-1
    )
    for front, connection in bench.fronts.items():
        got = flat(
            connection.call("ListOffsets", 5, {"ReplicaId": -1, "Topics": topics}),
            *ANSWER["ListOffsets"],
        )
        problems += [f"at {front}: {d}" for d in differences(want, got)]
    bench.check("repeated", problems, "12 entries of two topics in turns: all answered")


def no_name(bench):
    """The group named "": its offsets may be committed and asked for, at its coordinator (Kafka keeps it for old clients)."""
    problems, of = [], coordinator(bench, "group", "")
    ask = [
        ("OffsetCommit", 5, {"GroupId": "", "GenerationIdOrMemberEpoch": -1, "Topics": [{"Name": A, "Partitions": [{"PartitionIndex": 0, "CommittedOffset": 5}]}]}),
        ("OffsetFetch", 5, {"GroupId": "", "Topics": [{"Name": A, "PartitionIndexes": [0]}]}),
        ("DescribeGroups", 4, {"Groups": [""]}),
        ("DescribeGroups", 4, {"Groups": ["", "wire-g1", "wire-g2", "wire-g3"]}),
        ("JoinGroup", 4, {"GroupId": "", "SessionTimeoutMs": 10000, "RebalanceTimeoutMs": 1000, "ProtocolType": "consumer", "Protocols": [{"Name": "r", "Metadata": b""}]}),
        ("Heartbeat", 3, {"GroupId": "", "MemberId": "m"}),
        ("InitProducerId", 1, {"TransactionalId": "", "TransactionTimeoutMs": 1000}),
    ]  # fmt: skip
    for api, version, body in ask:
        want = bench.old[of].call(api, version, body)
        for front, connection in bench.fronts.items():
            got = connection.call(api, version, body)
            if (
                api == "DescribeGroups"
            ):  # of several only the one without a name is compared: others have their own coordinators
                want["Groups"], got["Groups"] = (
                    [g for g in x["Groups"] if not g["GroupId"]] for x in (want, got)
                )
            problems += [
                f"{api} v{version} at {front} {short(body, 60)}: {d}"
                for d in differences(want, got)
            ]
    bench.check(
        "no name", problems, f'the group "" is served by its coordinator {of} on every connection'
    )


def tags(bench):
    """Tagged fields that nobody knows, in the header, the body and inside arrays: passed on or passed over."""
    leaders, problems = Leaders(bench), []
    unknown = {"_tags": {77: b"seven", 1000: b"x" * 300}}
    for front, connection in bench.fronts.items():
        body = (
            leaders.body(
                "ListOffsets",
                [(A, p) for p in range(6)],
                lambda t, p: {"PartitionIndex": p, "Timestamp": -1} | unknown,
                ReplicaId=-1,
            )
            | unknown
        )
        body["Topics"][0] |= unknown
        if 6 in bench.versions("ListOffsets"):
            got = flat(connection.call("ListOffsets", 6, body), *ANSWER["ListOffsets"])
            problems += (
                [f"at {front}: {got}"] if [f["ErrorCode"] for f in got.values()] != [0] * 6 else []
            )
        message, name = REQUESTS["Metadata"], b"wire"
        content = struct.pack(">hhih", message.key, 9, 4242, len(name)) + name
        content += (
            varint(1)
            + varint(99)
            + varint(5)
            + b"hello"
            + message.encode(9, {"Topics": [{"Name": A}]} | unknown)
        )
        connection.socket.sendall(struct.pack(">i", len(content)) + content)
        got = connection.receive("Metadata", 9, 4242)
        problems += [f"at {front}: {got}"] if got["Topics"][0]["ErrorCode"] else []
    bench.check(
        "tags", problems, "unknown tags in header, body and elements: answered, also when split"
    )


def session_again(bench):
    """A full Fetch that also closes a former session (id, epoch 0; what clients send after a lost connection) names all its partitions."""
    leaders, problems = Leaders(bench), []
    everything = [(t, p) for t in (A, B) for p in range(6)]
    for version in (7, bench.versions("Fetch")[-1]):
        for front, connection in bench.fronts.items():
            for node in bench.old:
                mine = [p for p in everything if leaders.of[p] == node]
                for places in (mine, everything):
                    for session, epoch in ((12345, 0), (12345, -1)):
                        body = leaders.body(
                            "Fetch",
                            places,
                            lambda t, p: {
                                "Partition": p,
                                "FetchOffset": 2,
                                "PartitionMaxBytes": 1000,
                            },
                            MaxWaitMs=0,
                            MinBytes=0,
                            SessionId=session,
                            SessionEpoch=epoch,
                        )
                        got = connection.call("Fetch", version, body)
                        codes = {k: f["ErrorCode"] for k, f in flat(got, *ANSWER["Fetch"]).items()}
                        if got["ErrorCode"] or len(codes) != len(places) or any(codes.values()):
                            problems.append(
                                f"v{version} at {front}, session {session} epoch {epoch}, {len(places)} partitions led by {node if places == mine else 'both'}: error {got['ErrorCode']}, {sorted(codes.values())}"
                            )
    bench.check(
        "session again",
        problems,
        "Fetch with a former session's id and epoch 0 or -1: by content, as without",
    )


def ending(connection, data):
    """What comes after these bytes: 'closed', or an answer's beginning."""
    try:
        connection.socket.settimeout(5)
        connection.socket.sendall(data)
        return f"answer {bytes(connection.answer()[1])[:20]!r}"
    except (Closed, ConnectionError):
        return "closed"
    except TimeoutError:
        return "silence"


def hostile(bench):
    """Broken frames end their connection only, as at a broker."""
    good = bench.fronts["bootstrap"].frame("Metadata", 5, {"Topics": [{"Name": A}]}, 1)
    split = bench.fronts["bootstrap"].frame(
        "ListOffsets",
        5,
        {
            "ReplicaId": -1,
            "Topics": [
                {
                    "Name": A,
                    "Partitions": [{"PartitionIndex": p, "Timestamp": -1} for p in range(6)],
                }
            ],
        },
        1,
    )
    frames = {
        "size -1": struct.pack(">i", -1) + good[4:],
        "size 0": struct.pack(">i", 0) + good[4:],
        "size 3": struct.pack(">i", 3) + good[4:7],
        "size 2 GB": struct.pack(">i", 2**31 - 1) + good[4:],
        "size 100 MiB + 1": struct.pack(">i", 104857601) + good[4:],
        "api 999": good[:4] + struct.pack(">h", 999) + good[6:],
        "api -1": good[:4] + struct.pack(">h", -1) + good[6:],
        "LeaderAndIsr": good[:4] + struct.pack(">h", 4) + good[6:],
        "Metadata v99": good[:6] + struct.pack(">h", 99) + good[8:],
        "Metadata v-1": good[:6] + struct.pack(">h", -1) + good[8:],
        "a body cut short": struct.pack(">i", len(split) - 4 - 7) + split[4:-7],
        "an array of 2 billion": struct.pack(">i", 4 + 2 + 2 + 2 + 4 + 4) + struct.pack(">hhih", 3, 5, 1, 4) + b"wire" + struct.pack(">i", 2**31 - 1),
        "HTTP": b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "TLS": bytes.fromhex("16030100c8010000c40303") + os.urandom(200),
    }  # fmt: skip
    problems, seen = [], []
    for name, data in frames.items():
        ends = [ending(c, data) for c in (bench.connect(), Connection(*bench.old[1].at))]
        if ends[0] != "closed":
            (problems if ends[1] == "closed" else seen).append(
                f"{name}: {ends[0]}, direct {ends[1]}"
            )
        elif ends[1] != "closed":
            seen.append(f"{name}: closed, direct {ends[1]}")
    trailing = bytearray(good) + b"abcd"
    trailing[:4] = struct.pack(">i", len(trailing) - 4)
    seen.append(
        f"4 bytes behind the body: {ending(bench.connect(), trailing)[:12]}, direct {ending(Connection(*bench.old[1].at), trailing)[:12]}"
    )
    bench.fronts["bootstrap"].call("Metadata", 5, {"Topics": [{"Name": A}]})
    bench.check(
        "hostile",
        problems,
        f"{len(frames)} broken frames end their connection, nobody else's; not alike: {seen}",
    )


def client_ids(bench):
    problems = []
    for client_id in (None, "", "x" * 30_000, "ü" * 200, 'quote" and \\ and \x01'):
        c = bench.connect(client_id=client_id)
        for api, version in (
            ("Metadata", 5),
            ("Metadata", bench.versions("Metadata")[-1]),
            ("FindCoordinator", 2),
        ):
            got = c.call(api, version, {"Topics": []} if api == "Metadata" else {"Key": "wire-g1"})
            problems += [f"{short(client_id, 20)}: {got}"] if got.get("ErrorCode") else []
        code, seen = bench.shunt.ctl("clients")
        problems += [f"shuntctl clients: exit {code}"] if code or not seen["clients"] else []
        c.close()
    bench.check(
        "client ids",
        problems,
        "null, empty, 30,000 bytes, not ASCII, control characters: served, and `clients` stays JSON",
    )


def new_topic(bench):
    """A topic that Shunt has never been asked for: found within two seconds on every connection, none closed."""
    topic, problems, tries = f"wire-unheard-{int(time.time())}", [], {}
    create_topics(bench.pair.old, [topic], 4)
    ask = [{"PartitionIndex": p, "Timestamp": -1} for p in range(4)]
    for front, connection in [("bootstrap", bench.connect()), *bench.fronts.items()]:
        body, begun, tries[front] = (
            {"ReplicaId": -1, "Topics": [{"Name": topic, "Partitions": ask}]},
            time.monotonic(),
            0,
        )
        while True:
            tries[front] += 1
            codes = [
                p["ErrorCode"]
                for p in connection.call("ListOffsets", 2, body)["Topics"][0]["Partitions"]
            ]
            if not any(codes) or time.monotonic() - begun > 2:
                break
            time.sleep(0.05)
        problems += [f"at {front}: {codes}"] if any(codes) else []
    bench.check("new topic", problems, f"tries until its leaders are known: {tries}")


def parked(bench):
    """Long polls: data that comes later comes at once; an answer due in 35 s is waited for (no deadline of ours)."""
    leaders, problems, took = Leaders(bench), [], {}
    place = next(p for p in leaders.of if leaders.of[p] == 1)
    result = {}

    def ends():
        got, _ = leaders.direct(
            "ListOffsets",
            4,
            [place],
            lambda t, p: {"PartitionIndex": p, "Timestamp": -1},
            ReplicaId=-1,
        )
        return got[place]["Offset"]

    body = leaders.body(
        "Fetch",
        [place],
        lambda t, p: {"Partition": p, "FetchOffset": ends(), "PartitionMaxBytes": 10**6},
        MaxWaitMs=35_000,
        MinBytes=10**9,
    )

    def wait_long():
        c = bench.connect(bench.addresses[1], seconds=60)
        begun = time.monotonic()
        try:
            result["error"] = c.call("Fetch", 8, body)["ErrorCode"]
        except Exception as error:
            result["error"] = repr(error)
        result["seconds"] = time.monotonic() - begun

    long = threading.Thread(target=wait_long)
    long.start()
    for side, at in (
        ("direct", bench.old[1].at),
        ("node 1", bench.addresses[1]),
        ("bootstrap", bench.fronts["bootstrap"].at),
    ):
        c = Connection(*at)
        number = c.send(
            "Fetch",
            8,
            leaders.body(
                "Fetch",
                [place],
                lambda t, p: {"Partition": p, "FetchOffset": ends(), "PartitionMaxBytes": 10**6},
                MaxWaitMs=10_000,
                MinBytes=1,
            ),
        )
        time.sleep(0.7)
        begun = time.monotonic()
        bench.old[1].call(
            "Produce",
            7,
            leaders.body(
                "Produce",
                [place],
                lambda t, p: {"Index": p, "Records": batch([b"late"])},
                Acks=-1,
                TimeoutMs=5000,
            ),
        )
        got = c.receive("Fetch", 8, number)
        took[side] = round(time.monotonic() - begun, 2)
        if not flat(got, *ANSWER["Fetch"])[place]["Records"] or took[side] > 1.5:
            problems.append(f"{side}: {took[side]} s, {short(got)}")
        c.close()
    long.join()
    if result.get("error") != 0 or not 34 < result["seconds"] < 38:
        problems.append(f"a Fetch that waits 35 s: {result}")
    bench.check(
        "parked",
        problems,
        f"seconds from a record to its parked Fetch: {took}; one of 35 s: {result['seconds']:.1f} s",
    )
