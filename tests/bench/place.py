"""The place that is measured in: two clusters of one broker each, the topics, and every proxy between.

Topics in no migration live on old. Those that begin with `moved-` were moved to new through `shunt renumbering` behind a
record that stayed on old, so that each fetched batch is renumbered: by a real migration, not by a switch.
"""

import proxies
import raw
from cluster import Cluster
from operate import create_topics
from wire.records import batch

PARTITIONS = {"bulk": raw.PARTITIONS, "filled": raw.PARTITIONS, "small": 1, "one": 1}
MOVED = "moved-"
# What is produced in bulk is not kept: the data is in memory.
KEEP_LITTLE = {"bulk": {"segment.bytes": str(32 * 2**20), "retention.bytes": str(64 * 2**20)}}
SETTINGS = "log.retention.check.interval.ms=1000\nlog.segment.delete.delay.ms=1000\n"


class Place:
    def __init__(self, folder, former=None, only=None):
        old = self.old = Cluster("old", "3.9.2", 21092, folder, brokers=1, settings=SETTINGS)
        new = self.new = Cluster("new", "4.3.1", 23092, folder, brokers=1, settings=SETTINGS)
        to, both = old.ports[0], (old.bootstrap, new.bootstrap)
        renumbering = proxies.ShuntProxy("shunt renumbering", folder, 9192, 9744, *both)
        renumbering.topics, renumbering.begin = MOVED, 1
        tls, self.without_tls = proxies.with_tls(folder, old, new, (9310, 9393, 9392, 9944))
        all_proxies = [
            proxies.haproxy(folder, 9300, to),
            proxies.relay(folder, "copy", 9301, to),
            proxies.relay(folder, "splice", 9302, to),
            proxies.kroxylicious(folder, 9400, to),
            proxies.ShuntProxy("shunt", folder, 9092, 9644, *both),
            renumbering,
            *([proxies.ShuntProxy("former", folder, 9292, 9844, *both, binary=former)] if former else []),
            *tls,
        ]
        known = ["direct", *(p.name for p in all_proxies)]
        if unknown := set(only or ()) - set(known):
            why = f" (without TLS: {self.without_tls})" if self.without_tls else ""
            raise SystemExit(f"no target {', '.join(sorted(unknown))}; there are: {', '.join(known)}{why}")
        self.proxies = [p for p in all_proxies if not only or p.name in only]
        self.names = ["direct", *(p.name for p in self.proxies)]

    def start(self):
        """Returns a client for `direct` and for each proxy, but not for those that move topics, by name."""
        for cluster in (self.old, self.new):
            cluster.start()
        for cluster in (self.old, self.new):
            cluster.wait_ready()
        moved = {MOVED + name: count for name, count in PARTITIONS.items()}
        for name, count in {**PARTITIONS, **moved}.items():
            where = (self.old, self.new) if name in moved else (self.old,)
            for cluster in where:
                create_topics(cluster, [name], count, KEEP_LITTLE.get(name.removeprefix(MOVED)))
        self.direct = raw.Client("direct", self.old.ports[0])
        raw.fill(self.direct)
        for name, count in moved.items():  # what stays on old, so that new's offsets are not those that are shown
            raw.produce_all(self.direct, name, [batch([b"old"])] * count)
        return {"direct": self.direct} | {p.name: self.client(p) for p in self.proxies if not p.topics}

    def client(self, proxy):
        proxy.start()
        return raw.Client(proxy.name, proxy.port, proxy)

    def move(self):
        """Returns the clients of proxies that move topics. From then on no other daemon can be started anew here: it would
        find the seams of a migration that it does not know."""
        clients = {}
        for proxy in self.proxies:
            if proxy.topics:
                proxy.start()
                proxy.move([MOVED + name for name in PARTITIONS])
                clients[proxy.name] = raw.Client(proxy.name, proxy.port, proxy)
                raw.fill(clients[proxy.name])
        return clients

    def check_all_is_there(self, clients):
        """Each topic holds just what was acknowledged, wherever it went through."""
        for cluster, prefix in ((self.old, ""), (self.new, MOVED)):
            by = [c for c in clients.values() if c.topics == prefix]
            if not by:
                continue
            at = raw.Client("check", cluster.ports[0])
            for name, count in PARTITIONS.items():
                want = [sum(c.acknowledged[name, p] for c in by) for p in range(count)]
                got = raw.ends(at, prefix + name, count)
                if got != want:
                    raise RuntimeError(f"{cluster.name} holds {got} records of {prefix}{name}, acknowledged: {want}")

    def stop(self):
        for proxy in self.proxies:
            proxy.stop()
        for cluster in (self.old, self.new):
            cluster.stop()
