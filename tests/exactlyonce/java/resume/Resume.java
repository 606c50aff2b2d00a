// A transaction that one process begins and another commits, as Apache Flink does after a
// checkpoint: the second one has no call of the client for that, so it puts the producer
// into the state that the first one was in.
//
//     begin  ADDR TRANSACTIONAL-ID TOPIC         prints producer id and epoch, and dies
//     resume ADDR TRANSACTIONAL-ID ID EPOCH      commits what the first one wrote

import java.lang.reflect.Field;
import java.lang.reflect.Method;
import java.util.Map;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.serialization.StringSerializer;
import org.apache.kafka.common.utils.internals.ProducerIdAndEpoch;

public class Resume {
    public static void main(String[] args) throws Exception {
        KafkaProducer<String, String> producer = new KafkaProducer<>(Map.of("bootstrap.servers", args[1],
            "transactional.id", args[2], "linger.ms", 0), new StringSerializer(), new StringSerializer());
        Object manager = field(producer, "transactionManager").get(producer);
        if (args[0].equals("begin")) {
            producer.initTransactions();
            producer.beginTransaction();
            for (int partition = 0; partition < 2; partition++) {
                producer.send(new ProducerRecord<>(args[3], partition, null, "written by the first")).get();
            }
            ProducerIdAndEpoch is = (ProducerIdAndEpoch) field(manager, "producerIdAndEpoch").get(manager);
            System.out.println(is.producerId + " " + is.epoch);
            System.out.flush();
            Runtime.getRuntime().halt(0);
        }
        synchronized (manager) {
            move(manager, "INITIALIZING");
            Object partitions = field(manager, "txnPartitionMap").get(manager);
            Method reset = partitions.getClass().getDeclaredMethod("reset");
            reset.setAccessible(true);
            reset.invoke(partitions);
            field(manager, "producerIdAndEpoch").set(manager, new ProducerIdAndEpoch(Long.parseLong(args[3]), Short.parseShort(args[4])));
            move(manager, "READY");
            move(manager, "IN_TRANSACTION");
            field(manager, "transactionStarted").set(manager, true);
        }
        producer.commitTransaction();
        System.exit(0);
    }

    static Field field(Object of, String name) throws Exception {
        Field f = of.getClass().getDeclaredField(name);
        f.setAccessible(true);
        return f;
    }

    @SuppressWarnings({"unchecked", "rawtypes"})
    static void move(Object manager, String state) throws Exception {
        Class states = Class.forName(manager.getClass().getName() + "$State");
        Method transition = manager.getClass().getDeclaredMethod("transitionTo", states);
        transition.setAccessible(true);
        transition.invoke(manager, Enum.valueOf(states, state));
    }
}
