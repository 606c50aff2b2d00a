// Transactions of Apache Kafka's Java client; fence_test.go says what this does.

import java.util.List;
import java.util.Map;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.serialization.StringSerializer;

public class Fence {
    interface Step {
        void run() throws Exception;
    }

    static void fact(String name, Step step) {
        String result = "ok";
        try {
            step.run();
        } catch (Exception e) {
            Throwable cause = e.getCause() == null ? e : e.getCause();
            result = e.getClass().getSimpleName() + ", " + cause.getClass().getSimpleName();
        }
        System.out.println("{\"fact\": \"" + name + "\", \"result\": \"" + result + "\"}");
    }

    static KafkaProducer<String, String> producer(String brokers, String id, Object timeoutMs) {
        return new KafkaProducer<>(Map.of("bootstrap.servers", brokers, "transactional.id", id, "linger.ms", 0,
            "transaction.timeout.ms", timeoutMs), new StringSerializer(), new StringSerializer());
    }

    public static void main(String[] args) {
        String brokers = args[1], id = args[2], topic = args[3];
        ProducerRecord<String, String> late = new ProducerRecord<>(topic, 0, null, "late");
        // None is closed: a fenced one may take its time, and the process ends anyway.
        KafkaProducer<String, String> first = producer(brokers, id, 20000);
        KafkaProducer<String, String> second = producer(brokers, id, 20000);
        KafkaProducer<String, String> other = producer(brokers, id + "-slow", 2000000000);
        Admin admin = Admin.create(Map.of("bootstrap.servers", brokers));
        first.initTransactions();
        fact("it begins", first::beginTransaction);
        fact("it writes", () -> first.send(new ProducerRecord<>(topic, 0, null, "first")).get());
        second.initTransactions();
        fact("fenced, it writes", () -> first.send(late).get());
        fact("fenced, it commits", first::commitTransaction);
        fact("fenced, it aborts", first::abortTransaction);
        fact("fenced, it begins", first::beginTransaction);
        fact("it commits without a transaction", second::commitTransaction);
        fact("it begins", second::beginTransaction);
        fact("it writes", () -> second.send(new ProducerRecord<>(topic, 0, null, "second")).get());
        fact("it commits", second::commitTransaction);
        fact("it begins", second::beginTransaction);
        fact("it commits an empty one", second::commitTransaction);
        fact("it begins", second::beginTransaction);
        fact("it writes", () -> second.send(new ProducerRecord<>(topic, 0, null, "aborted")).get());
        fact("it aborts", second::abortTransaction);
        fact("it begins", second::beginTransaction);
        fact("it writes", () -> second.send(new ProducerRecord<>(topic, 0, null, "aborted")).get());
        fact("an administrator fences it", () -> admin.fenceProducers(List.of(id)).all().get());
        fact("fenced, it commits", second::commitTransaction);
        fact("a timeout above the broker's", other::initTransactions);
        System.exit(0);
    }
}
