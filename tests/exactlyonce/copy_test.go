package exactlyonce

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/streamhouse/streamhouse/tests/peers"
)

// In mode copy a program reads a topic in a group and writes each record to the partition
// of the same number of another topic, up to 20 records a transaction with the group's
// offsets in it. It aborts every fifth transaction and does it again. After an error it
// goes on as an application of its library does: it aborts, or makes a new producer, and
// reads on from the group's offsets. It prints what it did as JSON lines and ends when its
// standard input does.
//
//	copy ADDR TRANSACTIONAL-ID GROUP IN OUT
//
// While it copies, the broker (see ending) and the program itself are killed. In the end the
// copy is the original, record by record.
func TestCopy(t *testing.T) {
	for _, level := range levels() {
		for _, c := range clients {
			t.Run(fmt.Sprintf("%s/transaction.version %d", c.name, level), func(t *testing.T) { copies(t, c.build(t), level) })
		}
	}
}

// levels are the versions of the transaction protocol that the broker is set to.
func levels() []int16 {
	if *acceptance {
		return []int16{2, 1, 0}
	}
	return []int16{2}
}

func copies(t *testing.T, command func(...string) peers.Command, level int16) {
	total, rounds := 6000, 1
	if *acceptance {
		total, rounds = 20000, 3
	}
	const partitions = 2
	b := peers.Start(t, peers.Options{Kind: peers.Kind(*broker), Settings: map[string]string{
		"group.initial.rebalance.delay.ms":     "0",
		"group.min.session.timeout.ms":         "1000",
		"offsets.topic.num.partitions":         "4",
		"transaction.state.log.num.partitions": "4",
	}})
	setTransactionVersion(t, b.Addr(), level)
	makeTopics(t, b.Addr(), partitions, "in", "out")
	writeNumbers(t, b.Addr(), "in", partitions, total)
	seen := &progress{}
	begin := func() *program {
		return startProgram(t, command("copy", b.Addr(), "copier", "copiers", "in", "out"), seen.reader(t))
	}
	running := begin()
	end := ending(b)
	step := max(total/20/(4*rounds+2), 1)
	for range rounds {
		seen.more(t, step)
		kill(t, end)
		restart(t, b)
		seen.more(t, step)
		kill(t, running.Kill)
		running = begin()
		seen.more(t, step)
		// Both at once: what was open has nobody but its successor to end it.
		kill(t, running.Kill)
		kill(t, end)
		restart(t, b)
		running = begin()
	}
	f := follow(t, b.Addr(), "out")
	f.reach(t, total)
	running.end(t)
	got := readTopic(t, b.Addr(), "out", kgo.ReadCommitted())
	checkNumbers(t, got, partitions, total)
	all := readTopic(t, b.Addr(), "out", kgo.ReadUncommitted())
	t.Logf("%d records copied in %d transactions, %d aborted on purpose, %d faults seen by the program; %d records were aborted",
		len(got), seen.committed, seen.aborted, seen.faults, len(all)-len(got))
	if seen.committed < total/40 || seen.aborted < total/200 || len(all) == len(got) {
		t.Error("too little happened")
	}
}

// ending is how copies end the broker: ours is killed. Apache Kafka is stopped in order: if it
// is killed between the decision on a transaction and its markers, a Kafka of one node may
// complete it without any when it starts again. The records of a committed one are then lost,
// and offsets of an aborted one stay unstable for good (docs/track-record.md).
func ending(b *peers.Broker) func() error {
	if peers.Kind(*broker) == peers.Kafka {
		return b.Stop
	}
	return b.Kill
}

func restart(t *testing.T, b *peers.Broker) {
	t.Helper()
	if err := b.Start(peers.Context(t, peers.StartTimeout)); err != nil {
		t.Fatal(err)
	}
}

// writeNumbers writes the numbers below total, each to the partition that is left when it is
// divided by their count.
func writeNumbers(t *testing.T, addr, topic string, partitions, total int) {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(addr), kgo.DefaultProduceTopic(topic), kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.ProducerBatchCompression(kgo.NoCompression())) // not every client has snappy
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	records := make([]*kgo.Record, total)
	for i := range records {
		records[i] = &kgo.Record{Partition: int32(i % partitions), Value: []byte(strconv.Itoa(i))}
	}
	if err := client.ProduceSync(peers.Context(t, patience), records...).FirstErr(); err != nil {
		t.Fatal(err)
	}
}

// checkNumbers holds a topic against what writeNumbers wrote: nothing is missing, nothing is
// there twice, and each partition is in order.
func checkNumbers(t *testing.T, got []*kgo.Record, partitions, total int) {
	t.Helper()
	next := make([]int, partitions)
	for p := range next {
		next[p] = p
	}
	wrong := 0
	for _, r := range got {
		n, err := strconv.Atoi(string(r.Value))
		if err != nil {
			t.Fatal(err)
		}
		if n != next[r.Partition] {
			if wrong++; wrong <= 10 {
				t.Errorf("%s-%d offset %d: %d instead of %d", r.Topic, r.Partition, r.Offset, n, next[r.Partition])
			}
		}
		next[r.Partition] = n + partitions
	}
	for p, n := range next {
		if n < total {
			t.Errorf("partition %d ends before %d", p, n)
		}
	}
	if len(got) != total {
		t.Errorf("%d records instead of %d", len(got), total)
	}
}

// progress counts what programs say that they did.
type progress struct {
	mu                         sync.Mutex
	committed, aborted, faults int
	wrong                      error
}

// reader returns what one program's standard output is written to, until the test ends.
func (p *progress) reader(t *testing.T) io.Writer {
	r, w := io.Pipe()
	done := make(chan struct{})
	go func() {
		defer close(done)
		lines := bufio.NewScanner(r)
		for lines.Scan() {
			p.add(lines.Bytes())
		}
	}()
	t.Cleanup(func() {
		w.Close()
		<-done
	})
	return w
}

func (p *progress) add(line []byte) {
	var e struct {
		Committed, Aborted int
		Fault              string
	}
	err := json.Unmarshal(line, &e)
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case err != nil:
		// A program that is killed may have been in the middle of a line.
		p.wrong = fmt.Errorf("%q: %w", line, err)
	case e.Committed > 0:
		p.committed++
	case e.Aborted > 0:
		p.aborted++
	default:
		p.faults++
	}
}

// more waits for further transactions to be committed.
func (p *progress) more(t *testing.T, count int) {
	t.Helper()
	p.mu.Lock()
	want := p.committed + count
	p.mu.Unlock()
	for deadline := time.Now().Add(patience); ; time.Sleep(5 * time.Millisecond) {
		p.mu.Lock()
		have, faults, wrong := p.committed, p.faults, p.wrong
		p.mu.Unlock()
		if have >= want {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d of %d transactions were committed within %v; %d faults, %v", have, want, patience, faults, wrong)
		}
	}
}
