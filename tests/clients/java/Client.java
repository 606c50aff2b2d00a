// Apache Kafka's Java client driven over standard input and output; the Go package in
// the folder above says how. One source for versions 2.8 to 4.4.

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.TreeSet;
import java.util.concurrent.atomic.AtomicReference;
import java.util.stream.Collectors;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.TopicDescription;
import org.apache.kafka.clients.consumer.ConsumerRebalanceListener;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.CooperativeStickyAssignor;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.KafkaFuture;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;

public class Client {
    static final ObjectMapper json = new ObjectMapper();
    static final PrintStream out = new PrintStream(System.out, true, StandardCharsets.UTF_8);
    static final BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));

    static synchronized void emit(Map<String, Object> event) {
        try {
            out.println(json.writeValueAsString(event));
        } catch (IOException e) {
            throw new IllegalStateException(e);
        }
    }

    static Map<String, Object> event(String name) {
        Map<String, Object> e = new LinkedHashMap<>();
        e.put("event", name);
        return e;
    }

    static void emitRecord(String name, int n, int partition, long offset, String key, String value) {
        Map<String, Object> e = event(name);
        e.put("n", n);
        e.put("partition", partition);
        e.put("offset", offset);
        e.put("key", key);
        e.put("value", value);
        emit(e);
    }

    public static void main(String[] args) {
        try {
            switch (args[0]) {
                case "admin": admin(args[1], args[2]); break;
                case "produce": produce(args[1], args[2]); break;
                case "consume": consume(args[1], args[2], args[3], args[4]); break;
                case "demand": new Demand(args[1], args[2], args[3]).run(); break;
                default: throw new IllegalArgumentException(args[0]);
            }
            emit(event("done"));
            System.exit(0);
        } catch (Throwable t) {
            Map<String, Object> e = event("error");
            e.put("error", String.valueOf(t));
            emit(e);
            System.exit(1);
        }
    }

    // Makes the topic and reads it back.
    static void admin(String brokers, String topic) throws Exception {
        Properties p = new Properties();
        p.put("bootstrap.servers", brokers);
        try (Admin admin = Admin.create(p)) {
            admin.createTopics(Collections.singleton(new NewTopic(topic, 6, (short) 1)
                .configs(Collections.singletonMap("max.message.bytes", "2000000")))).all().get();
            int partitions = 0;
            for (int i = 0; i < 100 && partitions == 0; i++) { // made before every thread of the broker has heard of it
                try {
                    partitions = described(admin, topic).get(topic).get().partitions().size();
                } catch (java.util.concurrent.ExecutionException e) {
                    if (!(e.getCause() instanceof org.apache.kafka.common.errors.UnknownTopicOrPartitionException)) throw e;
                    Thread.sleep(50);
                }
            }
            if (partitions != 6) throw new IllegalStateException(partitions + " partitions");
            ConfigResource resource = new ConfigResource(ConfigResource.Type.TOPIC, topic);
            String limit = admin.describeConfigs(Collections.singleton(resource)).all().get().get(resource)
                .get("max.message.bytes").value();
            if (!limit.equals("2000000")) throw new IllegalStateException("max.message.bytes=" + limit);
        }
    }

    // The result's method was renamed in 3.1, and the old name went in 4.0.
    @SuppressWarnings("unchecked")
    static Map<String, KafkaFuture<TopicDescription>> described(Admin admin, String topic) throws Exception {
        Object result = admin.describeTopics(Collections.singleton(topic));
        try {
            return (Map<String, KafkaFuture<TopicDescription>>) result.getClass().getMethod("topicNameValues").invoke(result);
        } catch (NoSuchMethodException e) {
            return (Map<String, KafkaFuture<TopicDescription>>) result.getClass().getMethod("values").invoke(result);
        }
    }

    // What every client of this test sends as its n-th record.
    static String key(int n) { return n % 5 == 0 ? null : "key-" + n % 17; }

    static String value(int n) { return n % 13 == 0 ? null : "välue-" + n; }

    // Carries out the commands of standard input, each with a client of its own.
    static void produce(String brokers, String topic) throws Exception {
        for (String line; (line = in.readLine()) != null; ) {
            JsonNode command = json.readTree(line);
            Properties p = new Properties();
            p.put("bootstrap.servers", brokers);
            p.put("compression.type", command.get("codec").asText());
            p.put("acks", "all");
            p.put("enable.idempotence", "true");
            p.put("max.in.flight.requests.per.connection", "5");
            p.put("delivery.timeout.ms", "90000");
            p.put("reconnect.backoff.max.ms", "500");
            AtomicReference<Exception> failed = new AtomicReference<>();
            try (KafkaProducer<String, String> producer = new KafkaProducer<>(p, new StringSerializer(), new StringSerializer())) {
                int first = command.get("first").asInt();
                for (int i = first; i < first + command.get("count").asInt(); i++) {
                    int n = i;
                    ProducerRecord<String, String> r = new ProducerRecord<>(topic, key(n), value(n));
                    r.headers().add("n", String.valueOf(n).getBytes(StandardCharsets.UTF_8));
                    producer.send(r, (meta, e) -> {
                        if (e != null) failed.set(e);
                        else emitRecord("acked", n, meta.partition(), meta.offset(), key(n), value(n));
                    });
                    if (command.get("pace_ms").asInt() > 0) Thread.sleep(command.get("pace_ms").asInt());
                }
                producer.flush();
            }
            if (failed.get() != null) throw failed.get();
            emit(event("produced"));
        }
    }

    // Reads as a member of a group until standard input ends, then commits and leaves.
    static void consume(String brokers, String topic, String group, String isolation) throws Exception {
        Thread end = new Thread(() -> {
            try {
                while (in.readLine() != null) { }
            } catch (IOException e) {
                // it is over as well
            }
        });
        end.setDaemon(true);
        end.start();
        Properties p = new Properties();
        p.put("bootstrap.servers", brokers);
        p.put("group.id", group);
        p.put("isolation.level", isolation);
        p.put("auto.offset.reset", "earliest");
        p.put("heartbeat.interval.ms", "300");
        p.put("session.timeout.ms", "10000");
        p.put("auto.commit.interval.ms", "500");
        p.put("metadata.max.age.ms", "2000");
        p.put("reconnect.backoff.max.ms", "500");
        p.put("partition.assignment.strategy", CooperativeStickyAssignor.class.getName());
        TreeSet<Integer> owned = new TreeSet<>();
        try (KafkaConsumer<String, String> consumer = new KafkaConsumer<>(p, new StringDeserializer(), new StringDeserializer())) {
            consumer.subscribe(Collections.singleton(topic), new ConsumerRebalanceListener() {
                void tell() {
                    Map<String, Object> e = event("assigned");
                    e.put("partitions", new ArrayList<>(owned));
                    emit(e);
                }

                @Override public void onPartitionsRevoked(Collection<TopicPartition> gone) {
                    owned.removeAll(numbers(gone));
                    tell();
                }

                @Override public void onPartitionsAssigned(Collection<TopicPartition> came) {
                    owned.addAll(numbers(came));
                    tell();
                }
            });
            while (end.isAlive()) {
                for (ConsumerRecord<String, String> r : consumer.poll(Duration.ofMillis(200))) {
                    int n = Integer.parseInt(new String(r.headers().lastHeader("n").value(), StandardCharsets.UTF_8));
                    emitRecord("record", n, r.partition(), r.offset(), r.key(), r.value());
                }
            }
        } // commits what was read
    }

    static List<Integer> numbers(Collection<TopicPartition> partitions) {
        return partitions.stream().map(TopicPartition::partition).collect(Collectors.toList());
    }
}
