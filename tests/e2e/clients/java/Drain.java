// The role `drain`: a member reads its group's partitions to given ends at full speed, and says what
// it saw. The records' values are decimal numbers that rise by one: the offsets their producer expects.
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.TreeMap;
import org.apache.kafka.clients.consumer.ConsumerRebalanceListener;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.StringDeserializer;

final class Drain implements ConsumerRebalanceListener {
    private final TreeMap<Integer, Long> first = new TreeMap<>(), due = new TreeMap<>();
    private final List<Object> jumps = new ArrayList<>(), wrong = new ArrayList<>();
    private long count, begin, misplaced;

    static void run(Properties p) {
        p.put("group.id", Client.option("group", null));
        p.put("enable.auto.commit", "false");
        p.putIfAbsent("auto.offset.reset", "earliest");
        p.putIfAbsent("max.poll.records", "2000");
        new Drain().read(p, Client.option("topic", null), Client.option("until", "").split(","));
    }

    private void read(Properties p, String topic, String[] ends) {
        long deadline = System.nanoTime() + Client.number("seconds", 60) * 1_000_000_000L;
        try (KafkaConsumer<String, String> consumer =
                 new KafkaConsumer<>(p, new StringDeserializer(), new StringDeserializer())) {
            consumer.subscribe(List.of(topic), this);
            while (!reached(ends) && System.nanoTime() < deadline)
                for (ConsumerRecord<String, String> r : consumer.poll(Duration.ofMillis(200))) take(r);
            double seconds = begin == 0 ? 0 : (System.nanoTime() - begin) / 1e9;
            Map<TopicPartition, OffsetAndMetadata> done = new HashMap<>();
            due.forEach((at, o) -> done.put(new TopicPartition(topic, at), new OffsetAndMetadata(o)));
            if (!done.isEmpty())
                consumer.commitSync(done);
            say(seconds);
        } catch (Exception e) {
            Log.event("error", "what", "consume", "member", 0, "text", e.toString());
            say(0);
        }
    }

    private boolean reached(String[] ends) {
        for (int p = 0; p < ends.length; p++)
            if (due.getOrDefault(p, 0L) < Long.parseLong(ends[p]))
                return false;
        return true;
    }

    private void take(ConsumerRecord<String, String> r) {
        if (begin == 0)
            begin = System.nanoTime();
        Long wanted = due.put(r.partition(), r.offset() + 1);
        if (wanted != null && wanted != r.offset() && jumps.size() < 100)
            jumps.add(List.of(r.partition(), wanted, r.offset()));
        if (Long.parseLong(r.value().strip()) != r.offset() && ++misplaced < 4)
            wrong.add(List.of(r.partition(), r.offset(), r.value().strip()));
        first.putIfAbsent(r.partition(), r.offset());
        count++;
    }

    private void say(double seconds) {
        Log.event("drained", "count", count, "seconds", seconds, "first", pairs(first), "next",
            pairs(due), "jumps", jumps, "wrong", misplaced, "example", wrong);
    }

    private static List<Object> pairs(TreeMap<Integer, Long> map) {
        List<Object> out = new ArrayList<>();
        map.forEach((p, o) -> out.add(List.of(p, o)));
        return out;
    }

    @Override
    public void onPartitionsAssigned(Collection<TopicPartition> p) {
        Log.event("assigned", "member", 0, "partitions", p.stream().map(TopicPartition::toString).toList());
    }
    @Override
    public void onPartitionsRevoked(Collection<TopicPartition> p) {}
}
