"""Groups and transactions: the life of one, in every version on every connection, beside a twin that speaks to its coordinator directly."""

import itertools
import time

from protocol_apis import A, B, coordinator
from wire.bench import differences, replaced, short, without
from wire.records import batch

NUMBER = itertools.count(int(time.time()))  # new names also when clusters are kept
MEMBER_ID_REQUIRED, LATER = 79, (14, 15, 16, 51)


def group_life(bench, connection, group, n):
    """Each step's answer, names replaced. Versions: as high as `n` and the offer allow."""
    member, steps = "", []

    def call(api, **body):
        version = bench.clamp(api, n)
        answer = connection.call(api, version, body)
        steps.append((f"{api} v{version}", answer))
        return answer

    instance = "wire-static" if n % 2 and bench.clamp("JoinGroup", n) >= 5 else None
    join = {
        "GroupId": group, "SessionTimeoutMs": 10000, "RebalanceTimeoutMs": 10000, "ProtocolType": "consumer",
        "GroupInstanceId": instance, "Protocols": [{"Name": "range", "Metadata": b"meta"}], "Reason": "test",
    }  # fmt: skip
    got = call("JoinGroup", MemberId="", **join)
    member = got["MemberId"]
    if got["ErrorCode"] == MEMBER_ID_REQUIRED:
        got = call("JoinGroup", MemberId=member, **join)
    me = {"GroupId": group, "GenerationId": got["GenerationId"], "MemberId": member}
    mine = me | {"GroupInstanceId": instance}
    call(
        "SyncGroup",
        ProtocolType="consumer",
        ProtocolName="range",
        Assignments=[{"MemberId": member, "Assignment": b"yours"}],
        **mine,
    )
    call("Heartbeat", **mine)
    call("Heartbeat", **mine | {"GenerationId": 77})
    places = [
        {
            "Name": t,
            "Partitions": [
                {
                    "PartitionIndex": p,
                    "CommittedOffset": p + 1,
                    "CommittedLeaderEpoch": 0,
                    "CommittedMetadata": "m",
                }
                for p in range(6)
            ],
        }
        for t in (A, B)
    ]
    call(
        "OffsetCommit",
        GroupId=group,
        GenerationIdOrMemberEpoch=me["GenerationId"],
        MemberId=member,
        GroupInstanceId=instance,
        Topics=places,
    )
    wanted = [{"Name": A, "PartitionIndexes": [0, 5]}, {"Name": B, "PartitionIndexes": [1]}]
    everything = None if bench.clamp("OffsetFetch", n) >= 2 else wanted
    for topics in (wanted, everything):
        call(
            "OffsetFetch",
            GroupId=group,
            Topics=topics,
            Groups=[{"GroupId": group, "Topics": topics}],
            RequireStable=n % 2 == 0,
        )
    call("DescribeGroups", Groups=[group], IncludeAuthorizedOperations=True)
    call(
        "LeaveGroup",
        GroupId=group,
        MemberId=member,
        Members=[{"MemberId": member, "GroupInstanceId": instance}],
    )
    call("Heartbeat", **mine)
    call("OffsetDelete", GroupId=group, Topics=[{"Name": A, "Partitions": [{"PartitionIndex": 0}]}])
    call("OffsetFetch", GroupId=group, Topics=wanted, Groups=[{"GroupId": group, "Topics": wanted}])
    call("DeleteGroups", GroupsNames=[group])
    call("DescribeGroups", Groups=[group])
    return named(steps, {group: "G", member: "M"})


def named(steps, words):
    return [
        (name, sorted_places(without(replaced(answer, words), ("ClientHost",))))
        for name, answer in steps
    ]


def sorted_places(value):
    if isinstance(value, dict):
        return {k: sorted_places(v) for k, v in value.items()}
    if isinstance(value, list) and value and isinstance(value[0], dict):
        return sorted(
            (sorted_places(v) for v in value), key=lambda v: repr(sorted(v.items(), key=repr))
        )
    return value


def transaction_life(bench, connection, txid, group, n):
    """Two transactions, one committed, one aborted; the coordinator may not be ready for the next one at once."""
    steps, unique = [], {txid: "T", group: "G"}

    def call(api, **body):
        version = bench.clamp(api, n)
        for _ in range(100):
            answer = connection.call(api, version, body)
            if not any(f"ErrorCode': {e}" in repr(answer) for e in LATER):
                break
            time.sleep(0.05)
        steps.append((f"{api} v{version}", answer))
        return answer

    for committed in (True, False):
        pid = call("InitProducerId", TransactionalId=txid, TransactionTimeoutMs=60000)
        me = {"ProducerId": pid["ProducerId"], "ProducerEpoch": pid["ProducerEpoch"]}
        topics = [{"Name": A, "Partitions": [0, 1, 2]}, {"Name": B, "Partitions": [3]}]
        old_style = {
            f"V3AndBelow{k}": v
            for k, v in (me | {"TransactionalId": txid, "Topics": topics}).items()
        }
        call(
            "AddPartitionsToTxn",
            **old_style,
            Transactions=[me | {"TransactionalId": txid, "Topics": topics, "VerifyOnly": False}],
        )
        call("AddOffsetsToTxn", TransactionalId=txid, GroupId=group, **me)
        call(
            "TxnOffsetCommit",
            TransactionalId=txid,
            GroupId=group,
            **me,
            Topics=[
                {
                    "Name": A,
                    "Partitions": [
                        {
                            "PartitionIndex": 0,
                            "CommittedOffset": 3,
                            "CommittedLeaderEpoch": -1,
                            "CommittedMetadata": None,
                        }
                    ],
                }
            ],
        )
        if bench.versions("DescribeTransactions"):
            seen = call("DescribeTransactions", TransactionalIds=[txid])["TransactionStates"][0][
                "Topics"
            ]
            for t in seen:
                if t["Topic"] == "__consumer_offsets":
                    t["Partitions"] = len(
                        t["Partitions"]
                    )  # which one follows from the group's name
        call("EndTxn", TransactionalId=txid, Committed=committed, **me)
    fixed = [(name, without(a, ("ProducerId", "TransactionStartTimeMs"))) for name, a in steps]
    return named(fixed, unique)


def lives(bench, what, life, kind):
    problems, runs = [], 0
    for n in range(11):
        for front in bench.fronts:
            new = f"wire-{kind}-{next(NUMBER)}"
            twin = f"wire-{kind}-{next(NUMBER)}"
            runs += 1
            got = life(bench, bench.fronts[front], new, n)
            want = life(bench, bench.old[coordinator(bench, kind, twin)], twin, n)
            for (step, w), (_, g) in zip(want, got, strict=True):
                problems += [f"{step} at {front}: {d}" for d in differences(w, g)]
    bench.check(
        what,
        problems,
        f"{runs} lives in all versions, each answer as its twin's at the coordinator",
    )


def transaction(bench, connection, txid, n):
    """The group's coordinator is another broker than the transaction's, half the time: directly each must be asked itself."""
    group = f"{txid}-group"
    if connection in bench.fronts.values():
        return transaction_life(bench, connection, txid, group, n)
    return transaction_life(
        bench, Two(connection, bench.old[coordinator(bench, "group", group)]), txid, group, n
    )


class Two:
    """Direct: TxnOffsetCommit goes to the group's coordinator."""

    def __init__(self, transactions, groups):
        self.transactions, self.groups = transactions, groups

    def call(self, api, version, body):
        return (self.groups if api == "TxnOffsetCommit" else self.transactions).call(
            api, version, body
        )


def batched(bench):
    """Several groups with different coordinators in one request."""
    groups = [f"wire-batch-{n}" for n in range(8)]
    of = {g: coordinator(bench, "group", g) for g in groups}
    if len(set(of.values())) < 2:
        raise AssertionError(f"all groups have one coordinator: {of}")
    for g in groups:
        body = {
            "GroupId": g,
            "GenerationIdOrMemberEpoch": -1,
            "Topics": [
                {
                    "Name": A,
                    "Partitions": [{"PartitionIndex": 0, "CommittedOffset": groups.index(g)}],
                }
            ],
        }
        bench.old[of[g]].call("OffsetCommit", 8, body)
    ask = {
        "DescribeGroups": (lambda gs: {"Groups": gs}, "Groups", "GroupId"),
        "OffsetFetch": (lambda gs: {"Groups": [{"GroupId": g, "Topics": [{"Name": A, "PartitionIndexes": [0]}]} for g in gs]}, "Groups", "GroupId"),
        "DeleteGroups": (lambda gs: {"GroupsNames": [f"{g}-not" for g in gs]}, "Results", "GroupId"),
    }  # fmt: skip
    for api, (body, field, key) in ask.items():
        problems, versions = [], [v for v in bench.versions(api) if api != "OffsetFetch" or v >= 8]
        if api == "DeleteGroups":
            of |= {f"{g}-not": coordinator(bench, "group", f"{g}-not") for g in groups}
        for version in versions:
            want = {}
            for node in bench.old:
                mine = [g for g in groups if of[f"{g}-not" if api == "DeleteGroups" else g] == node]
                want |= (
                    {x[key]: x for x in bench.old[node].call(api, version, body(mine))[field]}
                    if mine
                    else {}
                )
            for front, connection in bench.fronts.items():
                got = connection.call(api, version, body(groups))
                seen = {x[key]: x for x in got[field]}
                problems += [f"v{version} at {front}: {d}" for d in differences(want, seen)]
                problems += (
                    [f"v{version} at {front}: {short(got)}"]
                    if len(got[field]) != len(groups) or got.get("ErrorCode")
                    else []
                )
        if versions:
            bench.check(
                api,
                problems,
                f"{len(groups)} groups of both coordinators in one request, v{versions[0]}-v{versions[-1]}",
            )
    problems = []
    for front, connection in bench.fronts.items():
        got = connection.call(
            "DeleteGroups", bench.versions("DeleteGroups")[-1], {"GroupsNames": groups}
        )
        codes = sorted(r["ErrorCode"] for r in got["Results"])
        if codes != [0 if front == "bootstrap" else 69] * len(groups):
            problems.append(f"at {front}: {codes}")
    bench.check(
        "DeleteGroups", problems, "both coordinators' groups deleted once, then GROUP_ID_NOT_FOUND"
    )


def run(bench):
    bench.part("groups", lambda b: lives(b, "groups", group_life, "group"))
    bench.part("transactions", lambda b: lives(b, "transactions", transaction, "transaction"))
    bench.part("batched", batched)
    bench.part("committed", idempotent)


def idempotent(bench):
    """Records of a producer id drawn through Shunt: sequence errors as at the broker."""
    problems = []
    for front, connection in bench.fronts.items():
        pid = connection.call(
            "InitProducerId", 0, {"TransactionTimeoutMs": 60000, "TransactionalId": None}
        )
        codes = []
        for sequence in (0, 1, 1, 5):
            records = batch(
                [b"x"],
                pid["ProducerId"],
                pid["ProducerEpoch"],
                sequence,
                timestamp=1_000_000_000_000,
            )
            body = {
                "Acks": -1,
                "TimeoutMs": 5000,
                "TopicData": [{"Name": B, "PartitionData": [{"Index": 4, "Records": records}]}],
            }
            codes.append(
                connection.call("Produce", 7, body)["Responses"][0]["PartitionResponses"][0][
                    "ErrorCode"
                ]
            )
        if codes != [0, 0, 0, 45]:
            problems.append(f"at {front}: {codes}")
    bench.check(
        "idempotence",
        problems,
        "sequences 0, 1, 1 again, 5: taken, taken, known, OUT_OF_ORDER (45)",
    )
