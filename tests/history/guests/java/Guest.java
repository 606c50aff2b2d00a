// Apache Kafka's Java client as a guest of a load; README.md in the folder above says what it
// is told. One source for versions 2.8 to 4.4.

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import org.apache.kafka.clients.consumer.ConsumerGroupMetadata;
import org.apache.kafka.clients.consumer.ConsumerRebalanceListener;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.ConsumerRecords;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.AuthorizationException;
import org.apache.kafka.common.errors.InvalidProducerEpochException;
import org.apache.kafka.common.errors.OutOfOrderSequenceException;
import org.apache.kafka.common.errors.ProducerFencedException;
import org.apache.kafka.common.errors.TimeoutException;
import org.apache.kafka.common.errors.UnsupportedVersionException;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;

public class Guest implements ConsumerRebalanceListener {
    static final ObjectMapper json = new ObjectMapper();
    // A client that is dropped has this long to say goodbye.
    static final Duration GOODBYE = Duration.ofSeconds(2);
    static final Duration MOMENT = Duration.ofMillis(100);

    final JsonNode config;
    KafkaProducer<byte[], byte[]> producer;
    KafkaConsumer<byte[], byte[]> reader;
    KafkaConsumer<byte[], byte[]> member;
    ConsumerGroupMetadata taken;
    long assignment;

    Guest(JsonNode config) {
        this.config = config;
    }

    public static void main(String[] args) throws IOException {
        PrintStream out = new PrintStream(System.out, true, StandardCharsets.UTF_8);
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        Guest guest = new Guest(json.readTree(args[0]));
        for (String line = in.readLine(); line != null; line = in.readLine()) {
            ObjectNode answer = json.createObjectNode();
            try {
                guest.carryOut(json.readTree(line), answer);
            } catch (RuntimeException | InterruptedException e) { // whatever it is, it is what the library said
                answer = json.createObjectNode();
                answer.put("error", e.toString());
                answer.put("abort", abortable(e));
            }
            out.println(json.writeValueAsString(answer));
        }
        System.exit(0);
    }

    // What the producer's documentation says of errors: these leave it of no use, a timeout
    // leaves the end of the transaction open, and after any other the transaction is aborted.
    static boolean abortable(Exception e) {
        return e instanceof KafkaException && !(e instanceof ProducerFencedException || e instanceof OutOfOrderSequenceException || e instanceof AuthorizationException
            || e instanceof UnsupportedVersionException || e instanceof InvalidProducerEpochException || e instanceof TimeoutException);
    }

    void carryOut(JsonNode command, ObjectNode answer) throws InterruptedException {
        switch (command.get("do").asText()) {
            case "open": open(); break;
            case "begin": producer.beginTransaction(); break;
            case "send": send(command.get("records"), answer.putArray("records")); break;
            case "offsets": producer.sendOffsetsToTransaction(offsets(command), taken); break;
            case "commit": producer.commitTransaction(); break;
            case "abort": producer.abortTransaction(); break;
            case "read": read(command); break;
            case "poll": poll(answer.putArray("parts")); break;
            case "take": take(answer.putArray("parts")); break;
            case "drop": drop(command.get("what").asText()); break;
            default: throw new IllegalArgumentException(command.toString());
        }
    }

    Properties client() {
        Properties p = new Properties();
        p.put("bootstrap.servers", config.get("brokers").asText());
        p.put("request.timeout.ms", config.get("request_timeout_ms").asText());
        p.put("reconnect.backoff.ms", "20");
        p.put("reconnect.backoff.max.ms", "200");
        p.put("retry.backoff.ms", "20");
        return p;
    }

    void open() {
        drop("producer");
        Properties p = client();
        p.put("transactional.id", config.get("transactional_id").asText());
        p.put("transaction.timeout.ms", config.get("txn_timeout_ms").asText());
        p.put("max.block.ms", config.get("patience_ms").asText());
        p.put("delivery.timeout.ms", config.get("patience_ms").asText());
        p.put("key.serializer", ByteArraySerializer.class.getName());
        p.put("value.serializer", ByteArraySerializer.class.getName());
        KafkaProducer<byte[], byte[]> made = new KafkaProducer<>(p);
        try {
            made.initTransactions();
        } catch (KafkaException e) {
            made.close(GOODBYE);
            throw e;
        }
        producer = made;
    }

    void send(JsonNode records, ArrayNode sent) throws InterruptedException {
        List<Future<RecordMetadata>> waits = new ArrayList<>();
        for (JsonNode r : records) {
            Future<RecordMetadata> wait = null;
            String error = null;
            try {
                wait = producer.send(new ProducerRecord<>(r.get("topic").asText(), r.get("partition").asInt(), null, binary(r.get("value"))));
            } catch (KafkaException e) {
                error = e.toString();
            }
            waits.add(wait);
            sent.addObject().put("error", error);
        }
        for (int i = 0; i < waits.size(); i++) {
            if (waits.get(i) == null) {
                continue;
            }
            ObjectNode one = (ObjectNode) sent.get(i);
            try {
                one.put("offset", waits.get(i).get(config.get("patience_ms").asLong(), TimeUnit.MILLISECONDS).offset());
            } catch (ExecutionException | java.util.concurrent.TimeoutException e) {
                one.put("error", e.toString());
            }
        }
    }

    static byte[] binary(JsonNode text) {
        return java.util.Base64.getDecoder().decode(text.asText());
    }

    static Map<TopicPartition, OffsetAndMetadata> offsets(JsonNode command) {
        Map<TopicPartition, OffsetAndMetadata> all = new HashMap<>();
        for (JsonNode o : command.get("offsets")) {
            all.put(new TopicPartition(o.get("topic").asText(), o.get("partition").asInt()), new OffsetAndMetadata(o.get("offset").asLong()));
        }
        return all;
    }

    KafkaConsumer<byte[], byte[]> consumer(String isolation, int max) {
        Properties p = client();
        p.put("isolation.level", isolation);
        p.put("auto.offset.reset", "earliest");
        p.put("enable.auto.commit", "false");
        p.put("fetch.max.wait.ms", "50");
        p.put("max.poll.records", String.valueOf(max));
        p.put("session.timeout.ms", config.get("session_timeout_ms").asText());
        p.put("heartbeat.interval.ms", "300");
        p.put("key.deserializer", ByteArrayDeserializer.class.getName());
        p.put("value.deserializer", ByteArrayDeserializer.class.getName());
        p.put("group.id", config.get("group").asText());
        return new KafkaConsumer<>(p);
    }

    void read(JsonNode command) {
        reader = consumer(command.get("isolation").asText(), 200);
        Map<TopicPartition, OffsetAndMetadata> from = offsets(command);
        reader.assign(from.keySet());
        from.forEach((at, o) -> reader.seek(at, o.offset()));
    }

    void poll(ArrayNode parts) {
        Map<TopicPartition, Long> from = new LinkedHashMap<>();
        for (TopicPartition at : reader.assignment()) {
            from.put(at, reader.position(at));
        }
        ConsumerRecords<byte[], byte[]> got = reader.poll(MOMENT);
        for (TopicPartition at : from.keySet()) {
            part(parts, at, got).put("from", from.get(at)).put("next", reader.position(at));
        }
    }

    ObjectNode part(ArrayNode parts, TopicPartition at, ConsumerRecords<byte[], byte[]> got) {
        ObjectNode part = parts.addObject().put("topic", at.topic()).put("partition", at.partition());
        ArrayNode records = part.putArray("records");
        for (ConsumerRecord<byte[], byte[]> r : got.records(at)) {
            records.addObject().put("offset", r.offset()).put("value", r.value());
        }
        return part;
    }

    void take(ArrayNode parts) {
        if (member == null) {
            member = consumer("read_committed", config.get("take_max").asInt());
            member.subscribe(List.of(config.get("in").asText()), this);
        }
        ConsumerRecords<byte[], byte[]> got = member.poll(MOMENT);
        for (TopicPartition at : got.partitions()) {
            part(parts, at, got).put("assignment", assignment);
        }
        taken = member.groupMetadata();
    }

    @Override
    public void onPartitionsAssigned(Collection<TopicPartition> partitions) {
        assignment++;
    }

    @Override
    public void onPartitionsRevoked(Collection<TopicPartition> partitions) {
    }

    void drop(String what) {
        switch (what) {
            case "producer":
                if (producer != null) {
                    producer.close(GOODBYE);
                }
                producer = null;
                break;
            case "reader":
                close(reader);
                reader = null;
                break;
            case "member":
                close(member);
                member = null;
                break;
            default: throw new IllegalArgumentException(what);
        }
    }

    @SuppressWarnings("deprecation") // what replaces it is not in the older versions
    static void close(KafkaConsumer<byte[], byte[]> consumer) {
        if (consumer == null) {
            return;
        }
        try {
            consumer.close(GOODBYE);
        } catch (KafkaException e) {
            System.err.println("close: " + e); // it is closed all the same
        }
    }
}
