// What Apache Kafka's Java client does beside the story of Client.java; the Go package in
// the folder above says what each case is.

import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.TreeSet;
import java.util.function.BooleanSupplier;
import java.util.regex.Pattern;
import org.apache.kafka.clients.consumer.ConsumerRebalanceListener;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.CooperativeStickyAssignor;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;

class Demand {
    static final long FIRST_TIME = 1_000_000_000_000L;

    final String brokers, topic, group;
    final TopicPartition big, timed, quiet;

    Demand(String brokers, String topic, String group) {
        this.brokers = brokers;
        this.topic = topic;
        this.group = group;
        big = new TopicPartition(topic, 0);
        timed = new TopicPartition(topic, 1);
        quiet = new TopicPartition(topic, 2);
    }

    void run() throws Exception {
        tell("large record", largeRecord());
        tell("seek by time", seekByTime());
        tell("pause and resume", pause());
        tell("manual commit", manualCommit());
        tell("long poll", longPoll());
        tell("regex subscription", regex());
        members();
    }

    static void tell(String name, String value) {
        Map<String, Object> e = Client.event("case");
        e.put("case", name);
        e.put("value", value);
        Client.emit(e);
    }

    KafkaProducer<byte[], byte[]> producer(String... settings) {
        return new KafkaProducer<>(settings(settings), new ByteArraySerializer(), new ByteArraySerializer());
    }

    KafkaConsumer<byte[], byte[]> consumer(String... settings) {
        return new KafkaConsumer<>(settings(settings), new ByteArrayDeserializer(), new ByteArrayDeserializer());
    }

    Properties settings(String... more) {
        Properties p = new Properties();
        p.put("bootstrap.servers", brokers);
        for (int i = 0; i < more.length; i += 2) p.put(more[i], more[i + 1]);
        return p;
    }

    // Polls until enough records came, or a minute has passed.
    static List<ConsumerRecord<byte[], byte[]>> read(KafkaConsumer<byte[], byte[]> c, int count) {
        List<ConsumerRecord<byte[], byte[]>> got = new ArrayList<>();
        long deadline = System.nanoTime() + 60_000_000_000L;
        while (got.size() < count && System.nanoTime() < deadline) c.poll(Duration.ofMillis(200)).forEach(got::add);
        return got;
    }

    String largeRecord() throws Exception {
        byte[] value = new byte[10 << 20];
        new java.util.Random(1).nextBytes(value);
        try (KafkaProducer<byte[], byte[]> p = producer("max.request.size", "12582912", "buffer.memory", "67108864")) {
            p.send(new ProducerRecord<>(topic, 0, null, value)).get();
        }
        try (KafkaConsumer<byte[], byte[]> c = consumer()) {
            c.assign(Collections.singleton(big));
            c.seekToBeginning(Collections.singleton(big));
            List<ConsumerRecord<byte[], byte[]>> got = read(c, 1);
            return got.size() + " " + Arrays.equals(got.get(0).value(), value);
        }
    }

    String seekByTime() throws Exception {
        try (KafkaProducer<byte[], byte[]> p = producer("linger.ms", "100", "compression.type", "lz4")) {
            for (int n = 0; n < 100; n++) {
                p.send(new ProducerRecord<>(topic, 1, FIRST_TIME + n * 1000L, null, String.valueOf(n).getBytes(StandardCharsets.UTF_8)));
            }
        }
        try (KafkaConsumer<byte[], byte[]> c = consumer()) {
            long offset = c.offsetsForTimes(Collections.singletonMap(timed, FIRST_TIME + 50_500)).get(timed).offset();
            c.assign(Collections.singleton(timed));
            c.seek(timed, offset);
            return offset + " " + new String(read(c, 1).get(0).value(), StandardCharsets.UTF_8);
        }
    }

    String pause() {
        try (KafkaConsumer<byte[], byte[]> c = consumer()) {
            c.assign(Collections.singleton(timed));
            c.seekToBeginning(Collections.singleton(timed));
            c.pause(Collections.singleton(timed));
            int paused = 0;
            for (int i = 0; i < 3; i++) paused += c.poll(Duration.ofMillis(200)).count();
            c.resume(Collections.singleton(timed));
            return paused + " " + read(c, 100).size();
        }
    }

    String manualCommit() {
        try (KafkaConsumer<byte[], byte[]> c = consumer("group.id", group + "-manual", "enable.auto.commit", "false")) {
            c.commitSync(Collections.singletonMap(timed, new OffsetAndMetadata(42, "note")));
        }
        try (KafkaConsumer<byte[], byte[]> c = consumer("group.id", group + "-manual")) {
            OffsetAndMetadata o = c.committed(Collections.singleton(timed)).get(timed);
            return o.offset() + " " + o.metadata();
        }
    }

    // A fetch that waits is answered by what comes meanwhile: its own bound lies behind
    // the end of the test.
    String longPoll() throws Exception {
        try (KafkaConsumer<byte[], byte[]> c = consumer("fetch.max.wait.ms", "120000", "request.timeout.ms", "180000");
                KafkaProducer<byte[], byte[]> p = producer()) {
            c.assign(Collections.singleton(quiet));
            c.seekToBeginning(Collections.singleton(quiet));
            c.poll(Duration.ofMillis(500)); // the fetch is on its way
            p.send(new ProducerRecord<>(topic, 2, null, new byte[1])).get();
            return String.valueOf(read(c, 1).size());
        }
    }

    String regex() {
        try (KafkaConsumer<byte[], byte[]> c = consumer("group.id", group + "-regex", "auto.offset.reset", "earliest")) {
            c.subscribe(Pattern.compile(Pattern.quote(topic) + ".*"));
            TreeSet<String> topics = new TreeSet<>();
            for (ConsumerRecord<byte[], byte[]> r : read(c, 103)) topics.add(r.topic().substring(topic.length()));
            return String.valueOf(topics);
        }
    }

    // One member of a group with an instance id.
    final class Member implements ConsumerRebalanceListener {
        final KafkaConsumer<byte[], byte[]> c;
        final TreeSet<Integer> owned = new TreeSet<>();
        int revoked, changes;

        Member(String instance) {
            c = consumer("group.id", group + "-static", "group.instance.id", instance, "heartbeat.interval.ms", "300",
                "partition.assignment.strategy", CooperativeStickyAssignor.class.getName());
            c.subscribe(Collections.singleton(topic), this);
        }

        @Override public void onPartitionsRevoked(Collection<TopicPartition> gone) {
            revoked += gone.size();
            owned.removeAll(Client.numbers(gone));
            changes++;
        }

        @Override public void onPartitionsAssigned(Collection<TopicPartition> came) {
            owned.addAll(Client.numbers(came));
            changes++;
        }
    }

    static void poll(BooleanSupplier until, Member... members) {
        long deadline = System.nanoTime() + 60_000_000_000L;
        while (!until.getAsBoolean() && System.nanoTime() < deadline) {
            for (Member m : members) m.c.poll(Duration.ofMillis(100));
        }
    }

    // A gives up one partition and keeps the others without a break; when A goes and comes
    // back under its name, B hears nothing of it.
    void members() {
        Member a = new Member("a");
        poll(() -> a.owned.size() == 3, a);
        Member b = new Member("b");
        poll(() -> a.owned.size() == 2 && b.owned.size() == 1, a, b);
        tell("cooperative members", String.valueOf(a.revoked));
        TreeSet<Integer> before = new TreeSet<>(a.owned);
        int heard = b.changes;
        a.c.close();
        Member again = new Member("a");
        poll(() -> again.owned.size() == 2, again, b);
        for (int i = 0; i < 10; i++) b.c.poll(Duration.ofMillis(100)); // some heartbeats
        tell("static members", again.owned.equals(before) + " " + (b.changes - heard));
        again.c.close();
        b.c.close();
    }
}
