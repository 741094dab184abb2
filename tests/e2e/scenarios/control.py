"""Looking in: shuntctl and HTTP carry the keys of the contract, and agree."""
import json

KEYS = {
    "status": {"api", "version", "uptime_ms", "ready", "migration", "clusters", "connections", "topics", "groups"},
    "clients": {"api", "clients"}, "topics": {"api", "topics"}, "groups": {"api", "groups"},
}
ITEM_KEYS = {
    "topics": {"topic", "partitions", "migration", "produce", "segments", "stragglers", "last_cut"},
    "groups": {"group", "state", "protocol", "members", "members_outside", "coordinator", "fetch", "lag", "drained"},
    "clients": {"id", "address", "client_id", "software", "software_version", "listener", "principal", "groups", "connections", "since",
                "bytes_in", "bytes_out", "apis", "transactional_ids", "served_by_new", "why_not"},
}
METRICS = ["shunt_connections", "shunt_requests_total", "shunt_request_seconds", "shunt_bytes_total", "shunt_links", "shunt_cluster_reachable",
           "shunt_build_info"]


def run(pair, report):
    """Wants clients and a group to be there: run it while others run."""
    report.guard("control", pair.name, "shuntctl", lambda: body(pair, report), shunt=pair.shunt)


def body(pair, report):
    def check(who, problems, text):
        report.line(not problems, "control", pair.name, who, text if not problems else f"{text}: {problems}")

    for command, keys in KEYS.items():
        code, seen = pair.shunt.ctl(command)
        problems = [f"exit {code}"] if code or seen is None else [f"no {k}" for k in keys - set(seen)]
        for item in (seen or {}).get(command, []) if command in ITEM_KEYS else []:
            problems += [f"{item}: no {k}" for k in ITEM_KEYS[command] - set(item)][:3]
        if command in ITEM_KEYS and seen and not seen.get(command):
            problems.append("empty")
        check(f"shuntctl", problems, command)
        http, text = pair.shunt.get(f"/{command}")
        same = http == 200 and seen is not None and set(json.loads(text)) == set(seen)
        check("http", [] if same else [f"{http} {text[:200]}"], f"/{command}")
    status = pair.shunt.status()
    shown = {side: (c["reachable"], c["brokers"] if isinstance(c["brokers"], int) else len(c["brokers"])) for side, c in status["clusters"].items()}
    check("shuntctl", [] if shown == {"old": (True, 2), "new": (True, 2)} and status["ready"] else [shown], "status shows two brokers on each side")
    known = {c["software"] for c in pair.shunt.ctl("clients")[1]["clients"]}
    check("shuntctl", [] if known & {"apache-kafka-java", "librdkafka", "confluent-kafka-python", "kgo", "kafka-python", "franz-go"} else [known], f"clients names their software: {sorted(map(str, known))}")
    for path in ("/livez", "/readyz"):
        code, text = pair.shunt.get(path)
        check("http", [] if code == 200 else [code, text], path)
    code, text = pair.shunt.get("/metrics")
    check("http", [f"no {m}" for m in METRICS if f"\n{m}" not in f"\n{text}"], "/metrics")
    code, _ = pair.shunt.get("/nothing")
    check("http", [] if code == 404 else [code], "an unknown path is 404")
