"""Looking in: shuntctl and HTTP carry the keys of the contract, agree, and know who is there."""

import json

from operate import create_topics
from wait import wait_for

TOPIC, GROUP, PARTITIONS = "control", "control-group", 3
KEYS = {
    "status": "api version uptime_ms ready migration clusters connections topics groups",
    "clients": "api clients",
    "topics": "api topics",
    "groups": "api groups",
}
ITEM_KEYS = {
    "topics": "topic partitions migration produce segments stragglers last_cut",
    "groups": "group state protocol members members_outside coordinator fetch lag drained",
    "clients": "id address client_id software software_version listener principal groups connections"
    " since bytes_in bytes_out apis transactional_ids served_by_new why_not",
}
METRICS = (
    "connections requests_total request_seconds bytes_total links cluster_reachable build_info"
)


def run(pair, report):
    """Looks while a Java member and producer run."""
    create_topics(pair.old, [TOPIC], PARTITIONS)
    client = pair.client(
        "java", "proxied", "control", roles="produce,consume", topic=TOPIC, group=GROUP, rate=20,
        partitions=PARTITIONS,
    )  # fmt: skip
    client.wait("records flow", lambda c: len(c.events("polled")) > 10)
    # Shunt looks at groups every few seconds: wait until it has seen this one settle.
    wait_for("the group to be seen stable", lambda: _state(pair) == "Stable", 15)

    def check(who, text, *problems):
        wrong = [p for p in problems if p]
        report.line(not wrong, "control", pair.name, who, f"{text}: {wrong}" if wrong else text)

    seen = {command: answers(pair.shunt, command, check) for command in KEYS}
    who_is_there(seen, client, check)
    http_only(pair.shunt, check)
    client.stop()


def missing(wanted, found):
    return [key for key in wanted.split() if key not in found]


def answers(shunt, command, check):
    """shuntctl's answer: the contract's keys, in every item too; HTTP gives the same ones."""
    code, seen = shunt.ctl(command)
    seen = seen or {}
    items = seen.get(command) if command in ITEM_KEYS else []
    check(
        "shuntctl", command, code, missing(KEYS[command], seen),
        [item for item in items if missing(ITEM_KEYS[command], item)][:1],
        command in ITEM_KEYS and not items and "empty",
    )  # fmt: skip
    status, text = shunt.get(f"/{command}")
    check("http", f"/{command}", status != 200 and status, missing(" ".join(seen), json.loads(text)))
    return seen


def who_is_there(seen, client, check):
    clusters = seen["status"]["clusters"].items()
    shown = {side: (c["reachable"], c["brokers"], c["error"]) for side, c in clusters}
    check(
        "shuntctl", f"status: clusters {shown}", not seen["status"]["ready"] and "not ready",
        [c for c in shown.values() if c[0] is not True or c[2]],
    )  # fmt: skip
    topics = {t["topic"]: t for t in seen["topics"]["topics"]}
    check("shuntctl", f"topics: {topics.get(TOPIC)}", topics[TOPIC]["partitions"] != PARTITIONS)
    groups = {g["group"]: g for g in seen["groups"]["groups"]}
    group = groups[GROUP]
    found = (group["state"], group["members"], group["coordinator"])
    check("shuntctl", f"groups: {group}", found != ("Stable", 1, "old") and found)
    mine = [c for c in seen["clients"]["clients"] if str(c["client_id"]).startswith(client.name)]
    named = {(c["software"], c["software_version"]) for c in mine}
    version = client.events("start")[0]["version"]
    check("shuntctl", f"clients: {named}", ("apache-kafka-java", version) not in named)
    check("shuntctl", "clients: the group's member", not any(GROUP in c["groups"] for c in mine))


def http_only(shunt, check):
    for path in ("/livez", "/readyz"):
        status, text = shunt.get(path)
        check("http", path, status != 200 and (status, text))
    _, text = shunt.get("/metrics")
    check("http", "/metrics", [m for m in METRICS.split() if f"\nshunt_{m}" not in f"\n{text}"])
    status, _ = shunt.get("/nothing")
    check("http", "an unknown path is 404", status != 404 and status)


def _state(pair):
    groups = json.loads(pair.shunt.get("/groups")[1])["groups"]
    return next((g["state"] for g in groups if g["group"] == GROUP), None)
