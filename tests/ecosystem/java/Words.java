// Kafka Streams counting words, exactly once, in two stores: of all time, and in windows of a
// minute. Every count goes to the output.
//
//     java -cp LIBS Words.java ADDR APPLICATION IN OUT STATE-FOLDER
//
// It prints its states, one a line, and runs until standard input ends, or it is killed.

import java.io.IOException;
import java.time.Duration;
import java.util.Arrays;
import java.util.Properties;
import java.util.concurrent.CountDownLatch;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.errors.StreamsUncaughtExceptionHandler.StreamThreadExceptionResponse;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.Grouped;
import org.apache.kafka.streams.kstream.KGroupedStream;
import org.apache.kafka.streams.kstream.Materialized;
import org.apache.kafka.streams.kstream.Produced;
import org.apache.kafka.streams.kstream.TimeWindows;

public class Words {
    public static void main(String[] args) throws Exception {
        StreamsBuilder builder = new StreamsBuilder();
        KGroupedStream<String, String> words = builder.stream(args[2], Consumed.with(Serdes.String(), Serdes.String()))
            .flatMapValues(line -> Arrays.asList(line.split(" ")))
            .groupBy((key, word) -> word, Grouped.with("words", Serdes.String(), Serdes.String()));
        words.count(Materialized.as("counts"))
            .toStream()
            .mapValues(String::valueOf)
            .to(args[3], Produced.with(Serdes.String(), Serdes.String()));
        words.windowedBy(TimeWindows.ofSizeWithNoGrace(Duration.ofMinutes(1)))
            .count(Materialized.as("windows"));

        KafkaStreams streams = new KafkaStreams(builder.build(), config(args));
        // What a thread cannot go on from, another one can: that is what the state is for.
        streams.setUncaughtExceptionHandler(e -> {
            System.err.println("thread replaced: " + e);
            return StreamThreadExceptionResponse.REPLACE_THREAD;
        });
        CountDownLatch end = new CountDownLatch(1);
        Thread input = new Thread(() -> {
            try {
                while (System.in.read() >= 0) { }
            } catch (IOException e) {
                // it is over as well
            }
            end.countDown();
        });
        input.setDaemon(true);
        input.start();
        streams.setStateListener((now, before) -> System.out.println(now));
        streams.start();
        end.await();
        System.exit(streams.close(Duration.ofSeconds(30)) ? 0 : 1);
    }

    static Properties config(String[] args) {
        Properties c = new Properties();
        c.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, args[0]);
        c.put(StreamsConfig.APPLICATION_ID_CONFIG, args[1]);
        c.put(StreamsConfig.STATE_DIR_CONFIG, args[4]);
        c.put(StreamsConfig.PROCESSING_GUARANTEE_CONFIG, StreamsConfig.EXACTLY_ONCE_V2);
        c.put(StreamsConfig.COMMIT_INTERVAL_MS_CONFIG, 100);
        c.put(StreamsConfig.STATESTORE_CACHE_MAX_BYTES_CONFIG, 0); // every count is forwarded
        c.put(StreamsConfig.REPARTITION_PURGE_INTERVAL_MS_CONFIG, 500);
        c.put(StreamsConfig.DEFAULT_KEY_SERDE_CLASS_CONFIG, Serdes.StringSerde.class);
        c.put(StreamsConfig.DEFAULT_VALUE_SERDE_CLASS_CONFIG, Serdes.StringSerde.class);
        c.put(StreamsConfig.topicPrefix("min.cleanable.dirty.ratio"), "0.01");
        c.put(StreamsConfig.topicPrefix("max.compaction.lag.ms"), "10000");
        c.put(StreamsConfig.producerPrefix("linger.ms"), 0);
        c.put(StreamsConfig.consumerPrefix("auto.offset.reset"), "earliest");
        c.put(StreamsConfig.consumerPrefix("max.poll.records"), 100);
        // A process that was killed is found to be gone by its session.
        c.put(StreamsConfig.mainConsumerPrefix("session.timeout.ms"), 2000);
        c.put(StreamsConfig.mainConsumerPrefix("heartbeat.interval.ms"), 300);
        c.put(StreamsConfig.consumerPrefix("request.timeout.ms"), 5000);
        c.put("reconnect.backoff.max.ms", 200);
        return c;
    }
}
