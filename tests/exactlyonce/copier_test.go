package exactlyonce

import (
	"fmt"
	"io"
	"strconv"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/streamhouse/streamhouse/tests/peers"
)

// Apache Kafka's own program for this, TransactionalMessageCopier, copies a partition with
// the Java client and aborts at random, in both versions of the transaction protocol, while
// the program is killed and the broker is too.
func TestTransactionalMessageCopier(t *testing.T) {
	levels := []int16{2, 1}
	if *acceptance {
		levels = append(levels, 0)
	}
	java, err := peers.KafkaTools(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, level := range levels {
		t.Run(fmt.Sprintf("transaction.version %d", level), func(t *testing.T) { copiers(t, java, level) })
	}
}

func copiers(t *testing.T, java peers.Java, level int16) {
	const partitions = 2
	total, rounds := 10000, 1
	if *acceptance {
		total, rounds = 60000, 4
	}
	b := peers.Start(t, peers.Options{Kind: peers.Kind(*broker), Settings: map[string]string{
		"offsets.topic.num.partitions":         "4",
		"transaction.state.log.num.partitions": "4",
		// The program asks for its position before it takes its transactional id over, so what
		// it left open when it was killed has to time out.
		"transaction.abort.timed.out.transaction.cleanup.interval.ms": "1000",
	}})
	setTransactionVersion(t, b.Addr(), level)
	makeTopics(t, b.Addr(), partitions, "in", "out")
	writeNumbers(t, b.Addr(), "in", partitions, total)
	f := follow(t, b.Addr(), "out")
	begin := func(partition int) *program {
		return startProgram(t, java.Command("org.apache.kafka.tools.TransactionalMessageCopier", 128,
			"--broker-list", b.Addr(), "--input-topic", "in", "--input-partition", strconv.Itoa(partition), "--output-topic", "out",
			"--consumer-group", "copiers", "--transactional-id", fmt.Sprintf("copier-%d", partition), "--transaction-size", "20",
			"--enable-random-aborts", "--use-group-metadata", "--transaction-timeout", "5000"), io.Discard)
	}
	running := [partitions]*program{begin(0), begin(1)}
	// Apache Kafka may be away for longer than a transaction or the program's calls may take:
	// then the program ends with an error, and whoever runs it begins it again.
	fell := 0
	f.watch = func() {
		for i, p := range running {
			select {
			case <-p.Done():
				if p.Err() != nil {
					fell++
					running[i] = begin(i)
				}
			default:
			}
		}
	}
	end := ending(b)
	step := total / (3*rounds + 3)
	for i := range rounds {
		f.more(t, step)
		kill(t, end)
		restart(t, b)
		f.more(t, step)
		one := i % partitions
		kill(t, running[one].Kill)
		running[one] = begin(one)
		f.more(t, step)
		kill(t, end)
		restart(t, b)
	}
	f.reach(t, total)
	for _, p := range running {
		p.end(t) // each ends by itself at the end of its partition
	}
	got := readTopic(t, b.Addr(), "out", kgo.ReadCommitted())
	checkNumbers(t, got, partitions, total)
	checkNumbers(t, f.records, partitions, total)
	all := readTopic(t, b.Addr(), "out", kgo.ReadUncommitted())
	t.Logf("%d records copied; %d more were aborted; the program ended with an error %d times", len(got), len(all)-len(got), fell)
	if fell > 0 && peers.Kind(*broker) == peers.StreamHouse {
		t.Error("this broker is never away for long enough to end the program")
	}
	if len(all) == len(got) {
		t.Error("nothing was aborted")
	}
}
