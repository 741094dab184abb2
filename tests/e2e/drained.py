"""Records whose value is the offset that their producer expects, and groups that read them to given ends (role `drain`)."""

import time

import confluent_kafka as ck


class Numbers:
    """Writes numbers to each partition: the next one is the number of those before it, whatever happens between."""

    def __init__(self, bootstrap, topic, partitions, **settings):
        self.topic, self.ends, self.failed = topic, [0] * partitions, []
        self.producer = ck.Producer(
            {
                "bootstrap.servers": bootstrap,
                "enable.idempotence": True,
                "linger.ms": 1000,  # batches end where a write does, or when they are full
                "batch.size": 200_000,
                "queue.buffering.max.messages": 2_000_000,
                "queue.buffering.max.kbytes": 1_000_000,
                "log_level": 0,
                **settings,
            }
        )

    def told(self, error, message):
        if error:
            self.failed.append(str(error))

    def write(self, records, size=0, keys=None):
        """That many records, round the partitions, all acknowledged; returns records per second."""
        begin = time.monotonic()
        for n in range(records):
            p = n % len(self.ends)
            key = None if keys is None else keys(self.ends[p])
            self.producer.produce(
                self.topic, str(self.ends[p]).rjust(size), key, partition=p, on_delivery=self.told
            )
            self.ends[p] += 1
            if n % 1000 == 0:
                self.producer.poll(0)
        if self.producer.flush(60) or self.failed:
            raise RuntimeError(f"{self.topic}: not all acknowledged: {self.failed[:3]}")
        return records / (time.monotonic() - begin)


class Drained:
    """What a member of a group said that read to these ends; `problems` are told of in words."""

    def __init__(self, pair, kind, side, shunt, name, topic, group, ends, seconds=60, **settings):
        self.client = pair.client(
            kind, side, name, shunt, roles="drain", topic=topic, group=group,
            partitions=len(ends), until=",".join(map(str, ends)), seconds=seconds, **settings,
        )  # fmt: skip
        self.client.wait("it has read to the end", lambda c: c.events("drained"), seconds + 30)
        self.client.stop()
        seen = self.client.events("drained")[0]
        self.first, self.next = dict(seen["first"]), dict(seen["next"])
        self.count, self.seconds, self.jumps = seen["count"], seen["seconds"], seen["jumps"]
        self.wrong, self.example = seen["wrong"], seen["example"]
        self.errors = [e["text"] for e in self.client.events("error")]

    def per_second(self):
        return self.count / self.seconds if self.seconds else 0

    def problems(self, began, ends, jumps=()):
        """What is not as it should be: it goes on where the group `began` ({} or {p: offset}), misses nothing but `jumps`,
        repeats nothing, finds every number at its offset and reads to the ends."""
        missing = sum(to - since for _, since, to in jumps)
        first = {p: began.get(p, 0) for p in range(len(ends))}
        for p, since, to in jumps:
            first[p] = to if first[p] == since else first[p]
        inner = sorted(j for j in jumps if began.get(j[0], 0) != j[1])
        found = [] if self.first == first else [f"begins at {self.first}, due {first}"]
        found += [] if sorted(self.jumps) == inner else [f"jumps {self.jumps}, due {inner}"]
        found += [f"{self.wrong} numbers not at their offsets: {self.example}"] if self.wrong else []
        found += [f"errors: {self.errors[:3]}"] if self.errors else []
        due = sum(ends) - sum(began.values()) - missing
        found += [] if self.count == due else [f"{self.count} records, {due} are due"]
        end = dict(enumerate(ends))
        found += [] if self.next == end else [f"read to {self.next}, the ends are {end}"]
        return found
