// A kafka-clients program: producer, group members or admin calls, by key=value options (see
// ../README.md).
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import org.apache.kafka.clients.consumer.ConsumerRebalanceListener;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.ConsumerRecords;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;

public final class Client {
    static final Map<String, String> options = new HashMap<>();
    static volatile boolean quiet, stop;

    static String option(String key, String otherwise) {
        return options.getOrDefault(key, otherwise);
    }

    static int number(String key, int otherwise) {
        return Integer.parseInt(option(key, "" + otherwise));
    }

    static Properties settings() {
        Properties p = new Properties();
        p.put("bootstrap.servers", options.get("bootstrap"));
        p.put("client.id", Log.client);
        Security.put(p);
        options.forEach((k, v) -> {
            if (k.startsWith("c."))
                p.put(k.substring(2), v);
        });
        return p;
    }

    static String acks() {
        return option("acks", "all");
    }

    static boolean idempotent() {
        return Boolean.parseBoolean(option("idempotent", "" + acks().equals("all")));
    }

    private static String version() throws Exception {
        Properties p = new Properties();
        try (var in = KafkaProducer.class.getResourceAsStream("/kafka/kafka-version.properties")) {
            p.load(in);
        }
        return p.getProperty("version");
    }

    public static void main(String[] args) throws Exception {
        for (String a : args)
            options.put(a.substring(0, a.indexOf('=')), a.substring(a.indexOf('=') + 1));
        Log.client = option("client", "java");
        Log.event("start", "library", "java", "version", version(), "idempotent", idempotent());
        String roles = option("roles", "produce");
        if (roles.equals("admin")) {
            AdminCalls.run(settings());
        } else if (roles.equals("drain")) {
            Drain.run(settings());
        } else {
            List<Thread> threads = new ArrayList<>();
            if (roles.contains("consume"))
                for (int m = 0; m < number("members", 1); m++) {
                    int member = m;
                    threads.add(new Thread(() -> consume(member)));
                }
            if (roles.contains("produce"))
                threads.add(new Thread(Client::produce));
            for (Thread t : threads) t.start();
            BufferedReader in = new BufferedReader(new InputStreamReader(System.in));
            for (String line; (line = in.readLine()) != null;)
                if (line.equals("quiet"))
                    quiet = true;
            quiet = stop = true;
            for (Thread t : threads) t.join();
        }
        Log.event("closed");
        System.exit(0);
    }

    static void produce() {
        String topic = options.get("topic");
        int partitions = number("partitions", 1), count = number("count", 0);
        double rate = number("rate", 100);
        String padding = " ".repeat(Math.max(0, number("size", 0)));
        Properties p = settings();
        p.put("linger.ms", option("linger", "2"));
        p.putIfAbsent("acks", acks());
        p.putIfAbsent("enable.idempotence", "" + idempotent());
        p.putIfAbsent("compression.type", option("compression", "none"));
        long begin = System.nanoTime();
        int n = 0;
        try (KafkaProducer<String, String> producer =
                 new KafkaProducer<>(p, new StringSerializer(), new StringSerializer())) {
            for (; !quiet && (count == 0 || n < count); n++) {
                String value = Log.client + ":" + n;
                int partition = n % partitions;
                Log.event("sent", "topic", topic, "partition", partition, "value", value);
                try {
                    producer.send(
                        new ProducerRecord<>(topic, partition, null, value + padding), (m, e) -> {
                            if (e != null)
                                Log.event("error", "what", "produce", "text", e.toString(), "value",
                                    value);
                            else
                                Log.event("acked", "topic", topic, "partition", m.partition(),
                                    "offset", m.hasOffset() ? m.offset() : null, "value", value);
                        });
                } catch (Exception e) {
                    Log.event("error", "what", "send", "text", e.toString(), "value", value);
                }
                long ahead = begin + (long) ((n + 1) / rate * 1e9) - System.nanoTime();
                if (ahead > 0)
                    Thread.sleep(ahead / 1_000_000, (int) (ahead % 1_000_000));
            }
            producer.flush();
        } catch (Exception e) {
            Log.event("error", "what", "producer", "text", e.toString());
        }
        Log.event("produced", "count", n);
    }

    static void consume(int member) {
        Properties p = settings();
        p.put("client.id", Log.client + "-m" + member);
        String group = options.get("group");
        if (group != null)
            p.put("group.id", group);
        p.put("enable.auto.commit", "false");
        p.putIfAbsent("auto.offset.reset", "earliest");
        p.put("fetch.min.bytes", "10000");
        p.put("fetch.max.wait.ms", option("fetch_wait", "100"));
        p.putIfAbsent("heartbeat.interval.ms", "1000");
        p.putIfAbsent("session.timeout.ms", "20000");
        try (KafkaConsumer<String, String> consumer =
                 new KafkaConsumer<>(p, new StringDeserializer(), new StringDeserializer())) {
            Listener listener = new Listener(member);
            if (group != null) {
                consumer.subscribe(List.of(options.get("topic")), listener);
            } else {
                List<TopicPartition> all = new ArrayList<>();
                for (int partition = 0; partition < number("partitions", 1); partition++)
                    all.add(new TopicPartition(options.get("topic"), partition));
                consumer.assign(all);
                consumer.seekToBeginning(all);
                listener.onPartitionsAssigned(all);
            }
            while (!stop) {
                try {
                    ConsumerRecords<String, String> records = consumer.poll(Duration.ofMillis(200));
                    Map<TopicPartition, OffsetAndMetadata> done = new HashMap<>();
                    for (ConsumerRecord<String, String> r : records) {
                        Log.event("polled", "member", member, "topic", r.topic(), "partition",
                            r.partition(), "offset", r.offset(), "value",
                            r.value().stripTrailing());
                        done.put(new TopicPartition(r.topic(), r.partition()),
                            new OffsetAndMetadata(r.offset() + 1));
                    }
                    if (done.isEmpty() || group == null)
                        continue;
                    consumer.commitSync(done);
                    done.forEach(
                        (tp, o)
                            -> Log.event("committed", "member", member, "topic", tp.topic(),
                                "partition", tp.partition(), "offset", o.offset()));
                } catch (Exception e) {
                    Log.event("error", "what", "consume", "member", member, "text", e.toString());
                }
            }
        } catch (Exception e) {
            Log.event("error", "what", "consumer", "member", member, "text", e.toString());
        }
    }

    private record Listener(int member) implements ConsumerRebalanceListener {
        private void say(String event, Collection<TopicPartition> partitions) {
            Log.event(event, "member", member, "partitions",
                partitions.stream().map(TopicPartition::toString).toList());
        }
        @Override
        public void onPartitionsAssigned(Collection<TopicPartition> p) {
            say("assigned", p);
        }
        @Override
        public void onPartitionsRevoked(Collection<TopicPartition> p) {
            say("revoked", p);
        }
        @Override
        public void onPartitionsLost(Collection<TopicPartition> p) {
            say("lost", p);
        }
    }
}
