"""Every version of the APIs that read or change the cluster, on every connection, field by field as a broker answers."""

import itertools
import time

from wire.bench import NEW_NODES, differences, replaced, short, without

A, B = "wire-a", "wire-b"
BROKER, TOPIC, LOGGER = 4, 2, 8
counter = itertools.count()


def names(version, *topics):
    return [{"Name": t} for t in topics]


def resources(*pairs, **more):
    return {"Resources": [{"ResourceType": t, "ResourceName": n, **more} for t, n in pairs]}


# API, what is asked, which broker answers it directly (any, controller, node, group NAME, transaction NAME), fields that
# differ by themselves, versions (None: all).
PROBES = [
    ("Metadata", lambda v: {"Topics": names(v, A, B, "wire-none"), "IncludeTopicAuthorizedOperations": v >= 8, "AllowAutoTopicCreation": v < 4}, "any", ()),
    ("Metadata", lambda v: {"Topics": None if v else [], "AllowAutoTopicCreation": v < 4, "IncludeClusterAuthorizedOperations": v in (8, 9, 10)}, "any", ()),
    ("DescribeCluster", lambda v: {"IncludeClusterAuthorizedOperations": True}, "any", ()),
    ("DescribeCluster", lambda v: {"EndpointType": 2} if v else {}, "any", ("ErrorMessage",)),
    ("DescribeTopicPartitions", lambda v: {"Topics": names(v, A, B, "wire-none")}, "any", ()),
    ("DescribeTopicPartitions", lambda v: {"Topics": names(v, A, B), "ResponsePartitionLimit": 4}, "any", ()),
    ("DescribeTopicPartitions", lambda v: {"Topics": names(v, A, B), "ResponsePartitionLimit": 4, "Cursor": {"TopicName": A, "PartitionIndex": 3}}, "any", ()),
    ("FindCoordinator", lambda v: {"Key": "wire-g1", "CoordinatorKeys": ["wire-g1", "wire-g2", "wire-g3", "wire-g4"]} if v > 3 else {"Key": "wire-g2"}, "any", ()),
    ("FindCoordinator", lambda v: {"KeyType": 1} | ({"CoordinatorKeys": ["wire-t1", "wire-t2", "wire-t3"]} if v > 3 else {"Key": "wire-t1"}), "any", ()),
    ("FindCoordinator", lambda v: {"KeyType": 9} | ({"CoordinatorKeys": ["x"]} if v > 3 else {"Key": "x"}), "any", ()),
    ("ListGroups", lambda v: {}, "node", ()),
    ("ListGroups", lambda v: {"StatesFilter": ["Empty"]} if v > 3 else {}, "node", ()),
    ("DescribeLogDirs", lambda v: {"Topics": [{"Topic": A, "Partitions": [0, 1, 2]}]}, "node", ("UsableBytes", "TotalBytes")),
    ("DescribeLogDirs", lambda v: {"Topics": None}, "node", ("UsableBytes", "TotalBytes")),
    ("DescribeConfigs", lambda v: resources((TOPIC, A), (TOPIC, B), (TOPIC, "wire-none")) | {"IncludeSynonyms": v > 0, "IncludeDocumentation": v > 2}, "any", ()),
    ("DescribeConfigs", lambda v: resources((BROKER, "")), "controller", ()),
    ("DescribeConfigs", lambda v: resources((BROKER, "7"), (BROKER, "abc")), "any", ("ErrorMessage",)),
    ("IncrementalAlterConfigs", lambda v: resources((TOPIC, A), (TOPIC, "wire-none"), Configs=[{"Name": "retention.ms", "ConfigOperation": 0, "Value": "86400001"}]), "any", ()),
    ("AlterConfigs", lambda v: resources((TOPIC, A), Configs=[{"Name": "retention.ms", "Value": "86400001"}]) | {"ValidateOnly": True}, "any", ()),
    ("CreateTopics", lambda v: {"Topics": [{"Name": "wire-new", "NumPartitions": 3, "ReplicationFactor": 2}, {"Name": A, "NumPartitions": 1, "ReplicationFactor": 1}, {"Name": "wire-placed", "NumPartitions": -1, "ReplicationFactor": -1, "Assignments": [{"PartitionIndex": 0, "BrokerIds": [2, 1]}]}], "timeoutMs": 5000, "validateOnly": True}, "controller", ("TopicId",)),
    ("CreatePartitions", lambda v: {"Topics": [{"Name": A, "Count": 9, "Assignments": None}, {"Name": B, "Count": 2, "Assignments": None}, {"Name": "wire-none", "Count": 2, "Assignments": None}], "TimeoutMs": 5000, "ValidateOnly": True}, "controller", ()),
    ("DeleteTopics", lambda v: {"TimeoutMs": 5000} | ({"TopicNames": ["wire-none", "wire-none-2"]} if v < 6 else {"Topics": [{"Name": "wire-none"}, {"Name": None, "TopicId": b"\7" * 16}]}), "controller", ()),
    ("ElectLeaders", lambda v: {"ElectionType": 0, "TopicPartitions": [{"Topic": A, "Partitions": [0, 1]}, {"Topic": "wire-none", "Partitions": [0]}], "TimeoutMs": 5000}, "controller", ()),
    ("ListPartitionReassignments", lambda v: {"TimeoutMs": 5000, "Topics": None}, "controller", ()),
    ("ListPartitionReassignments", lambda v: {"TimeoutMs": 5000, "Topics": [{"Name": A, "PartitionIndexes": [0, 1]}]}, "controller", ()),
    ("AlterPartitionReassignments", lambda v: {"TimeoutMs": 5000, "Topics": [{"Name": A, "Partitions": [{"PartitionIndex": 0, "Replicas": None}]}]}, "controller", ()),
    ("InitProducerId", lambda v: {"TransactionTimeoutMs": 60000, "TransactionalId": None}, "any", ("ProducerId",)),
    ("DescribeAcls", lambda v: {"ResourceTypeFilter": 1, "PatternTypeFilter": 1, "Operation": 1, "PermissionType": 1}, "any", ()),
    ("CreateAcls", lambda v: {"Creations": [{"ResourceType": 2, "ResourceName": A, "ResourcePatternType": 3, "Principal": "User:x", "Host": "*", "Operation": 3, "PermissionType": 3}]}, "controller", ()),
    ("DeleteAcls", lambda v: {"Filters": [{"ResourceTypeFilter": 2, "ResourceNameFilter": A, "PatternTypeFilter": 3, "Operation": 1, "PermissionType": 1}]}, "controller", ()),
    ("DescribeClientQuotas", lambda v: {"Components": [], "Strict": False}, "any", ()),
    ("AlterClientQuotas", lambda v: {"Entries": [{"Entity": [{"EntityType": "user", "EntityName": "x"}], "Ops": [{"Key": "producer_byte_rate", "Value": 1e6, "Remove": False}]}], "ValidateOnly": True}, "controller", ()),
    ("DescribeUserScramCredentials", lambda v: {"Users": [{"Name": "nobody"}]}, "any", ()),
    ("AlterUserScramCredentials", lambda v: {"Deletions": [{"Name": "nobody", "Mechanism": 1}]}, "controller", ()),
    ("CreateDelegationToken", lambda v: {"MaxLifetimeMs": 1000}, "controller", ("IssueTimestampMs", "ExpiryTimestampMs", "MaxTimestampMs")),
    ("RenewDelegationToken", lambda v: {"Hmac": b"x", "RenewPeriodMs": 1}, "controller", ()),
    ("ExpireDelegationToken", lambda v: {"Hmac": b"x", "ExpiryTimePeriodMs": 1}, "controller", ()),
    ("DescribeDelegationToken", lambda v: {"Owners": None}, "controller", ()),
    ("UnregisterBroker", lambda v: {"BrokerId": 77}, "controller", ()),
    ("UpdateFeatures", lambda v: {"timeoutMs": 5000, "FeatureUpdates": [{"Feature": "none.such", "MaxVersionLevel": 1}]} | ({"ValidateOnly": True} if v else {}), "controller", ()),
    ("DescribeQuorum", lambda v: {"Topics": [{"TopicName": "__cluster_metadata", "Partitions": [{"PartitionIndex": 0}]}]}, "any", ("HighWatermark", "LogEndOffset", "LastFetchTimestamp", "LastCaughtUpTimestamp")),
    ("ListConfigResources", lambda v: {}, "any", ()),
    ("ListTransactions", lambda v: {}, "node", ()),
    ("SaslHandshake", lambda v: {"Mechanism": "PLAIN"}, "any", ()),
    ("SaslAuthenticate", lambda v: {"AuthBytes": b"x"}, "any", ()),
    ("AlterReplicaLogDirs", lambda v: {"Dirs": [{"Path": "/none", "Topics": [{"Name": A, "Partitions": [0, 1]}]}]}, "node", ()),
    ("WriteTxnMarkers", lambda v: {"Markers": []}, "node", ()),
    ("ConsumerGroupHeartbeat", lambda v: {"GroupId": "wire-none-g", "MemberId": "m", "MemberEpoch": 5}, "group wire-none-g", ()),
    ("ConsumerGroupDescribe", lambda v: {"GroupIds": ["wire-none-g"]}, "group wire-none-g", ()),
]  # fmt: skip
SELF = ("ApiVersions", "GetTelemetrySubscriptions", "PushTelemetry")
NODE_LISTS = {"Metadata": "Brokers", "DescribeCluster": "Brokers"}


def broker_for(bench, whose, front):
    """The broker that answers directly; None: Shunt answers for a new node what must be empty."""
    if whose == "node" and front != "bootstrap":
        return bench.of(front)
    if whose.startswith(("group ", "transaction ")):
        return bench.old[coordinator(bench, *whose.split(" "))]
    return bench.old[controller(bench)]


def controller(bench):
    return (
        1
        if not bench.pair.old.version.startswith("2.")
        else bench.old[1].call("Metadata", 1, {"Topics": []})["ControllerId"]
    )


def coordinator(bench, kind, key):
    """Asked until the broker knows (the first time it creates the internal topic)."""
    for _ in range(100):
        got = bench.old[1].call(
            "FindCoordinator", 2, {"Key": key, "KeyType": int(kind == "transaction")}
        )
        if got["ErrorCode"] == 0:
            return got["NodeId"]
        time.sleep(0.2)
    raise TimeoutError(f"no coordinator of {kind} {key}: {got}")


def mapped(bench, api, want):
    """A broker's answer as Shunt must show it: node lists are ours, addresses are this client's."""
    if api in NODE_LISTS and want.get(NODE_LISTS[api]):
        one = want[NODE_LISTS[api]][0]
        key = "NodeId" if "NodeId" in one else "BrokerId"
        want[NODE_LISTS[api]] = [
            one | {key: node, "Host": host, "Port": port}
            for node, (host, port) in sorted(bench.addresses.items())
        ]
    if api == "FindCoordinator":
        for c in want.get("Coordinators", [want]):
            if c["NodeId"] >= 0:
                c["Host"], c["Port"] = bench.addresses[c["NodeId"]]
    return want


def ordered(api, answer):
    """Sets that brokers list in any order."""
    if api in NODE_LISTS and answer.get(NODE_LISTS[api]):
        answer[NODE_LISTS[api]].sort(key=lambda b: b.get("NodeId", b.get("BrokerId")))
    for key in ("Topics", "Responses", "Results", "Groups", "ReplicaElectionResults"):
        for item in answer.get(key) or []:
            for inner in item.values():
                if isinstance(inner, list) and inner and isinstance(inner[0], dict):
                    inner.sort(
                        key=lambda x: short(
                            sorted(
                                (k, repr(v))
                                for k, v in x.items()
                                if k in ("PartitionIndex", "Name", "PartitionId")
                            )
                        )
                    )
                    for x in inner:
                        if isinstance(x.get("Partitions"), list):
                            x["Partitions"].sort(key=lambda p: p["PartitionIndex"])
        if answer.get(key):
            answer[key].sort(
                key=lambda t: short(
                    [
                        t.get(k)
                        for k in ("Name", "Topic", "ResourceName", "GroupId", "LogDir", "TopicId")
                    ]
                )
            )
    return answer


def controller_problem(bench, api, answer):
    """KRaft brokers name any broker as the controller: it must be one of old's."""
    if "ControllerId" not in answer or bench.pair.old.version.startswith("2."):
        return []
    node = answer.pop("ControllerId")
    return (
        []
        if node in bench.old or answer.get("ErrorCode")
        else [f"{api}: controller {node} is no node of old"]
    )


def probe(bench, api, body, whose, ignore):
    problems, asked = [], 0
    for version in bench.versions(api):
        for front, connection in bench.fronts.items():
            request = body(version)
            asked += 1
            try:
                got = connection.call(api, version, request)
            except Exception as error:
                problems.append(
                    f"v{version} at {front} {short(request)}: {type(error).__name__} {error}"
                )
                bench.fronts[front] = bench.connect(
                    None if front == "bootstrap" else bench.addresses[front]
                )
                if (
                    front == "bootstrap"
                ):  # another client instance: back to the addresses of this one
                    bench.fronts[front].call("Metadata", 9, {"Topics": None})
                continue
            problems += controller_problem(bench, api, got)
            foreign = whose == "node" and front != "bootstrap" and front >= NEW_NODES
            if foreign and api in ("ListGroups", "ListTransactions"):
                listed = got.get("Groups", got.get("TransactionStates"))
                problems += (
                    [f"v{version} at {front}: new's own are shown: {short(got)}"]
                    if listed or got["ErrorCode"]
                    else []
                )
                continue
            wants = []
            for candidate in candidates(bench, whose, front):
                want = mapped(bench, api, candidate.call(api, version, request))
                if "ControllerId" in want and not bench.pair.old.version.startswith("2."):
                    want.pop("ControllerId")
                wants.append(
                    differences(
                        ordered(api, without(want, ignore)), ordered(api, without(got, ignore))
                    )
                )
            best = min(wants, key=len)
            problems += [f"v{version} at {front} {short(request, 200)}: {d}" for d in best]
    spans = f"v{bench.versions(api)[0]}-v{bench.versions(api)[-1]}"
    bench.check(
        api,
        problems,
        f"{spans} {short(body(bench.versions(api)[-1]), 60)}: {asked} answers as direct",
    )


def candidates(bench, whose, front):
    """The bootstrap connection may be served by any of old's brokers."""
    if whose == "node" and front == "bootstrap":
        return list(bench.old.values())
    return [broker_for(bench, whose, front)]


def run(bench):
    for key in ("wire-g1", "wire-g2", "wire-g3", "wire-g4"):
        coordinator(bench, "group", key)
    for key in ("wire-t1", "wire-t2", "wire-t3"):
        coordinator(bench, "transaction", key)
    offered = [p for p in PROBES if bench.versions(p[0])]
    for api, body, whose, ignore in offered:
        bench.part(api, lambda b, p=(api, body, whose, ignore): probe(b, *p))
    bench.part("configs", broker_configs)
    bench.part("telemetry", telemetry)
    bench.part("topic ids", topic_ids)
    bench.part("topics", topics_made)


def broker_configs(bench):
    """BROKER resources of old and new nodes in one request: each answered by the broker it names, under the id shown."""
    problems, nodes = [], sorted(bench.addresses)
    for version in bench.versions("DescribeConfigs"):
        want = {}
        for node in nodes:
            one = bench.of(node).call(
                "DescribeConfigs",
                version,
                resources((BROKER, str(node % NEW_NODES)), ConfigurationKeys=None),
            )
            want[str(node)] = without(one["Results"][0], ("ResourceName",))
        for front, connection in bench.fronts.items():
            got = connection.call(
                "DescribeConfigs",
                version,
                resources(*[(BROKER, str(n)) for n in nodes], (TOPIC, A), ConfigurationKeys=None),
            )
            seen = {
                r["ResourceName"]: without(r, ("ResourceName",))
                for r in got["Results"]
                if r["ResourceType"] == BROKER
            }
            problems += [f"v{version} at {front}: {d}" for d in differences(want, seen)]
            if len(got["Results"]) != len(nodes) + 1:
                problems.append(
                    f"v{version} at {front}: {len(got['Results'])} results for {len(nodes) + 1} resources"
                )
    bench.check(
        "DescribeConfigs",
        problems,
        f"BROKER {nodes} and a topic in one request: each from its own broker",
    )
    problems = []
    for api in ("IncrementalAlterConfigs", "AlterConfigs"):
        for version in bench.versions(api):
            for front, connection in bench.fronts.items():
                body = resources(
                    *[(BROKER, str(n)) for n in nodes],
                    Configs=[{"Name": "log.cleaner.threads", "Value": "1"}],
                ) | {"ValidateOnly": True}
                got = connection.call(api, version, body)["Responses"]
                told = {r["ResourceName"]: r["ErrorCode"] for r in got}
                if told != {str(n): 0 for n in nodes}:
                    problems.append(f"{api} v{version} at {front}: {told}")
    bench.check("alter BROKER", problems, f"{nodes} checked by their own brokers")
    problems = []
    for version in bench.versions("DescribeConfigs"):
        for node in nodes:
            body = resources((LOGGER, str(node)))
            got = bench.fronts[nodes[0]].call("DescribeConfigs", version, body)["Results"]
            want = bench.of(node).call(
                "DescribeConfigs", version, resources((LOGGER, str(node % NEW_NODES)))
            )["Results"]
            want[0]["ResourceName"] = str(node)
            problems += [
                f"v{version} {node}: {d}"
                for d in differences(*[sorted_configs(x) for x in (want, got)])
            ]
    bench.check("BROKER_LOGGER", problems, f"levels of {nodes} as direct")


def sorted_configs(results):
    # A message names the broker by its own id; loggers appear as classes are used.
    return [
        {**without(r, ("ErrorMessage", "Configs")), "some": len(r["Configs"]) > 10} for r in results
    ]


def telemetry(bench):
    """'No subscription', whatever the brokers would say."""
    problems = []
    for version in bench.versions("GetTelemetrySubscriptions"):
        for front, connection in bench.fronts.items():
            got = connection.call(
                "GetTelemetrySubscriptions", version, {"ClientInstanceId": bytes(16)}
            )
            kept = connection.call(
                "GetTelemetrySubscriptions", version, {"ClientInstanceId": got["ClientInstanceId"]}
            )
            if (
                got["ErrorCode"]
                or got["RequestedMetrics"]
                or got["ClientInstanceId"] == bytes(16)
                or kept["ClientInstanceId"] != got["ClientInstanceId"]
            ):
                problems.append(f"at {front}: {got} then {kept}")
    bench.check(
        "telemetry",
        problems,
        f"no subscription, an id of its own that is kept ({len(bench.versions('GetTelemetrySubscriptions'))} versions offered)",
    )


def topic_ids(bench):
    """Cluster id and topic ids are old's on every connection; a topic is found by its id."""
    problems, version = [], bench.versions("Metadata")[-1]
    direct = bench.old[1].call("Metadata", version, {"Topics": names(version, A, B)})
    want = {t["Name"]: t.get("TopicId") for t in direct["Topics"]}
    for front, connection in bench.fronts.items():
        got = connection.call("Metadata", version, {"Topics": names(version, A, B)})
        if (
            got["ClusterId"] != direct["ClusterId"]
            or {t["Name"]: t.get("TopicId") for t in got["Topics"]} != want
        ):
            problems.append(f"at {front}: {got['ClusterId']} {got['Topics']}")
        if version >= 12:
            ask = {"Topics": [{"Name": None, "TopicId": i} for i in (*want.values(), b"\7" * 16)]}
            pair = [
                sorted(
                    (t["TopicId"], t["Name"], t["ErrorCode"])
                    for t in c.call("Metadata", version, ask)["Topics"]
                    if t["Name"]
                )
                for c in (bench.old[1], connection)
            ]
            lost = [
                [
                    t["ErrorCode"]
                    for t in c.call("Metadata", version, ask)["Topics"]
                    if not t["Name"]
                ]
                for c in (bench.old[1], connection)
            ]
            problems += [
                f"by id at {front}: {d}"
                for d in differences([pair[0], lost[0]], [pair[1], lost[1]])
            ]
    bench.check(
        "ids",
        problems,
        f"cluster id {direct['ClusterId']}, topic ids old's{' and asked by id' if version >= 12 else ''}",
    )


def topics_made(bench):
    """CreateTopics, CreatePartitions, DeleteTopics for real, each version, from each connection."""
    problems = []
    for version in bench.versions("CreateTopics"):
        for front, connection in bench.fronts.items():
            answers = []
            for side, c in (("p", connection), ("d", bench.old[controller(bench)])):
                name = f"wire-made-{side}-{next(counter)}"
                made = c.call(
                    "CreateTopics",
                    version,
                    {
                        "Topics": [
                            {
                                "Name": name,
                                "NumPartitions": 2,
                                "ReplicationFactor": 2,
                                "Configs": [{"Name": "retention.ms", "Value": "1000000"}],
                            }
                        ],
                        "timeoutMs": 10000,
                    },
                )["Topics"][0]
                v = bench.clamp("CreatePartitions", version)
                more = c.call(
                    "CreatePartitions",
                    v,
                    {
                        "Topics": [
                            {"Name": name, "Count": 3, "Assignments": [{"BrokerIds": [2, 1]}]}
                        ],
                        "TimeoutMs": 10000,
                    },
                )
                v = bench.clamp("DeleteTopics", version)
                gone = c.call(
                    "DeleteTopics",
                    v,
                    (
                        {"TopicNames": [name], "Topics": [{"Name": name}], "TimeoutMs": 10000}
                        if v > 5
                        else {"TopicNames": [name], "TimeoutMs": 10000}
                    ),
                )
                shown = (made.pop("TopicId", None), gone["Responses"][0].pop("TopicId", None))
                made["same id"] = shown[0] == shown[1] if None not in shown else None  # not in 2.8
                answers.append(
                    replaced(without([made, more, gone], ("ThrottleTimeMs",)), {name: "T"})
                )
            problems += [f"v{version} at {front}: {d}" for d in differences(answers[1], answers[0])]
    bench.check("topics", problems, "created, grown and deleted from every connection, as direct")
