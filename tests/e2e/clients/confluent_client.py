"""A program on the newest librdkafka (confluent-kafka): producer, group members, and the roles admin, idle, bulk and drain."""

import confluent_kafka as ck

import uniform
from confluent_security import security
from drain import drain
from uniform import acked, client, event, group, number, options, records, run, settings, stop


def config(name=client, **more):
    return {
        "bootstrap.servers": options["bootstrap"],
        "client.id": name,
        "error_cb": lambda error: event("warning", what="librdkafka", text=str(error)),
        **security(),
        **more,
        **settings(),
    }


def produce():
    producer = ck.Producer(
        config(
            **{
                "enable.idempotence": uniform.idempotent,
                "acks": uniform.acks,
                "linger.ms": number("linger", 2),
                **({"compression.type": uniform.compression} if uniform.compression else {}),
            }
        )
    )
    count = 0

    def delivered(name):
        def on_delivery(error, m):
            if error:
                event("error", what="produce", text=str(error), value=name)
            else:
                acked(m.topic(), m.partition(), m.offset(), name)

        return on_delivery

    for partition, name, value in records():
        producer.produce(options["topic"], value, partition=partition, on_delivery=delivered(name))
        producer.poll(0)
        count += 1
    producer.flush()
    event("produced", count=count)


def consume(member):
    def say(name):
        return lambda _, partitions: event(
            name, member=member, partitions=[f"{p.topic}-{p.partition}" for p in partitions]
        )

    consumer = ck.Consumer(
        config(
            f"{client}-m{member}",
            **{
                "group.id": group or client,  # the library wants one, and asks for its coordinator
                "enable.auto.commit": False,
                "auto.offset.reset": "earliest",
                "heartbeat.interval.ms": 1000,
                "session.timeout.ms": 20000,
                "fetch.min.bytes": 10000,
                "fetch.wait.max.ms": number("fetch_wait", 100),
            },
        )
    )
    topic = options["topic"]
    if group:
        consumer.subscribe(
            [topic], on_assign=say("assigned"), on_revoke=say("revoked"), on_lost=say("lost")
        )
    else:
        places = [
            ck.TopicPartition(topic, p, ck.OFFSET_BEGINNING) for p in range(number("partitions", 1))
        ]
        consumer.assign(places)
        say("assigned")(consumer, places)
    while not stop.is_set():
        polled = {}
        for m in consumer.consume(100, 0.2):
            if m.error():
                event("error", what="consume", member=member, text=str(m.error()))
                continue
            event(
                "polled",
                member=member,
                topic=m.topic(),
                partition=m.partition(),
                offset=m.offset(),
                value=m.value().decode().rstrip(),
            )
            polled[(m.topic(), m.partition())] = m.offset() + 1
        if polled and group:
            try:
                consumer.commit(
                    offsets=[ck.TopicPartition(t, p, o) for (t, p), o in polled.items()],
                    asynchronous=False,
                )
                for (t, p), o in polled.items():
                    event("committed", member=member, topic=t, partition=p, offset=o)
            except ck.KafkaException as error:
                event("error", what="commit", member=member, text=str(error))
    consumer.close()


def idle():
    """`count` clients that know the cluster and do nothing more."""
    clients = [ck.Producer(config(f"{client}-{n}")) for n in range(number("count", 20))]
    for n, one in enumerate(clients):
        metadata = one.list_topics(timeout=20)
        event("polled", member=n, value=len(metadata.brokers))
    event("produced", count=len(clients))
    stop.wait()


def bulk():
    """Reads all partitions of a topic from the start to the present end and says how many bytes that were."""
    consumer = ck.Consumer(config(**{"group.id": "bulk", "enable.auto.commit": False}))
    topic = options["topic"]
    parts = [ck.TopicPartition(topic, p, 0) for p in range(number("partitions", 1))]
    left = sum(consumer.get_watermark_offsets(p, timeout=20)[1] for p in parts)
    consumer.assign(parts)
    size = count = 0
    while left:
        for m in consumer.consume(500, 1.0):
            if m.error():
                event("error", what="consume", text=str(m.error()))
                continue
            size, count, left = size + len(m.value()), count + 1, left - 1
    event("produced", count=count, bytes=size)
    consumer.close()


if __name__ == "__main__":
    role = options["roles"]
    if role == "admin":
        import confluent_admin

        event("start", library="confluent", version=ck.libversion()[0])
        confluent_admin.calls(config())
        event("closed")
    else:
        body = {"idle": idle, "bulk": bulk, "drain": drain}.get(role, produce)
        if role in ("idle", "bulk", "drain"):
            options["roles"] = "produce"
        run("confluent", ck.libversion()[0], body, consume)
