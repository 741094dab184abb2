"""ApiVersions: exactly what both clusters serve, less what Shunt does not; unknown versions by KIP-511."""

import struct

from wire.bench import differences, ranges
from wire.codec import REQUESTS, RESPONSES

SOFTWARE = {"ClientSoftwareName": "wire", "ClientSoftwareVersion": "1"}
UNSUPPORTED, REBOOTSTRAP = 35, 129
# Every difference to the plain intersection, and why (proxy/wire/roles.txt).
BETWEEN_BROKERS = "between brokers"
CAPPED = {
    "Fetch": (17, "v18 only serves followers"),
    "FindCoordinator": (5, "v6 is the share coordinator's"),
    "DescribeQuorum": (1, "v2 shows the controllers' listeners"),
}
INTERNAL = {
    "LeaderAndIsr", "StopReplica", "UpdateMetadata", "ControlledShutdown", "Vote", "BeginQuorumEpoch", "EndQuorumEpoch",
    "AlterPartition", "Envelope", "FetchSnapshot", "BrokerRegistration", "BrokerHeartbeat", "AllocateProducerIds",
    "ControllerRegistration", "AssignReplicasToDirs", "AddRaftVoter", "RemoveRaftVoter", "UpdateRaftVoter",
    "InitializeShareGroupState", "ReadShareGroupState", "WriteShareGroupState", "DeleteShareGroupState",
    "ReadShareGroupStateSummary", "UnregisterController",
}  # fmt: skip


def served_by(connections):
    """What all brokers of a cluster serve."""
    all_of = [ranges(c.call("ApiVersions", 3, SOFTWARE)) for c in connections]
    return meet(all_of)


def meet(tables):
    both = {}
    for api in set.intersection(*(set(t) for t in tables)):
        both[api] = range(max(t[api].start for t in tables), min(t[api].stop for t in tables))
    return {api: r for api, r in both.items() if len(r)}


def expected(plain):
    """The offer that follows from an intersection, and in words what is different from it."""
    offer, why = {}, []
    for api, r in plain.items():
        if api in INTERNAL or api not in REQUESTS:
            why.append(f"{api} {BETWEEN_BROKERS}")
            continue
        known = RESPONSES[api].valid
        first = r.start if api == "Produce" else max(r.start, known.start)
        last = min(r.stop, CAPPED[api][0] + 1 if api in CAPPED else 99, known.stop)
        offer[api] = range(first, last)
        if api == "ApiVersions":
            offer[api] = range(0, 6)
        if offer[api] != r:
            reason = (
                CAPPED[api][1]
                if api in CAPPED
                else (
                    "answered by Shunt itself" if api == "ApiVersions" else "not in the definitions"
                )
            )
            why.append(
                f"{api} {r.start}-{r.stop - 1} offered as {offer[api].start}-{offer[api].stop - 1}: {reason}"
            )
    return offer, sorted(why)


def run(bench):
    old, new = served_by(bench.old.values()), served_by(bench.new.values())
    want, why = expected(meet([old, new]))
    internal = [w for w in why if w.endswith(BETWEEN_BROKERS)]
    other = [w for w in why if w not in internal]
    brokers = [*bench.old.values(), *bench.new.values()]
    common = {
        v: features(
            [c.call("ApiVersions", min(v, top(c)), SOFTWARE if v >= 3 else {}) for c in brokers]
        )
        for v in range(5)
    }
    for front, connection in bench.fronts.items():
        problems = []
        for version in range(6):
            got = connection.call("ApiVersions", version, SOFTWARE if version >= 3 else {})
            problems += [f"v{version} {d}" for d in differences(want, ranges(got))]
            problems += [f"v{version}: error {got['ErrorCode']}"] if got["ErrorCode"] else []
            problems += [
                f"v{version} features {d}"
                for d in differences(common[min(version, 4)], features([got]))
            ]
        bench.check(
            "ApiVersions",
            problems,
            f"v0-v5 at {front}: {len(want)} APIs as both clusters serve them, features {common[4] or 'none'}",
        )
    bench.report.line(
        True, "protocol", bench.pair.name, "ApiVersions",
        f"less than the intersection: {'; '.join(other) or 'nothing'}; {len(internal)} {BETWEEN_BROKERS}",
    )  # fmt: skip
    unknown(bench)
    version_5(bench)


def top(connection):
    return ranges(connection.call("ApiVersions", 0, {}))["ApiVersions"][-1]


def features(answers):
    """What all answers show alike, {name: (min, max)}. Below v4 no broker shows a minimum of 0: Java before 3.9 dies of one (KAFKA-17011)."""
    kinds = {
        "SupportedFeatures": ("MinVersion", "MaxVersion"),
        "FinalizedFeatures": ("MinVersionLevel", "MaxVersionLevel"),
    }
    seen = {}
    for kind, (low, high) in kinds.items():
        tables = [{f["Name"]: (f[low], f[high]) for f in a.get(kind, [])} for a in answers]
        for name in set.intersection(*(set(t) for t in tables)):
            both = (max(t[name][0] for t in tables), min(t[name][1] for t in tables))
            if both[0] <= both[1]:
                seen[f"{kind} {name}"] = both
    return seen


def unknown(bench):
    """A version nobody knows: the answer of v0 with error 35, and the connection goes on (as a broker does)."""
    problems = []
    for name, connection in (("proxied", bench.connect()), ("direct", bench.old[1])):
        for version in (6, 99):
            head = struct.pack(">hhih", REQUESTS["ApiVersions"].key, version, 77, 4) + b"wire\0\0"
            connection.socket.sendall(struct.pack(">i", len(head)) + head)
            correlation, content = connection.answer()
            got = RESPONSES["ApiVersions"].decode(0, content)
            key = [a["ApiKey"] for a in got["ApiKeys"]]
            if (correlation, got["ErrorCode"], key) != (
                77,
                UNSUPPORTED,
                [REQUESTS["ApiVersions"].key],
            ):
                problems.append(f"{name} v{version}: {correlation} {got}")
        again = connection.call("ApiVersions", 0, {})
        problems += [f"{name}: then {again['ErrorCode']}"] if again["ErrorCode"] else []
    bench.check(
        "ApiVersions",
        problems,
        "v6 and v99 answered in v0 with error 35, then served on; direct alike",
    )


def version_5(bench):
    """KIP-1242: what the client names is compared with what it was shown."""
    problems = []
    cluster = bench.old[1].call("Metadata", 7, {"Topics": []})["ClusterId"]
    for node, connection in bench.fronts.items():
        here = 1 if node == "bootstrap" else node
        asked = [(None, -1, 0), (cluster, here, 0), ("another", here, REBOOTSTRAP)]
        if node != "bootstrap":
            asked.append((cluster, here + 1, REBOOTSTRAP))
        for name, number, error in asked:
            got = connection.call(
                "ApiVersions", 5, SOFTWARE | {"ClusterId": name, "NodeId": number}
            )
            if got["ErrorCode"] != error:
                problems.append(
                    f"at {node} asked for ({name}, {number}): expected {error} got {got['ErrorCode']}"
                )
    bench.check(
        "ApiVersions",
        problems,
        "v5: its own cluster and node 0, another 129 (REBOOTSTRAP_REQUIRED)",
    )
