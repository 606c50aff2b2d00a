package clients

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/streamhouse/streamhouse/tests/peers"
)

// javaTools runs Apache Kafka's command line tools against one broker.
type javaTools struct {
	peers.Java
	broker *peers.Broker
}

const tools = "org.apache.kafka.tools."

// command is a tool's command line; --bootstrap-server is added.
func (j javaTools) command(class string, args ...string) peers.Command {
	return j.Command(class, 192, append([]string{"--bootstrap-server", j.broker.Addr()}, args...)...)
}

// call runs a tool to its end and returns what it printed, which must have every one of
// the wanted parts.
func (j javaTools) call(t *testing.T, want []string, class string, args ...string) string {
	t.Helper()
	out, err := j.command(class, args...).Run(peers.Context(t, patience), "")
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range want {
		if !strings.Contains(out, part) {
			t.Errorf("%s %s: no %q in:\n%s", class, strings.Join(args, " "), part, out)
		}
	}
	return out
}

// consoleConsumer starts kafka-console-consumer as a member of a group.
func (j javaTools) consoleConsumer(t *testing.T, topic, group string) *program {
	t.Helper()
	return startParsed(t, "kafka-console-consumer", j.command(tools+"consumer.ConsoleConsumer",
		"--topic", topic, "--group", group, "--from-beginning",
		"--formatter-property", "print.key=true", "--formatter-property", "print.partition=true",
		"--formatter-property", "print.offset=true", "--formatter-property", "key.separator=|",
		"--command-property", "heartbeat.interval.ms=300", "--command-property", "metadata.max.age.ms=2000",
		"--command-property", "auto.commit.interval.ms=500"), parseConsole)
}

// parseConsole reads a line of kafka-console-consumer: Partition:0|Offset:5|key|value.
func parseConsole(line string) (event, error) {
	var e event
	part := strings.Split(line, "|")
	if len(part) != 4 {
		return e, fmt.Errorf("%d parts", len(part))
	}
	if _, err := fmt.Sscanf(part[0]+" "+part[1], "Partition:%d Offset:%d", &e.Partition, &e.Offset); err != nil {
		return e, err
	}
	n, err := strconv.Atoi(strings.TrimPrefix(part[3], "välue-"))
	e.Event, e.N, e.Key, e.Value = "record", n, &part[2], &part[3]
	return e, err
}

// verifiableConsumer starts kafka-verifiable-consumer as a member of a group.
func (j javaTools) verifiableConsumer(t *testing.T, topic, group string) *program {
	t.Helper()
	return startParsed(t, "kafka-verifiable-consumer", j.command(tools+"VerifiableConsumer",
		"--topic", topic, "--group-id", group, "--reset-policy", "earliest", "--verbose",
		"--group-protocol", "classic", "--session-timeout", "10000"), parseVerifiable)
}

// verifiableProducer starts kafka-verifiable-producer, which sends the numbers from 0.
func (j javaTools) verifiableProducer(t *testing.T, topic, config string, records, perSecond int) *program {
	t.Helper()
	return startParsed(t, "kafka-verifiable-producer", j.command(tools+"VerifiableProducer",
		"--topic", topic, "--max-messages", strconv.Itoa(records), "--throughput", strconv.Itoa(perSecond),
		"--acks", "-1", "--command-config", config), parseVerifiable)
}

// parseVerifiable reads a JSON line of a verifiable tool. Lines that tell nothing here
// become events without a meaning.
func parseVerifiable(line string) (event, error) {
	var l struct {
		Name       string
		Partition  int32
		Offset     int64
		Value      string
		Message    string
		Partitions json.RawMessage
	}
	if err := json.Unmarshal([]byte(line), &l); err != nil {
		return event{}, err
	}
	e := event{Event: l.Name, Partition: l.Partition, Offset: l.Offset, Value: &l.Value}
	switch l.Name {
	case "producer_send_success", "record_data":
		e.Event = map[string]string{"producer_send_success": "acked", "record_data": "record"}[l.Name]
		n, err := strconv.Atoi(l.Value)
		e.N = n
		return e, err
	case "producer_send_error":
		e.Event, e.Error = "error", l.Message
	case "partitions_assigned":
		var owned []struct{ Partition int32 }
		e.Event = "assigned"
		err := json.Unmarshal(l.Partitions, &owned)
		for _, o := range owned {
			e.Partitions = append(e.Partitions, o.Partition)
		}
		return e, err
	case "partitions_revoked":
		e.Event = "assigned"
	}
	return e, nil
}
