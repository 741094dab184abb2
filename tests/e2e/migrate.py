"""A migration as its operator drives it with shuntctl, and what it left on both clusters: seams, native logs, positions."""

import time

import confluent_kafka as ck

from checker.check import check
from checker.dump import commits, dump
from operate import create_topics
from wait import wait_for

FOREIGN = 20  # records of somebody else that new holds beforehand, so that ends differ


class NotDone(RuntimeError):
    """shuntctl's exit code is not 0."""

    def __init__(self, words, code, answer):
        self.code, self.answer = code, answer or {}
        self.error = self.answer.get("error", {})
        blockers = "; ".join(
            f"{b['id']} {b['target']}: {b['reason']}" for b in self.answer.get("blockers", [])
        )
        super().__init__(
            f"shuntctl {' '.join(words)}: exit {code}: {self.error.get('code')}: "
            f"{self.error.get('message')} ({blockers or self.error.get('next')})"
        )


def create_on_both(pair, topics, partitions):
    """Topics as `prepare` leaves them, but where new's partitions have a past: most of them, of different length."""
    for cluster in (pair.old, pair.new):
        create_topics(cluster, topics, partitions)
    foreign = ck.Producer({"bootstrap.servers": pair.new.bootstrap})
    for topic in topics:
        for partition in range(partitions):
            for n in range(FOREIGN * (partition % 3)):
                foreign.produce(topic, f"foreign:{n}", partition=partition)
    if foreign.flush(30):
        raise RuntimeError("the foreign records could not be written")


def unhindered(report, scenario, pair, step):
    """Does a move; a blocker is a failure, as every writer is a client of ours: then goes on over it."""
    try:
        return step()
    except NotDone as refused:
        if refused.code != 3:
            raise
        report.line(False, scenario, pair.name, "blockers", str(refused))
        return step("--accept-stragglers")


class Migration:
    """One migration; `moves` is what shuntctl answered to cuts. Unless they `wait`, groups read on over every seam."""

    def __init__(self, shunt, topics, *flags, scheme=1, wait=False):
        self.shunt, self.topics, self.moves = shunt, topics, []
        words = "--scheme", str(scheme), "--topics", ",".join(topics), *flags
        # Topics made a moment ago are known to the daemon at its next look, every 5 s.
        self.plan = wait_for("the daemon to know the topics", lambda: self._plan(words), 10)
        self.id = self.ask("start", *words)["migration"]["id"]
        if not wait:
            self.move_groups()

    def _plan(self, words):
        try:
            return self.ask("plan", *words)
        except NotDone as refused:
            if {b["id"] for b in refused.answer.get("blockers", [])} != {"topic.missing"}:
                raise
        return None

    def ask(self, *words):
        code, answer = self.shunt.ctl(*words)
        if code != 0 or answer is None:
            raise NotDone(words, code, answer)
        return answer

    def move(self, to="new", *flags):
        return self._moved("move", "produce", "--to", to, *flags)

    def move_groups(self, *words):
        """All of them, or as the words have it."""
        return self.ask("move", "fetch", *(words or ("--all",)), "--migration", self.id)

    def undo(self, *flags):
        return self._moved("undo", *flags)

    def _moved(self, *words):
        """The answer, with the times before and after it."""
        begin = time.time()
        answer = self.ask(*words, "--migration", self.id) | {"begin": begin, "end": time.time()}
        if answer["changed"] and answer["kind"] == "produce":
            self.moves.append(answer)
        return answer

    def status(self):
        return self.ask("status", "--migration", self.id)["migration"]

    def segments(self):
        """As `verify` has them; the moves' answers must say the same."""
        told = segments(self.moves)
        code, proof = self.shunt.ctl("verify")
        if code != 0 or not (proof or {}).get("partitions"):
            return told
        mine = [p for p in proof["partitions"] if p["topic"] in self.topics]
        if seams(mine) != seams(told["partitions"]):
            raise RuntimeError(f"verify says {seams(mine)}, the moves {seams(told['partitions'])}")
        return {"partitions": mine}


def segments(moves):
    """The seams as the moves' answers tell them, in the form of `verify`: new topics of old, from offset 0."""
    logs = {}
    for move in moves:
        for p in move["partitions"]:
            log = logs.setdefault((p["topic"], p["partition"]), [_segment("old", 0, 0)])
            ends = {"old": p["old_end"], "new": p["new_start"]}
            log[-1]["native_end"] = ends[log[-1]["cluster"]]
            log.append(_segment(move["to"], p["virtual_start"], ends[move["to"]]))
    return {
        "partitions": [
            {"topic": topic, "partition": partition, "segments": log}
            for (topic, partition), log in logs.items()
        ]
    }


def _segment(cluster, virtual, native):
    return {
        "cluster": cluster,
        "virtual_start": virtual,
        "native_start": native,
        "native_end": None,
    }


def seams(partitions):
    """{place: [(cluster, virtual, native), ...]}: where each segment begins."""
    return {
        (p["topic"], p["partition"]): [
            (s["cluster"], s["virtual_start"], s["native_start"]) for s in p["segments"]
        ]
        for p in partitions
    }


class Evidence:
    """Both clusters' native logs and committed offsets of some topics and groups, read at rest."""

    def __init__(self, pair, folder, topics, groups, segments):
        folder.mkdir(parents=True, exist_ok=True)
        self.dumps, self.commits, self.segments = [], [], segments
        for name, cluster in (("old", pair.old), ("new", pair.new)):
            own = [t for t in topics if cluster is pair.old or t in _moved(segments)]
            self.dumps.append(folder / f"dump-{name}.jsonl")
            with open(self.dumps[-1], "w") as out:
                dump(name, cluster.bootstrap, own, out)
            self.commits += commits(name, cluster.bootstrap, groups)

    def check(self, clients, group=None):
        """The checker's result for some clients; those that consume are members of the group."""
        return check(
            [c.log for c in clients],
            dumps=self.dumps,
            segments=self.segments,
            commits=[row for row in self.commits if row["group"] == group] if group else None,
            groups={c.name: group for c in clients} if group else None,
        )


def _moved(segments):
    return {p["topic"] for p in segments["partitions"]}


def closed(shunt):
    """{cause: client connections ended}, but for those that the client ended between requests."""
    seen = {}
    for line in shunt.get("/metrics")[1].splitlines():
        if line.startswith("shunt_client_closed_total{") and 'cause="client_closed"' not in line:
            label, _, count = line.rpartition(" ")
            seen[label.split('"')[1]] = int(float(count))
    return seen
