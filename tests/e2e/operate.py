"""What an operator does to a cluster while clients run, directly at its brokers: topics, leader moves, a broker's death."""

import signal
import socket
from contextlib import contextmanager

import kafka

from wait import wait_for


@contextmanager
def _admin(cluster):
    admin = kafka.KafkaAdminClient(bootstrap_servers=cluster.addresses, client_id="operator")
    try:
        yield admin
    finally:
        admin.close()


def create_topics(cluster, names, partitions=4, configs=None):
    """Replicated topics, with leaders spread over the brokers; returns when all replicas are in sync."""
    ids = list(cluster.ids)
    spread = {p: ids[p % len(ids) :] + ids[: p % len(ids)] for p in range(partitions)}
    with _admin(cluster) as admin:
        admin.create_topics(
            {name: {"assignments": spread, "configs": configs or {}} for name in names}
        )
    wait_for(f"topics on {cluster.name}", lambda: set(names) <= _in_sync_topics(cluster))


def _in_sync_topics(cluster):
    seen = cluster.topology() or {"topics": []}
    return {
        t["topic"]
        for t in seen["topics"]
        if all(p["leader"] > 0 and len(p["isrs"]) == len(p["replicas"]) for p in t["partitions"])
    }


def move_leaders(cluster, internal=False):
    """Moves the leader of every partition of every topic (also of the internal ones on request); returns how many moved."""
    before = {
        (t["topic"], p["partition"]): p
        for t in cluster.topology()["topics"]
        for p in t["partitions"]
        if internal or not t["topic"].startswith("__")
    }
    wanted = {
        place: [r["id"] for r in p["replicas"] if r["id"] != p["leader"]] + [p["leader"]]
        for place, p in before.items()
    }
    with _admin(cluster) as admin:
        admin.alter_partition_reassignments(
            {kafka.TopicPartition(*place): replicas for place, replicas in wanted.items()}
        )
        wait_for("reassignment", lambda: not admin.list_partition_reassignments())
    _elect(cluster, {place: replicas[0] for place, replicas in wanted.items()})
    return len(wanted)


def _elect(cluster, wanted):
    """Makes each partition's preferred replica its leader; asks again while one of them is not in sync yet."""
    by_topic = {}
    for topic, partition in wanted:
        by_topic.setdefault(topic, []).append(partition)

    def led():
        now = {
            (t["topic"], p["partition"]): p["leader"]
            for t in (cluster.topology() or {"topics": []})["topics"]
            for p in t["partitions"]
        }
        if all(now.get(place) == leader for place, leader in wanted.items()):
            return True
        admin.elect_leaders(0, by_topic, raise_errors=False)
        return False

    with _admin(cluster) as admin:
        wait_for(f"{len(wanted)} leaders of {cluster.name} where they are wanted", led, every=0.5)


def spread_leaders(cluster):
    """Leaders of even partitions on the first broker, of odd ones on the others, internal topics too: so that groups have
    different coordinators whatever happened to the cluster before."""
    topology = cluster.topology()
    places = {
        (t["topic"], p["partition"]): sorted(r["id"] for r in p["replicas"])
        for t in topology["topics"]
        for p in t["partitions"]
    }
    wanted = {
        (topic, partition): ids[partition % len(ids) :] + ids[: partition % len(ids)]
        for (topic, partition), ids in places.items()
    }
    with _admin(cluster) as admin:
        admin.alter_partition_reassignments(
            {kafka.TopicPartition(*place): replicas for place, replicas in wanted.items()}
        )
        wait_for("reassignment", lambda: not admin.list_partition_reassignments())
    _elect(cluster, {place: replicas[0] for place, replicas in wanted.items()})


def bounce_broker(cluster, node, while_down=lambda: None):
    """SIGKILL; waits until the others lead everything; `while_down`; starts it again and waits for it to be in sync."""
    cluster.kill_node(node)

    def led_by_others():
        seen = cluster.topology()
        return seen and all(
            p["leader"] not in (node, -1) for t in seen["topics"] for p in t["partitions"]
        )

    wait_for(f"leaders away from {cluster.name}'s broker {node}", led_by_others, 60)
    while_down()
    cluster.start_node(node)
    wait_for(f"{cluster.name}'s broker {node} back in sync", cluster.in_sync, 60)


@contextmanager
def asleep(cluster):
    """Its brokers, which this run has started, answer nothing; afterwards they are as before."""
    programs = [cluster.programs[f"broker-{node}"] for node in cluster.ids]
    for program in programs:
        program.process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        for program in programs:
            program.process.send_signal(signal.SIGCONT)
    wait_for(f"{cluster.name} in sync", cluster.in_sync, 60)


@contextmanager
def switched_off(cluster):
    """SIGTERM ends its brokers; they are gone and nobody listens where they were. Afterwards it is as before."""
    brokers = [cluster.programs[f"broker-{node}"] for node in cluster.ids]
    for broker in reversed(brokers):  # the controller last
        broker.kill(signal.SIGTERM, 60)
    try:
        for port in cluster.all_ports():
            with socket.socket() as asked:
                if asked.connect_ex(("127.0.0.1", port)) == 0:
                    raise RuntimeError(f"{cluster.name}: somebody listens at {port}")
        yield
    finally:
        for node in cluster.ids:
            cluster.start_node(node)
        cluster.wait_ready()


def forget_seams(*clusters):
    """Deletes what daemons that are gone keep of their seams: one with a new journal would take them for its own, lost."""
    for cluster in clusters:
        with _admin(cluster) as admin:
            names = [g["group_id"] for g in admin.list_groups()]
            names = [name for name in names if name.startswith("__shunt.")]
            if names:
                admin.delete_groups(names)
