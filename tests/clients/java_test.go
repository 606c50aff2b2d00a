package clients

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/streamhouse/streamhouse/tests/peers"
)

// overJava runs a test of the Java tools over every storage.
func overJava(t *testing.T, test func(t *testing.T, j javaTools)) {
	t.Helper()
	java, err := peers.KafkaTools(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	overStorages(t, true, func(t *testing.T, over storage) { test(t, javaTools{java, peers.Start(t, options(t, over))}) })
}

// kafka-topics, kafka-configs, kafka-console-producer, kafka-console-consumer and
// kafka-consumer-groups.
func TestJavaConsoleTools(t *testing.T) {
	t.Parallel()
	overJava(t, testJavaConsoleTools)
}

func testJavaConsoleTools(t *testing.T, j javaTools) {
	const topic, group, perStep = "console", "console-group", 300
	j.call(t, []string{"Created topic console."}, tools+"TopicCommand", "--create", "--topic", topic,
		"--partitions", "3", "--replication-factor", "1", "--config", "max.message.bytes=2000000")
	j.call(t, []string{"Completed updating"}, "kafka.admin.ConfigCommand", "--alter", "--entity-type", "topics",
		"--entity-name", topic, "--add-config", "retention.ms=360000000,compression.type=producer")
	j.call(t, []string{"retention.ms=360000000", "max.message.bytes=2000000", "DYNAMIC_TOPIC_CONFIG"},
		"kafka.admin.ConfigCommand", "--describe", "--entity-type", "topics", "--entity-name", topic)
	j.call(t, nil, tools+"TopicCommand", "--alter", "--topic", topic, "--partitions", "6")
	j.call(t, []string{"PartitionCount: 6", "Partition: 5\tLeader: ", "retention.ms=360000000"},
		tools+"TopicCommand", "--describe", "--topic", topic)

	producer := startParsed(t, "kafka-console-producer", j.command(tools+"ConsoleProducer", "--topic", topic,
		"--reader-property", "parse.key=true", "--reader-property", "key.separator=|",
		"--compression-codec", "gzip", "--command-property", "linger.ms=5",
		"--command-property", "enable.idempotence=true", "--command-property", "delivery.timeout.ms=120000"),
		func(line string) (event, error) { return event{Event: line}, nil })
	sent := 0
	send := func() {
		var text strings.Builder
		for range perStep {
			fmt.Fprintf(&text, "key-%d|välue-%d\n", sent%17, sent)
			sent++
		}
		producer.write(t, text.String())
	}
	c := &consoleGroup{}
	send()
	c.add(j.consoleConsumer(t, topic, group))
	c.waitForAll(t, sent)
	c.add(j.consoleConsumer(t, topic, group))
	c.waitForSplit(t, j, topic, group)
	send()
	c.waitForAll(t, sent)

	if err := j.broker.Kill(); err != nil {
		t.Fatal(err)
	}
	send()
	if err := j.broker.Start(peers.Context(t, peers.StartTimeout)); err != nil {
		t.Fatal(err)
	}
	c.waitForAll(t, sent)

	c.members[1].end(t, true)
	send()
	c.waitForAll(t, sent)
	producer.end(t, false)
	c.members[0].end(t, true)
	c.check(t, sent)
	checkCommits(t, j.broker.Addr(), topic, group, sent)

	j.call(t, []string{group, topic}, tools+"consumer.group.ConsumerGroupCommand", "--describe", "--group", group)
	j.call(t, []string{topic}, tools+"consumer.group.ConsumerGroupCommand", "--reset-offsets", "--group", group,
		"--topic", topic, "--to-earliest", "--execute")
	j.call(t, []string{"was successful"}, tools+"consumer.group.ConsumerGroupCommand", "--delete", "--group", group)
	j.call(t, nil, tools+"TopicCommand", "--delete", "--topic", topic)
	if out := j.call(t, nil, tools+"TopicCommand", "--list"); strings.Contains(out, topic) {
		t.Errorf("a deleted topic is listed: %s", out)
	}
}

// kafka-verifiable-producer and kafka-verifiable-consumer.
func TestJavaVerifiableTools(t *testing.T) {
	t.Parallel()
	overJava(t, testJavaVerifiableTools)
}

func testJavaVerifiableTools(t *testing.T, j javaTools) {
	const topic, group, records, perSecond = "verifiable", "verifiable-group", 3000, 300
	j.call(t, nil, tools+"TopicCommand", "--create", "--topic", topic, "--partitions", strconv.Itoa(partitions))
	config := filepath.Join(peers.Folder(t), "producer.properties")
	text := "compression.type=snappy\nenable.idempotence=true\ndelivery.timeout.ms=120000\nretries=2147483647\nmax.in.flight.requests.per.connection=5\n"
	if err := os.WriteFile(config, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	s := &scenario{client: client{name: "verifiable"}, broker: j.broker, topic: topic, group: group, sent: records}
	s.producer = j.verifiableProducer(t, topic, config, records, perSecond)
	s.members = append(s.members, j.verifiableConsumer(t, topic, group))
	s.waitForBalance(t, partitions, s.members...)
	s.members = append(s.members, j.verifiableConsumer(t, topic, group))
	s.waitForBalance(t, partitions/2, s.members...)
	for _, end := range []func() error{j.broker.Stop, j.broker.Kill} {
		before := count(s.producer.snapshot(), "acked")
		s.producer.wait(t, "more acknowledgements", patience, func(events []event) bool {
			return count(events, "acked") > min(before+100, records-1)
		})
		if err := end(); err != nil {
			t.Fatal(err)
		}
		if err := j.broker.Start(peers.Context(t, peers.StartTimeout)); err != nil {
			t.Fatal(err)
		}
	}
	s.producer.wait(t, "its end", patience, func(events []event) bool {
		return count(events, "shutdown_complete") == 1
	})
	s.waitForAll(t)
	s.members[1].end(t, true)
	s.members[0].end(t, true)
	s.checkPlaces(t, func(n int) (key, value *string) { v := strconv.Itoa(n); return nil, &v })
	s.checkCommits(t)
}

// kafka-producer-perf-test with the codecs that no other tool here uses, and
// kafka-consumer-perf-test, with a restart between them.
func TestJavaPerformanceTools(t *testing.T) {
	t.Parallel()
	overJava(t, testJavaPerformanceTools)
}

func testJavaPerformanceTools(t *testing.T, j javaTools) {
	const topic, records = "performance", 20000
	j.call(t, nil, tools+"TopicCommand", "--create", "--topic", topic, "--partitions", "4")
	for i, codec := range []string{"none", "lz4", "zstd"} {
		j.call(t, []string{fmt.Sprintf("%d records sent", records)}, tools+"ProducerPerformance",
			"--topic", topic, "--num-records", strconv.Itoa(records), "--record-size", "300", "--throughput", "-1",
			"--command-property", "compression.type="+codec, "--command-property", "acks=all")
		if i == 1 {
			if err := j.broker.Kill(); err != nil {
				t.Fatal(err)
			}
			if err := j.broker.Start(peers.Context(t, peers.StartTimeout)); err != nil {
				t.Fatal(err)
			}
		}
	}
	out := j.call(t, nil, tools+"ConsumerPerformance", "--topic", topic, "--num-records", strconv.Itoa(3*records),
		"--group", "performance-group", "--timeout", "30000")
	if !regexp.MustCompile(fmt.Sprintf(`, %d, `, 3*records)).MatchString(out) {
		t.Errorf("kafka-consumer-perf-test did not read %d records:\n%s", 3*records, out)
	}
	j.call(t, []string{fmt.Sprintf("%s:0:", topic), fmt.Sprintf("%s:3:", topic)}, tools+"GetOffsetShell", "--topic", topic)
}
