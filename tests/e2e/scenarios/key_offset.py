"""Key = offset: each record's key is the virtual offset its producer expects for it, before, between and after three cuts.
Whoever reads, in order or at random, by a group or without one, must find every key at its offset.
"""

import random
import threading
import time
from bisect import bisect_left

import confluent_kafka as ck
import kafka

from migrate import Migration, create_on_both, unhindered
from wait import wait_for

PARTITIONS, ROUNDS_PER_S, ROUNDS_BETWEEN = 12, 40, 40
SEEKS, SEEKS_WITH_ALL, READ_AFTER_SEEK = 120, 400, 12
SEED = 4


def run(pair, report):
    shunt = pair.own_shunt("key-offset", 21, level="debug").start()
    scene = Scene(pair, report, shunt)
    try:
        report.guard("key-offset", pair.name, "all", scene.run, shunt=shunt)
    finally:
        scene.over.set()
        shunt.kill()


class Problems(list):
    """What was not as it should be; `seen` counts what was looked at."""

    seen = 0

    def expect(self, ok, *words):
        self.seen += 1
        if not ok:
            self.append(" ".join(map(str, words)))
        return ok

    def __str__(self):
        return f"{len(self)} wrong: " + "; ".join(self[:5]) if self else f"{self.seen} looks, none wrong"


class Order:
    """Takes records: each one's key is its offset, and each follows the one before it."""

    def __init__(self, problems, start=0):
        self.problems, self.next = problems, dict.fromkeys(range(PARTITIONS), start)

    def take(self, partition, offset, key):
        self.problems.expect(int(key) == offset, f"{partition}: key {key!r} at {offset}")
        due = self.next[partition]
        self.problems.expect(offset == due, f"{partition}: offset {offset}, due {due}")
        self.next[partition] = offset + 1

    def reached(self, ends):
        return all(self.next[p] >= end for p, end in ends.items())


class Writer:
    """One record in flight per partition, some with fewer; `times[p][offset]` is the timestamp of each."""

    def __init__(self, shunt, topic, over):
        self.topic, self.over, self.problems = topic, over, Problems()
        self.times, self.rounds, self.quiet = [[] for _ in range(PARTITIONS)], 0, threading.Event()
        self.producer = ck.Producer(
            {
                "bootstrap.servers": shunt.bootstrap,
                "enable.idempotence": True,
                "linger.ms": 0,
                "log_level": 0,
            }
        )
        self.thread = threading.Thread(target=self.write)
        self.thread.start()

    def write(self):
        while not self.quiet.is_set() and not self.over.is_set():
            begin = time.monotonic()
            for p in range(PARTITIONS):
                if self.rounds % (p % 4 + 1) == 0:
                    self.send(p)
            left = self.producer.flush(30)
            if not self.problems.expect(not left, f"{left} records without an answer after 30 s"):
                return
            self.rounds += 1
            self.quiet.wait(max(0, begin + 1 / ROUNDS_PER_S - time.monotonic()))

    def send(self, p):
        at, now = len(self.times[p]), int(time.time() * 1000)

        def told(error, message):
            ok = error is None and message.offset() == at
            self.problems.expect(ok, f"{p}: {at} acknowledged at {message.offset()}: {error}")

        self.times[p].append(now)
        self.producer.produce(
            self.topic, b"x", str(at), partition=p, timestamp=now, on_delivery=told
        )

    def ends(self):
        return {p: len(times) for p, times in enumerate(self.times)}

    def more(self, rounds=ROUNDS_BETWEEN):
        until = self.rounds + rounds
        wait_for("the writer's next records", lambda: self.rounds >= until or self.problems, 40)

    def stop(self):
        self.quiet.set()
        self.thread.join()


class Scene:
    def __init__(self, pair, report, shunt):
        self.pair, self.report, self.shunt = pair, report, shunt
        self.topic, self.over = f"key-offset-{pair.old.version}", threading.Event()
        self.dice = random.Random(SEED)

    def say(self, who, problems, text=""):
        self.report.line(not problems, "key-offset", self.pair.name, who, f"{problems}{text}")

    def run(self):
        create_on_both(self.pair, [self.topic], PARTITIONS)
        self.writer = Writer(self.shunt, self.topic, self.over)
        self.writer.more()
        live, lagging = LiveGroup(self), LaggingGroup(self)
        self.migration = Migration(self.shunt, [self.topic])
        for step in (self.migration.move, self.migration.undo, self.migration.move):
            self.writer.more()
            self.cut(step)
        self.writer.more()
        self.writer.stop()
        self.say("writer", self.writer.problems, f"; {self.writer.rounds} rounds of {PARTITIONS}")
        for group in (live, lagging):
            group.finish(self.writer.ends())
        self.random_reads()
        self.kafka_python()
        self.watermarks()
        self.sharp()

    def sharp(self):
        """The looks can fail: on new itself the keys are not at their offsets."""
        problems, consumer = Problems(), self.consumer(at=self.pair.new.bootstrap)
        consumer.assign([ck.TopicPartition(self.topic, 0, 0)])
        for m in consumer.consume(20, 20):
            problems.expect(int(m.key()) == m.offset(), f"key {m.key()} at {m.offset()}")
        consumer.close()
        wrong = f"{len(problems)} of {problems.seen} keys are not at their offsets"
        self.report.line(
            problems.seen > 0 and len(problems) == problems.seen,
            "key-offset", self.pair.name, "sharp", f"on new itself {wrong}",
        )  # fmt: skip

    def cut(self, step):
        def go(*flags):
            return step("new", *flags) if step == self.migration.move else step(*flags)

        moved = unhindered(self.report, "key-offset", self.pair, go)
        starts = [p["virtual_start"] for p in moved["partitions"]]
        print(
            f"     key-offset ({self.pair.name}) to {moved['to']}: held {moved['held_ms_max']} ms, "
            f"virtual starts {min(starts)} to {max(starts)}, differences of the ends "
            f"{sorted({p['old_end'] - p['new_start'] for p in moved['partitions']})}",
            flush=True,
        )

    def consumer(self, group=None, at=None):
        return ck.Consumer(
            {
                "bootstrap.servers": at or self.shunt.bootstrap,
                "group.id": group or "none",
                "enable.auto.commit": False,
                "auto.offset.reset": "earliest" if group else "error",
                "fetch.wait.max.ms": 100,
                "log_level": 0,
            }
        )

    def random_reads(self):
        """Seeks back and forth, most of them near a seam, and reads some records on."""
        problems, ends = Problems(), self.writer.ends()
        seams = {}
        for moved in self.migration.moves:
            for p in moved["partitions"]:
                seams.setdefault(p["partition"], []).append(p["virtual_start"])
        consumer = self.consumer()
        consumer.assign([ck.TopicPartition(self.topic, p, 0) for p in ends])
        consumer.consume(1, 10)
        for _ in range(SEEKS_WITH_ALL if self.pair.everything else SEEKS):
            p = self.dice.randrange(PARTITIONS)
            at = self.dice.choice([*seams[p], self.dice.randrange(ends[p])])
            at = max(0, min(ends[p] - 1, at + self.dice.randint(-READ_AFTER_SEEK, 3)))
            self.read_from(consumer, p, at, min(READ_AFTER_SEEK, ends[p] - at), problems)
        consumer.close()
        self.say("seeks", problems, f"; seed {SEED}")

    def read_from(self, consumer, partition, at, count, problems):
        """Reads `count` records of one partition; those of the others come too and must be right as well."""
        consumer.seek(ck.TopicPartition(self.topic, partition, at))
        order, deadline = Order(problems), time.monotonic() + 20
        order.next[partition] = at
        while order.next[partition] < at + count and time.monotonic() < deadline:
            for m in consumer.consume(100, 0.2):
                if not problems.expect(not m.error(), f"{partition} from {at}: {m.error()}"):
                    continue
                if m.partition() == partition:
                    order.take(partition, m.offset(), m.key())
                else:
                    problems.expect(int(m.key()) == m.offset(), f"{m.partition()}: {m.key()}")
        got = order.next[partition] - at
        problems.expect(got >= count, f"{partition}: {got} of {count} records after a seek to {at}")

    def kafka_python(self):
        """From the start to the end in order; its idea of beginning, end and offsets by time."""
        problems, ends = Problems(), self.writer.ends()
        consumer = kafka.KafkaConsumer(
            bootstrap_servers=self.shunt.bootstrap, enable_auto_commit=False, group_id=None
        )
        places = {p: kafka.TopicPartition(self.topic, p) for p in ends}
        consumer.assign(list(places.values()))
        consumer.seek_to_beginning(*places.values())
        order, deadline = Order(problems), time.monotonic() + 40
        while not order.reached(ends) and time.monotonic() < deadline:
            for records in consumer.poll(timeout_ms=500).values():
                for r in records:
                    order.take(r.partition, r.offset, r.key)
        problems.expect(order.next == ends, f"read to {order.next}, ends {ends}")
        found = {p.partition: n for p, n in consumer.end_offsets(list(places.values())).items()}
        problems.expect(found == ends, f"end_offsets {found}, ends {ends}")
        found = set(consumer.beginning_offsets(list(places.values())).values())
        problems.expect(found == {0}, f"beginning_offsets {found}")
        for at, asked in self.some_times():
            answer = consumer.offsets_for_times({places[p]: t for p, t in asked.items()})
            found = {p: answer[places[p]] and answer[places[p]].offset for p in asked}
            problems.expect(found == at, f"offsets_for_times {asked}: {found}, due {at}")
        consumer.close()
        self.say("kafka-python", problems)

    def some_times(self):
        """(offsets due, times asked), by partition: around the seams and at random; past the last record there is none."""
        ends = self.writer.ends()
        for n in range(12):
            asked, due = {}, {}
            for p, times in enumerate(self.writer.times):
                seam = self.migration.moves[n % 3]["partitions"][p]
                at = seam["virtual_start"] + n // 3 - 2 if n < 9 else self.dice.randrange(ends[p])
                place = seam["partition"] if n < 9 else p
                asked[place] = self.writer.times[place][min(at, ends[place] - 1)] + n % 2
                first = bisect_left(self.writer.times[place], asked[place])
                due[place] = first if first < ends[place] else None
            yield due, asked

    def watermarks(self):
        """librdkafka's: low and high of each partition, and offsets by time."""
        problems, ends = Problems(), self.writer.ends()
        consumer = self.consumer()
        for p, end in ends.items():
            found = consumer.get_watermark_offsets(ck.TopicPartition(self.topic, p), timeout=10)
            problems.expect(found == (0, end), f"{p}: watermarks {found}, end {end}")
        for due, asked in self.some_times():
            answer = consumer.offsets_for_times(
                [ck.TopicPartition(self.topic, p, t) for p, t in asked.items()], timeout=10
            )
            found = {a.partition: a.offset if a.offset >= 0 else None for a in answer}
            # For none librdkafka answers the end.
            due = {p: at if at is not None or found[p] is None else ends[p] for p, at in due.items()}
            problems.expect(found == due, f"offsets_for_times {asked}: {found}, due {due}")
        consumer.close()
        self.say("watermarks", problems)


class Group:
    """A member in a thread of its own."""

    def __init__(self, scene, name):
        self.scene, self.name, self.problems = scene, f"{scene.topic}-{name}", Problems()
        self.order, self.ends = Order(self.problems), None
        self.assigned = self.revoked = 0
        self.thread = threading.Thread(target=self.guarded)
        self.thread.start()
        wait_for(f"{name} to hold all partitions", lambda: self.assigned or self.problems)

    def guarded(self):
        try:
            self.body()
        except Exception as error:
            self.problems.append(repr(error))

    def join(self):
        self.consumer = self.scene.consumer(self.name)

        def counted(name):
            return lambda _, partitions: setattr(self, name, getattr(self, name) + len(partitions))

        self.consumer.subscribe(
            [self.scene.topic], on_assign=counted("assigned"), on_revoke=counted("revoked")
        )

    def step(self):
        messages = self.consumer.consume(200, 0.2)
        for m in messages:
            if self.problems.expect(not m.error(), f"error {m.error()}"):
                self.order.take(m.partition(), m.offset(), m.key())
        if messages:
            self.consumer.commit(asynchronous=False)

    def over(self):
        return self.scene.over.is_set() or len(self.problems) > 20

    def to_the_end(self):
        """Reads until told the ends, and to them."""
        while not self.over() and not (self.ends and self.order.reached(self.ends)):
            self.step()
        self.problems.expect(self.order.next == self.ends, f"read to {self.order.next}")

    def finish(self, ends):
        self.ends = ends
        self.thread.join(60)
        self.problems.expect(not self.thread.is_alive(), f"still reading: {self.order.next}, {ends}")
        self.scene.say(self.name.rpartition("-")[2], self.problems, f"; {self.words()}")


class LiveGroup(Group):
    """Reads at the end all the time; is not disturbed by a cut, and no high watermark falls."""

    def __init__(self, scene):
        self.high = dict.fromkeys(range(PARTITIONS), 0)
        super().__init__(scene, "live")

    def body(self):
        self.join()
        self.to_the_end()
        self.problems.expect(
            (self.assigned, self.revoked) == (PARTITIONS, 0),
            f"{self.assigned} assigned, {self.revoked} revoked",
        )
        self.consumer.close()

    def step(self):
        super().step()
        for p in self.high:
            _, high = self.consumer.get_watermark_offsets(
                ck.TopicPartition(self.scene.topic, p), cached=True
            )
            if high >= 0:
                self.problems.expect(high >= self.high[p], f"{p}: high falls to {high}")
                self.high[p] = high

    def words(self):
        return "no rebalance, high watermarks never fell"


class LaggingGroup(Group):
    """Paused before the cuts; then reads through the seams, leaves half-way, and comes back to its commits."""

    def __init__(self, scene):
        super().__init__(scene, "lagging")

    def body(self):
        self.join()
        while not self.over() and not self.order.reached(dict.fromkeys(range(PARTITIONS), 5)):
            self.step()
        places = [ck.TopicPartition(self.scene.topic, p) for p in range(PARTITIONS)]
        self.consumer.pause(places)
        self.stopped = dict(self.order.next)
        while not self.over() and self.ends is None:
            got = self.consumer.consume(1, 0.2)
            self.problems.expect(not got, "a record while paused")
        half = {p: (self.stopped[p] + end) // 2 for p, end in self.ends.items()}
        self.consumer.resume(places)
        while not self.over() and not self.order.reached(half):
            self.step()
        self.consumer.close()
        self.left = dict(self.order.next)
        self.join()
        committed = {p.partition: p.offset for p in self.consumer.committed(places, timeout=10)}
        self.problems.expect(committed == self.left, f"committed {committed}, read to {self.left}")
        self.to_the_end()
        self.consumer.close()

    def words(self):
        def span(offsets):
            return f"{min(offsets.values())}-{max(offsets.values())}"

        return f"paused at {span(self.stopped)}, left and came back at {span(self.left)}"
