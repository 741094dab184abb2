// One pass over the admin calls an operator's tools make. `result` must be equal with and without
// the proxy; `seen` holds what may differ (nodes, ids).
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Properties;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.Callable;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.AlterConfigOp;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.NewPartitions;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.admin.RecordsToDelete;
import org.apache.kafka.clients.admin.TopicDescription;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.ElectionType;
import org.apache.kafka.common.Node;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.serialization.StringSerializer;

final class AdminCalls {
    private record Outcome(Object result, Object seen) {}

    private static void call(String name, Callable<Outcome> body) {
        try {
            Outcome o = body.call();
            Log.event("admin", "call", name, "ok", true, "result", o.result, "seen", o.seen);
        } catch (Exception e) {
            Throwable cause = e.getCause() != null ? e.getCause() : e;
            Log.event("admin", "call", name, "ok", false, "result",
                cause.getClass().getSimpleName(), "seen", "" + cause.getMessage());
        }
    }

    private static Outcome same(Object result) {
        return new Outcome(result, null);
    }

    private static List<Map<String, Object>> nodes(java.util.Collection<Node> nodes) {
        return nodes.stream()
            .map(n -> Map.<String, Object>of("id", n.id(), "address", n.host() + ":" + n.port()))
            .toList();
    }

    /**
     * Asks again until the answer is the wanted one, or 10 s are over: metadata spreads, brokers
     * answer from their own view.
     */
    private static <T> T settled(Callable<T> ask, java.util.function.Predicate<T> wanted)
        throws Exception {
        long end = System.nanoTime() + 10_000_000_000L;
        T last;
        do {
            last = ask.call();
            if (wanted.test(last))
                break;
            Thread.sleep(50);
        } while (System.nanoTime() < end);
        return last;
    }

    static void run(Properties settings) {
        String topic = Client.option("topic", "admin"), group = Client.option("group", "admin");
        TopicPartition first = new TopicPartition(topic, 0);
        ConfigResource topicConfig = new ConfigResource(ConfigResource.Type.TOPIC, topic);
        try (Admin admin = Admin.create(settings)) {
            call("describe_cluster", () -> {
                var d = admin.describeCluster();
                return new Outcome(d.clusterId().get(),
                    Map.of("nodes", nodes(d.nodes().get()), "controller",
                        nodes(List.of(d.controller().get()))));
            });
            call("create_topic", () -> {
                var made = admin.createTopics(List.of(new NewTopic(topic, 3, (short) 2)));
                return same(Map.of("partitions", made.numPartitions(topic).get(), "replicas",
                    made.replicationFactor(topic).get()));
            });
            call("list_topics",
                ()
                    -> same(
                        settled(() -> admin.listTopics().names().get().contains(topic), x -> x)));
            call("describe_topic", () -> {
                TopicDescription d = settled(
                    ()
                        -> admin.describeTopics(List.of(topic)).allTopicNames().get().get(topic),
                    t
                    -> t.partitions().size() == 3
                        && t.partitions().stream().allMatch(
                            p -> p.leader() != null && !p.leader().isEmpty()));
                return new Outcome(d.partitions()
                                       .stream()
                                       .map(p -> List.of(p.partition(), p.replicas().size()))
                                       .toList(),
                    Map.of("id", d.topicId().toString(), "nodes",
                        nodes(d.partitions()
                                  .stream()
                                  .flatMap(p -> p.replicas().stream())
                                  .distinct()
                                  .toList())));
            });
            call("alter_topic_config", () -> {
                admin
                    .incrementalAlterConfigs(Map.of(topicConfig,
                        List.of(new AlterConfigOp(new ConfigEntry("retention.ms", "123456789"),
                            AlterConfigOp.OpType.SET))))
                    .all()
                    .get();
                return same(settled(()
                                        -> admin.describeConfigs(List.of(topicConfig))
                                               .all()
                                               .get()
                                               .get(topicConfig)
                                               .get("retention.ms")
                                               .value(),
                    "123456789" ::equals));
            });
            call("describe_broker_configs", () -> {
                Map<String, Object> ids = new TreeMap<>();
                int least = Integer.MAX_VALUE;
                for (Node n : admin.describeCluster().nodes().get()) {
                    ConfigResource broker =
                        new ConfigResource(ConfigResource.Type.BROKER, n.idString());
                    var config = admin.describeConfigs(List.of(broker)).all().get().get(broker);
                    least = Math.min(least, config.entries().size());
                    String id = Stream.of("broker.id", "node.id")
                                    .map(config::get)
                                    .filter(Objects::nonNull)
                                    .map(ConfigEntry::value)
                                    .filter(v -> !v.equals("-1"))
                                    .findFirst()
                                    .orElse("-1");
                    ids.put(n.idString(), id);
                }
                return new Outcome(least > 100, ids);
            });
            call("alter_broker_config", () -> {
                String id = admin.describeCluster()
                                .nodes()
                                .get()
                                .stream()
                                .map(Node::id)
                                .min(Integer::compare)
                                .get()
                                .toString();
                ConfigResource broker = new ConfigResource(ConfigResource.Type.BROKER, id);
                admin
                    .incrementalAlterConfigs(Map.of(broker,
                        List.of(
                            new AlterConfigOp(new ConfigEntry("log.cleaner.backoff.ms", "15001"),
                                AlterConfigOp.OpType.SET))))
                    .all()
                    .get();
                return same(settled(()
                                        -> admin.describeConfigs(List.of(broker))
                                               .all()
                                               .get()
                                               .get(broker)
                                               .get("log.cleaner.backoff.ms")
                                               .value(),
                    "15001" ::equals));
            });
            call("describe_log_dirs", () -> {
                var ids = admin.describeCluster().nodes().get().stream().map(Node::id).toList();
                var dirs = admin.describeLogDirs(ids).allDescriptions().get();
                long replicas = dirs.values()
                                    .stream()
                                    .flatMap(m -> m.values().stream())
                                    .flatMap(d -> d.replicaInfos().keySet().stream())
                                    .filter(tp -> tp.topic().equals(topic))
                                    .count();
                return new Outcome(replicas, ids);
            });
            call("produce", () -> {
                try (KafkaProducer<String, String> producer = new KafkaProducer<>(
                         settings, new StringSerializer(), new StringSerializer())) {
                    long last = -1;
                    for (int n = 0; n < 10; n++)
                        last = producer.send(new ProducerRecord<>(topic, 0, null, "admin:" + n))
                                   .get()
                                   .offset();
                    return same(last);
                }
            });
            call("list_offsets", () -> {
                Map<String, Object> ends = new TreeMap<>();
                for (int p = 0; p < 3; p++) {
                    TopicPartition tp = new TopicPartition(topic, p);
                    ends.put(p + " earliest",
                        admin.listOffsets(Map.of(tp, OffsetSpec.earliest()))
                            .all()
                            .get()
                            .get(tp)
                            .offset());
                    ends.put(p + " latest",
                        admin.listOffsets(Map.of(tp, OffsetSpec.latest()))
                            .all()
                            .get()
                            .get(tp)
                            .offset());
                }
                ends.put("0 from time 0",
                    admin.listOffsets(Map.of(first, OffsetSpec.forTimestamp(0)))
                        .all()
                        .get()
                        .get(first)
                        .offset());
                return same(ends);
            });
            call("delete_records", () -> {
                long low = admin.deleteRecords(Map.of(first, RecordsToDelete.beforeOffset(4)))
                               .lowWatermarks()
                               .get(first)
                               .get()
                               .lowWatermark();
                return same(List.of(low,
                    admin.listOffsets(Map.of(first, OffsetSpec.earliest()))
                        .all()
                        .get()
                        .get(first)
                        .offset()));
            });
            call("alter_group_offsets", () -> {
                admin
                    .alterConsumerGroupOffsets(
                        group, Map.of(first, new OffsetAndMetadata(7, "note")))
                    .all()
                    .get();
                var seen =
                    admin.listConsumerGroupOffsets(group).partitionsToOffsetAndMetadata().get().get(
                        first);
                return same(List.of(seen.offset(), seen.metadata()));
            });
            call("list_groups",
                ()
                    -> same(admin.listGroups().all().get().stream().anyMatch(
                        g -> g.groupId().equals(group))));
            call("describe_group", () -> {
                var d = admin.describeConsumerGroups(List.of(group)).all().get().get(group);
                return new Outcome(d.groupState().toString(), nodes(List.of(d.coordinator())));
            });
            call("delete_group", () -> {
                admin.deleteConsumerGroups(List.of(group)).all().get();
                return same(admin.listGroups().all().get().stream().noneMatch(
                    g -> g.groupId().equals(group)));
            });
            call("describe_producers",
                ()
                    -> same(admin.describeProducers(List.of(first))
                                .all()
                                .get()
                                .get(first)
                                .activeProducers()
                                .size()));
            call("elect_leaders",
                ()
                    -> same(admin.electLeaders(ElectionType.PREFERRED, Set.of(first))
                                .partitions()
                                .get()
                                .values()
                                .stream()
                                .map(e -> e.map(x -> x.getClass().getSimpleName()).orElse("done"))
                                .collect(Collectors.toList())));
            call("list_reassignments",
                ()
                    -> same(admin.listPartitionReassignments(Set.of(first))
                                .reassignments()
                                .get()
                                .size()));
            call("create_partitions", () -> {
                admin.createPartitions(Map.of(topic, NewPartitions.increaseTo(4))).all().get();
                return same(settled(()
                                        -> admin.describeTopics(List.of(topic))
                                               .allTopicNames()
                                               .get()
                                               .get(topic)
                                               .partitions()
                                               .size(),
                    n -> n == 4));
            });
            call("delete_topic", () -> {
                admin.deleteTopics(List.of(topic)).all().get();
                return same(
                    settled(() -> !admin.listTopics().names().get().contains(topic), x -> x));
            });
            call("describe_deleted_topic", () -> same(settled(() -> {
                try {
                    return admin.describeTopics(List.of(topic)).allTopicNames().get().size()
                        + " found";
                } catch (java.util.concurrent.ExecutionException e) {
                    return e.getCause().getClass().getSimpleName();
                }
            }, "UnknownTopicOrPartitionException" ::equals)));
        }
    }
}
