"""What kcat and a plain Metadata answer show: only the proxy's addresses, nodes of both clusters, old's topics and leaders."""

import json
import subprocess

from operate import create_topics

NEW_NODES = 2**28


def listing(bootstrap):
    done = subprocess.run(
        ["kcat", "-b", bootstrap, "-L", "-J"],
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    return json.loads(done.stdout)


def topics(seen):
    return {
        t["topic"]: [
            (p["partition"], p["leader"], sorted(r["id"] for r in p["replicas"]))
            for p in t["partitions"]
        ]
        for t in seen["topics"]
        if t["topic"].startswith("addresses")
    }


def run(pair, report):
    create_topics(pair.old, ["addresses-a", "addresses-b"], 6)
    report.guard("addresses", pair.name, "kcat", lambda: body(pair, report), shunt=pair.shunt)


def body(pair, report):
    proxied, direct = listing(pair.shunt.bootstrap), listing(pair.old.bootstrap)
    wanted = set(pair.old.ids) | {NEW_NODES + n for n in pair.new.ids}
    names = {b["id"]: b["name"] for b in proxied["brokers"]}
    ok = (
        set(names) == wanted
        and len(set(names.values())) == len(wanted)
        and pair.shunt.bootstrap not in names.values()
        and all(n.startswith("127.") and n.endswith(f":{pair.shunt.port}") for n in names.values())
    )
    report.line(
        ok,
        "addresses",
        pair.name,
        "kcat -L",
        f"proxied: {names} | direct: {[b['name'] for b in direct['brokers']]}",
    )
    report.line(
        topics(proxied) == topics(direct),
        "addresses",
        pair.name,
        "kcat -L",
        f"partitions, leaders and replicas of {len(topics(direct))} topics as without proxy"
        + (
            ""
            if topics(proxied) == topics(direct)
            else f": {topics(proxied)} | direct: {topics(direct)}"
        ),
    )
    again = {b["id"]: b["name"] for b in listing(pair.shunt.bootstrap)["brokers"]}
    report.line(
        not set(again.values()) & set(names.values()),
        "addresses",
        pair.name,
        "kcat -L",
        f"another client has addresses of its own: {sorted(again.values())}",
    )
