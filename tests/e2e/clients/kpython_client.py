"""A kafka-python program: producer and group members (see README.md).

kafka-python 3.0.12 drops an assignment that arrives between two polls and may stand still for good: so polls are long.
"""

import kafka
from kafka.net.sasl.oauth import AbstractTokenProvider

import uniform
from python_security import security, token
from uniform import acked, client, event, group, number, options, records, run, settings, stop



class Tokens(AbstractTokenProvider):
    def token(self):
        return token()


config = {
    "bootstrap_servers": options["bootstrap"],
    **security(Tokens),
    **settings(lambda key: key.replace(".", "_")),
}


def produce():
    producer = kafka.KafkaProducer(
        **{
            "client_id": client,
            "acks": uniform.acks if uniform.acks == "all" else int(uniform.acks),
            "enable_idempotence": uniform.idempotent,
            "compression_type": None if uniform.compression == "none" else uniform.compression,
            "linger_ms": number("linger", 2),
            **config,
        }
    )
    count = 0
    for partition, name, value in records():
        count += 1
        try:
            future = producer.send(options["topic"], value, partition=partition)
        except Exception as error:
            event("error", what="send", text=repr(error), value=name)
            continue
        future.add_callback(lambda m, name=name: acked(m.topic, m.partition, m.offset, name))
        future.add_errback(
            lambda error, name=name: event("error", what="produce", text=repr(error), value=name)
        )
    try:
        producer.flush()
    except Exception as error:
        event("error", what="flush", text=repr(error))
    event("produced", count=count)
    producer.close()


class Listener(kafka.ConsumerRebalanceListener):
    def __init__(self, member):
        self.member = member

    def say(self, name, partitions):
        event(name, member=self.member, partitions=[f"{p.topic}-{p.partition}" for p in partitions])

    def on_partitions_assigned(self, assigned):
        self.say("assigned", assigned)

    def on_partitions_revoked(self, revoked):
        self.say("revoked", revoked)

    def on_partitions_lost(self, lost):
        self.say("lost", lost)


def consume(member):
    consumer = kafka.KafkaConsumer(
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
        consumer.subscribe([options["topic"]], listener=Listener(member))
    else:
        places = [kafka.TopicPartition(options["topic"], p) for p in range(number("partitions", 1))]
        consumer.assign(places)
        consumer.seek_to_beginning(*places)
        Listener(member).say("assigned", places)
    while not stop.is_set():
        try:
            polled = consumer.poll(timeout_ms=3000)
            for records_ in polled.values():
                for r in records_:
                    event(
                        "polled",
                        member=member,
                        topic=r.topic,
                        partition=r.partition,
                        offset=r.offset,
                        value=r.value.decode().rstrip(),
                    )
            if polled and group:
                consumer.commit()
                for tp, records_ in polled.items():
                    event(
                        "committed",
                        member=member,
                        topic=tp.topic,
                        partition=tp.partition,
                        offset=records_[-1].offset + 1,
                    )
        except Exception as error:
            event("error", what="consume", member=member, text=repr(error))
    consumer.close()


run("kafka-python", kafka.__version__, produce, consume)
