"""All of new's brokers die while production is there, with clients at work and answers of theirs unsaid."""

import json
import time

import confluent_kafka as ck

from client import progress
from fault_scene import PARTITIONS, RATE, Scene
from relay_control import Relay
from wait import wait_for

HOLD_LIMIT = 2.0  # seconds: within it producers must go on
UNREAD = 50  # records of each partition that only new has


class NewDies(Scene):
    """New executes what it is sent and its answers do not come: nobody is told, nobody reads it. One of the producers dies
    of it, then all of new's brokers do (SIGKILL). `undo --without-new` takes production back to old. When new is back, what
    the dead producer had written there is swept in; what the others have sent again meanwhile is not.
    """

    name, number = "new-dies", 34

    def __init__(self, pair, report):
        if pair.everything:
            self.kinds = (*self.kinds, "franz-go", "aiokafka")
        super().__init__(pair.with_own_new(2 if pair.everything else 1), report)
        self.topic, self.doomed = self.topics["java", "proxied"], None

    def guarded(self):
        try:
            super().guarded()
        finally:
            if self.doomed:
                self.doomed.end()
            self.pair.new.stop()

    def make_shunt(self):
        self.pair.new.start()
        self.pair.new.wait_ready()
        self.relay = Relay(self.pair.new, self.pair.folder / f"relay-{self.name}")
        return self.pair.own_shunt(self.name, self.number, new=self.relay.bootstrap, level="debug")

    def run(self):
        with self.relay:
            self.start()
            self.doomed = self.pair.client(
                "librdkafka", "proxied", f"{self.name}-doomed", self.shunt, roles="produce", topic=self.topic,
                partitions=PARTITIONS, rate=RATE,
            )  # fmt: skip
            self.move("cut")
            self.kill()
            self.leave()
            self.come_back()
            self.move("cut")
            self.finish()
            code, proof = self.shunt.ctl("verify")
            self.line(code == 0, "new-dies verify", f"exit {code}: {(proof or {}).get('problems')}")
            self.judge(sealed=proof, others=[self.doomed])
            if self.pair.everything:
                self.skip()
            self.shunt.drain()

    def move(self, way):
        code, answer = self.unhindered(way)
        if code != 0:
            raise RuntimeError(f"{way}: exit {code}: {answer}")
        progress(self.proxied(), PARTITIONS)

    def unsaid(self):
        """Every producer has records at new of which it has not been told."""
        there = self.stored(self.pair.new)
        return all(self.untold(c, there) for c in (*self.proxied(), self.doomed))

    def kill(self):
        writers = [*self.proxied(), self.doomed]
        blind = self.relay.half_open("answers", "Fetch")
        begin = time.time()
        for client in writers:  # what is not acknowledged from then on has been read by nobody
            client.wait("is told of every partition", lambda c: len(self.first_acks(c, begin, begin)) == PARTITIONS)
        mute = self.relay.half_open("answers")
        wait_for("new to have what it did not answer", self.unsaid, 30)
        self.doomed.end()
        self.died = time.time()
        for node in self.pair.new.ids:
            self.pair.new.kill_node(node)
        self.relay.refuse("closed")
        self.relay.cut("rst")
        mute.restore()
        blind.restore()
        self.missed()
        wait_for("producers to be held", lambda: self.held() >= len(self.proxied()), 30)

    def held(self):
        """Produce requests that wait in the daemon."""
        lines = self.shunt.get("/metrics")[1].splitlines()
        return next(int(float(x.split()[1])) for x in lines if x.startswith("shunt_held_requests "))

    def missed(self):
        """The daemon has missed new, and holds who writes there."""
        wait_for("the daemon to miss new", lambda: not self.shunt.status()["clusters"]["new"]["reachable"], 30)

    def leave(self):
        begin = time.time()
        code, answer = self.command("undo", "--without-new")
        took = time.time() - begin
        self.line(
            code == 0 and answer["held_ms_max"] <= HOLD_LIMIT * 1000, f"{self.name} undo",
            f"exit {code}: held {answer.get('held_ms_max')} ms, took {took:.2f} s, {begin - self.died:.1f} s after the "
            f"deaths; {answer.get('reason') or answer.get('error') or 'production at old'}",
        )  # fmt: skip
        self.seams = {(p["topic"], p["partition"]): p for p in answer["partitions"]}
        for client in self.proxied():
            client.wait(
                "writes to every partition", lambda c: len(self.first_acks(c, self.died, begin)) == PARTITIONS, 60
            )  # fmt: skip
        pauses = {c.kind: self.first_acks(c, self.died, begin) for c in self.proxied()}
        self.pauses = ", ".join(f"{kind} {min(first.values()):.2f}" for kind, first in pauses.items())
        last = max(max(first.values()) for first in pauses.values())
        self.line(
            all(min(first.values()) <= HOLD_LIMIT for first in pauses.values()),
            f"{self.name} producers",
            f"seconds from the command to the first acknowledgement: {self.pauses}; every partition after {last:.2f}",
        )  # fmt: skip
        self.readers()

    @staticmethod
    def first_acks(client, sent, since):
        """{partition: seconds from `since` to the first acknowledgement of something sent after `sent`}"""
        fresh = {e["value"] for e in client.events("sent") if e["time"] >= sent}
        first = {}
        for e in client.events("acked"):
            if e["value"] in fresh and e["time"] >= since:
                first.setdefault(e["partition"], e["time"] - since)
        return first

    def readers(self):
        """New has acknowledged what nobody has read: they wait for it, and jump over nothing."""
        unread = 0
        for client in self.proxied():
            for p in range(PARTITIONS):
                seam = self.seams[self.topics[client.kind, "proxied"], p]["virtual_start"]
                read = {e["offset"] for e in client.events("polled") if e["partition"] == p}
                unread += seam - len([o for o in read if o < seam])
                if max(read) >= seam:
                    return self.line(False, f"{self.name} consumers", f"{client.name}-{p} reads behind {seam}: jumped")
        return self.line(
            unread > 0, f"{self.name} consumers", f"wait for {unread} records that new had acknowledged; nobody jumps"
        )  # fmt: skip

    def come_back(self):
        for node in self.pair.new.ids:
            self.pair.new.start_node(node)
        self.relay.refuse("all")
        self.pair.new.wait_ready()
        late = [
            value
            for place, log in self.stored(self.pair.new).items()
            for offset, value in log.items()
            if offset >= self.seams[place]["new_start"]
        ]
        orphaned = sum(value.startswith(f"{self.doomed.name}:") for value in late)
        begin = time.monotonic()
        wait_for("new's stragglers in the log", lambda: self.settled(orphaned), 30)
        self.line(
            orphaned > 0 and len(late) > orphaned, f"{self.name} swept in",
            f"{orphaned} records of the dead producer, {len(late) - orphaned} that were sent again are not, "
            f"{time.monotonic() - begin:.1f} s after new was back",
        )  # fmt: skip
        self.row(
            "undo --without-new", "after S7", f"SIGKILL of all {len(self.pair.new.ids)} brokers of new, its last answers unsaid",
            f"producers go on at old after (s) {self.pauses}; readers wait, nobody jumps; new back: {orphaned} records of a dead "
            f"producer swept in, {len(late) - orphaned} that were sent again are not; cut to new again",
        )  # fmt: skip
        progress(self.proxied(), PARTITIONS)

    def skip(self):
        """Records that only new has, and new dies: readers jump over them, and have them when new is back."""
        begin = self.write()
        for node in self.pair.new.ids:
            self.pair.new.kill_node(node)
        self.missed()
        code, answer = self.command("undo", "--without-new", "--skip-unreachable")
        seam = {p["partition"]: p["virtual_start"] for p in answer["partitions"] if p["topic"] == self.topic}
        self.write()
        jumped = self.read(begin)
        told = [json.loads(line) for line in self.shunt.get("/events")[1].splitlines()]
        told = [e for e in told if e["event"] == "unreachable-skipped"]
        for node in self.pair.new.ids:
            self.pair.new.start_node(node)
        self.pair.new.wait_ready()
        again = wait_for("new's records to be read", lambda: self.all_of(self.read(begin)), 60)
        ok = (
            code == 0
            and all(jumped[p] == list(range(seam[p], seam[p] + UNREAD)) for p in range(PARTITIONS))
            and sum(e["records"] for e in told) == UNREAD * PARTITIONS
            and all(again[p] == list(range(begin[p], begin[p] + 2 * UNREAD)) for p in range(PARTITIONS))
        )
        words = (
            f"exit {code}: readers go on at old, {sum(e['records'] for e in told)} records jumped over in "
            f"{len(told)} events; new back: they are read"
        )
        self.line(ok, f"{self.name} skip", words)

    def write(self):
        """That many records to each partition; returns where they begin."""
        first, failed = {}, []

        def told(error, message):
            if error:
                failed.append(str(error))
            else:
                first[message.partition()] = min(message.offset(), first.get(message.partition(), message.offset()))

        producer = ck.Producer({"bootstrap.servers": self.shunt.bootstrap, "enable.idempotence": True})
        for n in range(UNREAD * PARTITIONS):
            producer.produce(self.topic, f"only:{n}", partition=n % PARTITIONS, on_delivery=told)
        if producer.flush(30) or failed:
            raise RuntimeError(f"not written: {failed[:3]}")
        return first

    def read(self, begin):
        """{partition: offsets read} from there to the ends that are shown."""
        consumer = ck.Consumer({
            "bootstrap.servers": self.shunt.bootstrap, "group.id": "unread", "enable.partition.eof": True,
            "enable.auto.commit": False, "auto.offset.reset": "error",
        })  # fmt: skip
        read, left = {p: [] for p in begin}, set(begin)
        consumer.assign([ck.TopicPartition(self.topic, p, at) for p, at in begin.items()])
        until = time.monotonic() + 20
        while left and time.monotonic() < until:
            message = consumer.poll(0.5)
            if message is None:
                continue
            if message.error() and message.error().code() == ck.KafkaError._PARTITION_EOF:
                left.discard(message.partition())
            elif not message.error():
                read[message.partition()].append(message.offset())
        consumer.close()
        return read

    @staticmethod
    def all_of(read):
        return read if all(len(offsets) == 2 * UNREAD for offsets in read.values()) else None

    def settled(self, orphaned):
        """`verify` finds nothing, and the stragglers are as many as that."""
        code, proof = self.shunt.ctl("verify")
        return code == 0 and sum(p["stragglers"] for p in proof["partitions"]) == orphaned
