"""The role `drain` on the newest librdkafka: a member reads its group's partitions to given ends at full speed, and says what it saw.

The records' values are decimal numbers that rise by one: of one producer per partition, the offset that it expects.
"""

import time

import confluent_kafka as ck

from confluent_security import security
from uniform import client, event, group, number, options, settings


def drain():
    ends = {p: int(end) for p, end in enumerate(options["until"].split(","))}
    consumer = ck.Consumer(
        {
            "bootstrap.servers": options["bootstrap"],
            "client.id": client,
            "group.id": group,
            "enable.auto.commit": False,
            "auto.offset.reset": "earliest",
            "fetch.queue.backoff.ms": 10,  # by default it rests for 1 s whenever 100,000 records wait for us
            **security(),
            **settings(),
        }
    )

    def assigned(_, partitions):
        event("assigned", member=0, partitions=[f"{p.topic}-{p.partition}" for p in partitions])

    consumer.subscribe([options["topic"]], on_assign=assigned)
    due, first, count, begin, jumps, wrong = {}, {}, 0, None, [], []
    deadline = time.monotonic() + number("seconds", 60)
    while any(due.get(p, 0) < end for p, end in ends.items()) and time.monotonic() < deadline:
        for m in consumer.consume(2000, 0.2):
            if m.error():
                event("error", what="consume", member=0, text=str(m.error()))
                deadline = 0
                continue
            begin = begin or time.monotonic()
            p, offset = m.partition(), m.offset()
            if offset != due.get(p, offset):
                jumps.append([p, due[p], offset])
            if int(m.value()) != offset:
                wrong.append([p, offset, m.value().decode().strip()])
            first.setdefault(p, offset)
            due[p], count = offset + 1, count + 1
    seconds = time.monotonic() - (begin or time.monotonic())
    if due and deadline:
        offsets = [ck.TopicPartition(options["topic"], p, at) for p, at in due.items()]
        consumer.commit(offsets=offsets, asynchronous=False)
    event(
        "drained", count=count, seconds=seconds, first=sorted(first.items()), next=sorted(due.items()),
        jumps=jumps[:100], wrong=len(wrong), example=wrong[:3],
    )  # fmt: skip
    consumer.close()
