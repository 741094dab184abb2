"""The admin calls of Java's and librdkafka's clients: each must answer as it does without the proxy."""

from report import together

NEW_NODES = 2**28


def calls(pair, kind, side):
    name = f"admin-{kind}-{side}"
    client = pair.client(kind, side, "admin", roles="admin", topic=name, group=name)
    client.wait("all calls made", lambda c: c.events("closed"), 90)
    client.stop()
    return {e["call"]: e for e in client.events("admin")}


def shown_ids(call):
    return {node["id"] for node in call["seen"]["nodes"]}


def run(pair, report):
    for kind in ("java", "librdkafka"):
        done = {}

        def part(side):
            report.guard(
                "admin",
                pair.name,
                f"{kind} {side}",
                lambda: done.update({side: calls(pair, kind, side)}),
                lambda: pair.of("admin", kind, side),
                pair.shunt,
            )

        together(lambda: part("direct"), lambda: part("proxied"))
        if len(done) == 2:
            judge(pair, kind, done["proxied"], done["direct"], report)


def judge(pair, kind, proxied, direct, report):
    def words(call):
        return f"{'' if call['ok'] else 'error '}{call['result']}"

    different = [
        f"{name}: {words(proxied[name]) if name in proxied else 'missing'}, direct {words(direct[name])}"
        for name in direct
        if name not in proxied
        or (proxied[name]["ok"], proxied[name]["result"])
        != (direct[name]["ok"], direct[name]["result"])
    ]
    report.line(
        not different,
        "admin",
        pair.name,
        kind,
        f"{len(direct)} calls, {len(direct) - len(different)} as without proxy"
        + "".join(
            f"\n       {d}; proxied saw {proxied.get(d.split(':')[0], {}).get('seen')}"
            for d in different
        ),
    )

    cluster, wanted = proxied["describe_cluster"], set(pair.old.ids) | {
        NEW_NODES + n for n in pair.new.ids
    }
    ids = shown_ids(cluster)
    report.line(
        ids == wanted and cluster["result"] == direct["describe_cluster"]["result"],
        "admin",
        pair.name,
        kind,
        f"cluster {cluster['result']} with nodes {sorted(ids)}, direct {sorted(shown_ids(direct['describe_cluster']))}",
    )
    configs = proxied["describe_broker_configs"]
    told = {int(shown): int(own) for shown, own in configs["seen"].items()} if configs["ok"] else {}
    report.line(
        set(told) == wanted
        and all(shown % NEW_NODES == own % NEW_NODES for shown, own in told.items()),
        "admin",
        pair.name,
        kind,
        f"config of each node by the id shown: {told}",
    )
