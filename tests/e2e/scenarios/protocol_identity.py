"""Addresses: one per client instance and node, never the bootstrap's, kept over SIGKILL; or one port per node."""

import os
import socket

import protocol_apis
from sidecar import Shunt
from wire.bench import NEW_NODES, Bench

ADVERTISE = "  advertise: {{ mode: address, host: localhost, ports: {}-{} }}\n"


def nodes(connection):
    """All that this connection is told of addresses: by Metadata, DescribeCluster and FindCoordinator."""
    seen = {
        b["NodeId"]: (b["Host"], b["Port"])
        for b in connection.call("Metadata", 8, {"Topics": []})["Brokers"]
    }
    try:
        cluster = connection.call("DescribeCluster", 0, {})["Brokers"]
        again = {b["BrokerId"]: (b["Host"], b["Port"]) for b in cluster}
    except OSError:
        again = seen
    found = connection.call("FindCoordinator", 2, {"Key": "wire-g1"})
    if again != seen or seen.get(found["NodeId"]) != (found["Host"], found["Port"]):
        raise AssertionError(f"Metadata {seen}, DescribeCluster {again}, FindCoordinator {found}")
    return seen


def own_shunt(pair, name, port, extra=""):
    shunt = Shunt(pair.folder / name, pair.old.bootstrap, pair.new.bootstrap, port, port + 552)
    config = shunt.folder / "shunt.yaml"
    config.write_text(config.read_text().replace("control:", f"{extra}control:"))
    return shunt


def run(bench):
    described = bench.versions("DescribeCluster")
    if described:
        bench.part("addresses", addresses)
    bench.part("other families", other_families)
    bench.part("killed", killed)
    bench.part("ports", ports)


def addresses(bench):
    wanted = {*bench.pair.old.ids, *(NEW_NODES + n for n in bench.pair.new.ids)}
    mine = {front: nodes(c) for front, c in bench.fronts.items()}
    problems = [
        f"at {f}: {m} is not {bench.addresses}" for f, m in mine.items() if m != bench.addresses
    ]
    hosts = [h for h, _ in bench.addresses.values()]
    if set(bench.addresses) != wanted or len(set(hosts)) != len(wanted) or "127.0.0.1" in hosts:
        problems.append(f"{bench.addresses}")
    problems += [
        f"{h}:{p}"
        for h, p in bench.addresses.values()
        if not h.startswith("127.") or p != bench.shunt.port
    ]
    bench.check(
        "addresses",
        problems,
        f"the same on all {len(mine)} connections of a client: {bench.addresses}",
    )
    others = [nodes(bench.connect()) for _ in range(3)]
    given = [a for o in (*others, bench.addresses) for a in o.values()]
    bench.check(
        "addresses",
        [str(given)] * (len(set(given)) != 4 * len(wanted)),
        "three more clients: all addresses different",
    )
    strange = nodes(bench.connect(("127.77.88.99", bench.shunt.port)))
    bench.check(
        "addresses",
        [str(strange)] * (set(strange) != wanted),
        "an address never given answers as the bootstrap does",
    )


def other_families(bench):
    """[::1] is for bootstrap, and shows 127/8; the machine's other addresses are refused."""
    with socket.socket(socket.AF_INET6) as probe:
        code = probe.connect_ex(("::1", bench.shunt.port))
    seen = (
        nodes(bench.connect(("::1", bench.shunt.port), family=socket.AF_INET6)) if code == 0 else {}
    )
    problems = (
        [f"connecting: {os.strerror(code)}, nodes {seen}"]
        if set(seen) != set(bench.addresses)
        else []
    )
    bench.check("[::1]", problems, f"shows {seen}")


def killed(bench):
    shunt = own_shunt(bench.pair, "wire-killed", bench.shunt.port + 20)
    try:
        shunt.start()
        before = Bench(bench.pair, bench.report, shunt)
        others = [nodes(before.connect()) for _ in range(2)]
        for front in before.fronts.values():
            front.call("Metadata", 8, {"Topics": []})
        problems, rounds = [], 3
        for _ in range(rounds):
            shunt.kill()
            shunt.start()
            for node, at in before.addresses.items():
                seen = nodes(before.connect(at))
                problems += (
                    [f"at {node} {at}: {seen}, before {before.addresses}"]
                    if seen != before.addresses
                    else []
                )
            for other in others:
                seen = nodes(before.connect(next(iter(other.values()))))
                problems += [f"another client: {seen}, before {other}"] if seen != other else []
            fresh = nodes(before.connect())
            given = {a for o in (*others, before.addresses) for a in o.values()}
            problems += [f"given twice: {fresh}"] if given & set(fresh.values()) else []
            others.append(fresh)
        before.close()
        bench.check(
            "killed",
            problems,
            f"SIGKILL and start {rounds} times: {len(others)} clients keep their addresses, a new one gets others",
        )
    finally:
        shunt.kill()


def ports(bench):
    given = range(bench.shunt.port + 30, bench.shunt.port + 41)
    shunt = own_shunt(
        bench.pair, "wire-ports", bench.shunt.port + 21, ADVERTISE.format(given[0], given[-1])
    )
    try:
        shunt.start()
        bench_of_ports = Bench(bench.pair, bench.report, shunt)
        table, problems = bench_of_ports.addresses, []
        wanted = {*bench.pair.old.ids, *(NEW_NODES + n for n in bench.pair.new.ids)}
        if set(table) != wanted or len(set(table.values())) != len(wanted):
            problems.append(str(table))
        problems += [f"{h}:{p}" for h, p in table.values() if h != "localhost" or p not in given]
        for front, c in bench_of_ports.fronts.items():
            seen = nodes(c)
            problems += [f"at {front}: {seen}"] if seen != table else []
            if front != "bootstrap":
                for claimed, error in ((front, 0), (front + 1, 129)):
                    cluster = bench.old[1].call("Metadata", 7, {"Topics": []})["ClusterId"]
                    got = c.call(
                        "ApiVersions",
                        5,
                        {
                            "ClientSoftwareName": "wire",
                            "ClientSoftwareVersion": "1",
                            "ClusterId": cluster,
                            "NodeId": claimed,
                        },
                    )
                    problems += (
                        [f"at {front} asked for {claimed}: {got['ErrorCode']}"]
                        if got["ErrorCode"] != error
                        else []
                    )
        shunt.kill()
        shunt.start()
        after = Bench(bench.pair, bench.report, shunt)
        problems += [f"after SIGKILL {after.addresses}"] if after.addresses != table else []
        bench.check(
            "ports",
            problems,
            f"advertise address: {table}, each port is its node's, kept over SIGKILL",
        )
        for api, body, whose, ignore in protocol_apis.PROBES:
            if api in (
                "Metadata",
                "FindCoordinator",
                "ListGroups",
                "DescribeLogDirs",
            ) and after.versions(api):
                protocol_apis.probe(after, api, body, whose, ignore)
        bench.leaks.take(after.leaks)
        bench.leaks.take(bench_of_ports.leaks)
        for b in (after, bench_of_ports):
            b.close()
    finally:
        shunt.kill()
