"""Start with new down: serves on and says so, shows new's nodes when it comes; SIGTERM drains with exit 0; an idle one stays small."""

from client import Client
from history import all_polled, judge
from operate import create_topics
from sidecar import Shunt
from wait import wait_for

MEMORY_LIMIT_KIB = 32 * 1024
BULK_BYTES, PARTITIONS, RECORD = 200_000_000, 4, 100_000


def run(pair, report):
    for name, body in (("new down", new_down), ("memory", memory)):
        shunts = []
        report.guard("lifecycle", pair.name, name, lambda: body(pair, report, shunts))
        for shunt in shunts:
            shunt.kill()


def new_down(pair, report, shunts):
    create_topics(pair.old, ["new-down"], PARTITIONS)
    shunt = Shunt(
        pair.folder / "new-down",
        pair.old.bootstrap,
        "127.0.0.1:1",
        pair.shunt.port + 11,
        pair.shunt.http + 11,
    )
    shunts.append(shunt.start())
    client = Client(
        pair.folder / "clients",
        "librdkafka",
        "proxied",
        "new-down",
        shunt.bootstrap,
        roles="produce,consume",
        topic="new-down",
        group="new-down",
        partitions=PARTITIONS,
        rate=200,
        count=200,
    )
    pair.clients.append(client)
    client.wait("all records polled", lambda c: c.events("produced") and all_polled([c]))
    clusters = shunt.status()["clusters"]
    client.stop()
    verdict = judge([client])
    report.line(
        verdict.clean()
        and clusters["old"]["reachable"]
        and not clusters["new"]["reachable"]
        and clusters["new"]["error"],
        "lifecycle",
        pair.name,
        "new down",
        f"{verdict}; status: new {clusters['new']['error']!r}",
    )
    code = shunt.drain()
    report.line(code == 0, "lifecycle", pair.name, "SIGTERM", f"exit {code}")


def fill(cluster, topic):
    import confluent_kafka as ck

    producer = ck.Producer(
        {
            "bootstrap.servers": cluster.bootstrap,
            "linger.ms": 5,
            "queue.buffering.max.kbytes": 400_000,
        }
    )
    for n in range(BULK_BYTES // RECORD):
        producer.produce(topic, bytes(RECORD), partition=n % PARTITIONS)
        producer.poll(0)
    if producer.flush(60):
        raise RuntimeError("the bulk topic could not be filled")


def memory(pair, report, shunts):
    topic = "bulk"
    create_topics(pair.old, [topic], PARTITIONS)
    fill(pair.old, topic)
    shunt = Shunt(
        pair.folder / "memory",
        pair.old.bootstrap,
        pair.new.bootstrap,
        pair.shunt.port + 12,
        pair.shunt.http + 12,
    )
    shunts.append(shunt.start())
    started = shunt.memory_high_kib()

    def client(side, name, bootstrap, **options):
        pair.clients.append(
            Client(pair.folder / "clients", "librdkafka", side, name, bootstrap, **options)
        )
        return pair.clients[-1]

    idle = client("proxied", "idle", shunt.bootstrap, roles="idle", count=20)
    idle.wait("20 clients know the cluster", lambda c: c.events("produced"))
    bulks = [
        client(
            "proxied",
            "bulk-proxied",
            shunt.bootstrap,
            roles="bulk",
            topic=topic,
            partitions=PARTITIONS,
        ),
        client(
            "direct",
            "bulk-direct",
            pair.old.bootstrap,
            roles="bulk",
            topic=topic,
            partitions=PARTITIONS,
        ),
    ]
    for one in bulks:
        one.wait("200 MB read", lambda c: c.events("produced"), 90)
    read = [one.events("produced")[0]["bytes"] for one in bulks]
    high = shunt.memory_high_kib()
    connections = shunt.status()["connections"]
    report.line(
        read == [BULK_BYTES, BULK_BYTES] and high < MEMORY_LIMIT_KIB and connections >= 20,
        "lifecycle",
        pair.name,
        "memory",
        f"20 idle clients ({connections} connections), bytes read proxied {read[0]} direct {read[1]}: most resident {high} KiB (at start {started})",
    )
    code = shunt.drain()  # clients are still there: their connections are closed
    report.line(code == 0, "lifecycle", pair.name, "SIGTERM", f"with clients: exit {code}")
    for one in (idle, *bulks):
        one.stop()
