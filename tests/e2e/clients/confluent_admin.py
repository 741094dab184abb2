"""One pass over librdkafka's admin calls; `result` must be equal with and without the proxy (see README.md)."""

import time

import confluent_kafka as ck
from confluent_kafka.admin import (
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewPartitions,
    NewTopic,
    OffsetSpec,
    ResourceType,
)

from uniform import event, options


def settled(ask, wanted, seconds=10):
    """Asks again until the answer is the wanted one: metadata spreads, brokers answer from their own view."""
    end = time.monotonic() + seconds
    while True:
        last = ask()
        if wanted(last) or time.monotonic() > end:
            return last
        time.sleep(0.05)


def call(name, body):
    try:
        result, seen = body()
        event("admin", call=name, ok=True, result=result, seen=seen)
    except Exception as error:
        code = (
            error.args[0].name() if isinstance(error, ck.KafkaException) else type(error).__name__
        )
        event("admin", call=name, ok=False, result=code, seen=str(error))


def one(futures):
    """The only answer of a call that was made for one thing."""
    (future,) = futures.values()
    return future.result(20)


def nodes(list_):
    return [{"id": n.id, "address": f"{n.host}:{n.port}"} for n in list_]


def calls(config):
    admin, topic, group = AdminClient(config), options["topic"], options["group"]
    first = ck.TopicPartition(topic, 0)
    topic_config = ConfigResource(ResourceType.TOPIC, topic)

    def describe_cluster():
        d = admin.describe_cluster(request_timeout=20).result(20)
        return d.cluster_id, {"nodes": nodes(d.nodes), "controller": nodes([d.controller])}

    def create_topic():
        one(admin.create_topics([NewTopic(topic, 3, 2)]))
        seen = settled(
            lambda: admin.list_topics(topic, 10).topics[topic].partitions, lambda p: len(p) == 3
        )
        return [len(p.replicas) for p in seen.values()], None

    def describe_topic():
        d = settled(
            lambda: one(admin.describe_topics(ck.TopicCollection([topic]))),
            lambda t: all(p.leader for p in t.partitions),
        )
        return [[p.id, len(p.replicas), len(p.isr)] for p in d.partitions], nodes(
            d.partitions[0].replicas
        )

    def alter_topic_config():
        entry = ConfigEntry(
            "retention.ms", "123456789", incremental_operation=AlterConfigOpType.SET
        )
        one(
            admin.incremental_alter_configs(
                [ConfigResource(ResourceType.TOPIC, topic, incremental_configs=[entry])]
            )
        )
        return (
            settled(
                lambda: one(admin.describe_configs([topic_config]))["retention.ms"].value,
                lambda v: v == "123456789",
            ),
            None,
        )

    def describe_broker_configs():
        ids = {}
        for node in admin.list_topics(timeout=10).brokers:
            found = one(admin.describe_configs([ConfigResource(ResourceType.BROKER, str(node))]))
            own = [found[key].value for key in ("broker.id", "node.id") if key in found]
            ids[node] = next((value for value in own if value != "-1"), "-1")
        return "described", ids

    def produce():
        producer, last = ck.Producer(config), []
        for n in range(10):
            producer.produce(
                topic,
                f"admin:{n}",
                partition=0,
                on_delivery=lambda e, m: last.append(e.name() if e else m.offset()),
            )
        producer.flush(20)
        return last, None

    def list_offsets():
        ends = {}
        for name, spec in (
            ("earliest", OffsetSpec.earliest()),
            ("latest", OffsetSpec.latest()),
            ("time", OffsetSpec.for_timestamp(0)),
        ):
            for p in range(3):
                ends[f"{p} {name}"] = one(
                    admin.list_offsets({ck.TopicPartition(topic, p): spec})
                ).offset
        return ends, None

    def delete_records():
        return one(admin.delete_records([ck.TopicPartition(topic, 0, 4)])).low_watermark, None

    def alter_group_offsets():
        wanted = ck.TopicPartition(topic, 0, 7)
        one(admin.alter_consumer_group_offsets([ck.ConsumerGroupTopicPartitions(group, [wanted])]))
        seen = one(
            admin.list_consumer_group_offsets([ck.ConsumerGroupTopicPartitions(group, [first])])
        )
        return seen.topic_partitions[0].offset, None

    def list_groups():
        return any(g.group_id == group for g in admin.list_consumer_groups().result(20).valid), None

    def describe_group():
        d = one(admin.describe_consumer_groups([group]))
        return d.state.name, nodes([d.coordinator])

    def delete_group():
        one(admin.delete_consumer_groups([group]))
        return (
            not any(g.group_id == group for g in admin.list_consumer_groups().result(20).valid),
            None,
        )

    def create_partitions():
        one(admin.create_partitions([NewPartitions(topic, 4)]))
        return (
            settled(
                lambda: len(admin.list_topics(topic, 10).topics[topic].partitions), lambda n: n == 4
            ),
            None,
        )

    def delete_topic():
        one(admin.delete_topics([topic]))
        return settled(lambda: topic not in admin.list_topics(timeout=10).topics, bool), None

    for body in (
        describe_cluster,
        create_topic,
        describe_topic,
        alter_topic_config,
        describe_broker_configs,
        produce,
        list_offsets,
        delete_records,
        alter_group_offsets,
        list_groups,
        describe_group,
        delete_group,
        create_partitions,
        delete_topic,
    ):
        call(body.__name__, body)
