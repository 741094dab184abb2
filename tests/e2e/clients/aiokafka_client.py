"""An aiokafka program: producer and group members (see README.md). Each has a thread with an event loop of its own."""

import asyncio
import logging

import aiokafka

import uniform
from python_security import security, token
from uniform import acked, client, event, group, number, options, records, run, settings, stop


class Warnings(logging.Handler):
    def emit(self, record):
        event("warning", what=record.name, text=record.getMessage())


logging.basicConfig(level=logging.WARNING, handlers=[Warnings()])
topic = options["topic"]


class Tokens(aiokafka.abc.AbstractTokenProvider):
    async def token(self):
        return token()


config = {
    "bootstrap_servers": options["bootstrap"],
    **security(Tokens),
    **settings(lambda key: key.replace(".", "_")),
}


async def produce():
    producer = aiokafka.AIOKafkaProducer(
        **{
            "client_id": client,
            "acks": uniform.acks if uniform.acks == "all" else int(uniform.acks),
            "enable_idempotence": uniform.idempotent,
            "compression_type": None if uniform.compression == "none" else uniform.compression,
            "linger_ms": number("linger", 2),
            **config,
        }
    )
    await producer.start()

    def answered(name, partition):
        def on_done(future):
            if error := future.exception():
                event("error", what="produce", text=repr(error), value=name)
            else:
                m = future.result()
                acked(topic, partition, m and m.offset, name)

        return on_done

    count, source = 0, records()
    while record := await asyncio.to_thread(next, source, None):  # it sleeps
        partition, name, value = record
        count += 1
        try:
            future = await producer.send(topic, value, partition=partition)
            future.add_done_callback(answered(name, partition))
        except Exception as error:
            event("error", what="send", text=repr(error), value=name)
    await producer.flush()
    event("produced", count=count)
    await producer.stop()


class Listener(aiokafka.ConsumerRebalanceListener):
    def __init__(self, member):
        self.member = member

    def say(self, name, partitions):
        event(name, member=self.member, partitions=[f"{p.topic}-{p.partition}" for p in partitions])

    def on_partitions_assigned(self, assigned):
        self.say("assigned", assigned)

    def on_partitions_revoked(self, revoked):
        self.say("revoked", revoked)


async def consume(member):
    consumer = aiokafka.AIOKafkaConsumer(
        **{
            "client_id": f"{client}-m{member}",
            "group_id": group,
            "enable_auto_commit": False,
            "auto_offset_reset": "earliest",
            "heartbeat_interval_ms": 1000,
            "session_timeout_ms": 20000,
            "fetch_min_bytes": 10000,
            "fetch_max_wait_ms": number("fetch_wait", 100),
            **config,
        }
    )
    if group:
        consumer.subscribe([topic], listener=Listener(member))
    await consumer.start()
    if not group:
        places = [aiokafka.TopicPartition(topic, p) for p in range(number("partitions", 1))]
        consumer.assign(places)
        await consumer.seek_to_beginning(*places)
        Listener(member).say("assigned", places)
    while not stop.is_set():
        try:
            polled = await consumer.getmany(timeout_ms=200, max_records=100)
            for tp, messages in polled.items():
                for m in messages:
                    event(
                        "polled",
                        member=member,
                        topic=tp.topic,
                        partition=tp.partition,
                        offset=m.offset,
                        value=m.value.decode().rstrip(),
                    )
            if polled and group:
                done = {tp: messages[-1].offset + 1 for tp, messages in polled.items()}
                await consumer.commit(done)
                for tp, offset in done.items():
                    event(
                        "committed",
                        member=member,
                        topic=tp.topic,
                        partition=tp.partition,
                        offset=offset,
                    )
        except Exception as error:
            event("error", what="consume", member=member, text=repr(error))
    await consumer.stop()


run(
    "aiokafka",
    aiokafka.__version__,
    lambda: asyncio.run(produce()),
    lambda member: asyncio.run(consume(member)),
)
