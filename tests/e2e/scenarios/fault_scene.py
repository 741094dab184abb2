"""What the scenes of `faults` share: clients of two libraries on a topic each, at a daemon of their own, controls directly at
old; with a relay between the daemon and old where old's answers or requests are tampered with.
"""

import json

import journal
from checker.dump import dump
from client import progress
from history import all_polled, judge
from migrate import Evidence, Migration, NotDone, create_on_both, segments
from operate import create_topics
from relay_control import Relay

PARTITIONS, RATE = 4, 40
UNREACHABLE, ABORTED, BLOCKED = 6, 4, 3  # exit codes of shuntctl
rows = {}  # of the table: (pair, scene) -> [(move, step, fault, outcome, the checker's word)]


class Scene:
    """Clients of some libraries on a topic each, at a daemon of their own; controls directly at old."""

    scenario, name, number = "faults", "faults", 30
    kinds = ("java", "librdkafka")

    def __init__(self, pair, report):
        self.pair, self.report, self.rows = pair, report, []
        self.topics = {
            (kind, side): f"{self.name}-{pair.old.version}-{kind}-{side}"
            for kind in self.kinds
            for side in ("proxied", "direct")
        }
        self.clients, self.migration = {}, None

    def guarded(self):
        self.shunt = self.make_shunt()
        try:
            self.report.guard(
                self.scenario, self.pair.name, self.name, self.run, lambda: self.clients.values(), self.shunt
            )
        finally:
            for client in self.clients.values():
                client.end()
            self.shunt.kill()

    def make_shunt(self):
        return self.pair.own_shunt(self.name, self.number, level="debug")

    def line(self, ok, who, text):
        return self.report.line(ok, self.scenario, self.pair.name, who, text)

    def proxied(self):
        return [c for (_, side), c in self.clients.items() if side == "proxied"]

    def own(self):
        """The topics of the clients at the daemon, and their groups."""
        return [self.topics[kind, "proxied"] for kind in self.kinds]

    def start(self):
        self.start_clients()
        self.migration = Migration(self.shunt, self.own())

    def start_clients(self):
        create_on_both(self.pair, self.own(), PARTITIONS)
        create_topics(self.pair.old, [self.topics[kind, "direct"] for kind in self.kinds], PARTITIONS)
        self.shunt.start()
        for (kind, side), topic in self.topics.items():
            self.clients[kind, side] = self.pair.client(
                kind, side, self.name, self.shunt, roles="produce,consume", topic=topic, group=topic,
                partitions=PARTITIONS, rate=RATE,
            )  # fmt: skip
        progress(self.clients.values(), PARTITIONS)

    def command(self, way, *flags):
        """Moves production one way; returns (exit code, answer or {})."""
        try:
            return 0, self.migration.undo(*flags) if way == "undo" else self.migration.move("new", *flags)
        except NotDone as refused:
            return refused.code, refused.answer

    def unhindered(self, way):
        """The same; a blocker is a failure, then it goes on over it."""
        code, answer = self.command(way)
        if code == BLOCKED:
            self.line(False, f"{self.name} {way}", f"blocked: {answer['error']['message']}")
            code, answer = self.command(way, "--accept-stragglers")
        return code, answer

    def finish(self):
        for client in self.clients.values():
            client.quiet()
        for client in self.clients.values():
            client.wait("all records polled", lambda c: all_polled([c]), 60)
        for client in self.clients.values():
            client.stop()

    def judge(self, killed=(), sealed=None, others=()):
        """`sealed`: the segments, where the journal does not have all of them as cuts; `others` wrote to the first topic."""
        sealed = sealed or segments(journal.moves(self.shunt.folder / "journal"))
        evidence = Evidence(
            self.pair, self.pair.folder / self.name, list(self.topics.values()), self.own(), sealed
        )
        words, records = [], 0
        for kind in self.kinds:
            proxied, direct = (self.clients[kind, side] for side in ("proxied", "direct"))
            mine = [proxied, *(c for c in others if kind == self.kinds[0])]
            verdicts = judge(mine, outages=killed), judge([direct])
            good = self.as_good(*verdicts)
            self.report.compare(self.scenario, self.pair.name, f"{self.name} {kind}", *verdicts, good)
            found = evidence.check(mine, self.topics[kind, "proxied"])
            self.line(
                found.clean, f"{self.name} {kind}",
                f"in both clusters: {found.found() or 'as sent'}, {found.totals['records_in_old']} "
                f"records in old, {found.totals['records_in_new']} in new"
                + ("" if found.clean else f"\n{found}"),
            )  # fmt: skip
            records += verdicts[0].acked
            if not (good and found.clean):
                words.append(f"{kind}: {found.found() or 'worse than its control'}")
        verdict = "; ".join(words) or f"clean, {records} records of {', '.join(self.kinds)}"
        rows[self.pair.name, self.name] = [(*row, verdict) for row in self.rows]

    def stored(self, cluster):
        """What it has of the topics: {(topic, partition): {native offset: value}}, asked at its brokers themselves."""
        path, own = self.pair.folder / f"{self.name}-stored.jsonl", self.migration.topics
        with open(path, "w") as out:
            dump(cluster.name, cluster.bootstrap, own, out)
        logs = {(topic, p): {} for topic in own for p in range(PARTITIONS)}
        for row in map(json.loads, path.read_text().splitlines()):
            if "value" in row:
                logs[row["topic"], row["partition"]][row["offset"]] = row["value"]
        return logs

    @staticmethod
    def untold(client, logs):
        """Its records there that it does not know to be there."""
        there = {value for log in logs.values() for value in log.values()}
        return {e["value"] for e in client.events("sent")} & there - {e["value"] for e in client.events("acked")}

    def as_good(self, proxied, control):
        return proxied.as_good_as(control)

    def row(self, move, step, fault, outcome):
        """A line of the table, written once the scene has been judged."""
        self.rows.append((move, step, fault, outcome))


class Relayed(Scene):
    """With the relay between the daemon and old."""

    def make_shunt(self):
        self.relay = Relay(self.pair.old, self.pair.folder / f"relay-{self.name}")
        return self.pair.own_shunt(self.name, self.number, old=self.relay.bootstrap, level="debug")

    def run(self):
        with self.relay:
            self.start()
            self.disturb()
            self.finish()
            self.shunt.drain()
        self.judge()

    def until_moved(self, way, tries=6):
        """Repeats a command that was rolled back, as an operator would; returns the reasons."""
        reasons = []
        for _ in range(tries):
            code, answer = self.unhindered(way)
            if code == 0:
                return reasons
            if code != ABORTED:
                raise RuntimeError(f"{way}: exit {code}: {answer}")
            reasons.append(f"{answer['aborted_at']}: {answer['reason']}")
            progress(self.proxied(), PARTITIONS)
        raise RuntimeError(f"{way} did not come about: {reasons}")

    def reached(self):
        """The cut's outcome once the daemon itself has links to old again, which ended too."""
        code, answer = self.command("cut")
        away = code == BLOCKED and answer["error"]["message"].startswith("net.reach")
        gone = code == ABORTED and answer["aborted_at"] == "S1" and "cannot be reached" in answer["reason"]
        return None if away or gone else (code, answer)
