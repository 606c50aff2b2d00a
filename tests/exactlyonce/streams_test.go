package exactlyonce

import (
	"context"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/streamhouse/streamhouse/tests/peers"
)

// Kafka Streams counts words with exactly_once_v2 while it and the broker are killed: the
// output has the counts 1 to n of each word once each and in order, and n is how often the
// word was written.
func TestStreamsWordCount(t *testing.T) {
	rounds, instances := 1, 1
	if *acceptance {
		rounds, instances = 5, 2
	}
	java, err := peers.KafkaStreams(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	counting := compileJava(t, java, "streams")
	b := peers.Start(t, peers.Options{Kind: peers.Kind(*broker), Settings: map[string]string{
		"group.initial.rebalance.delay.ms": "0",
		"group.min.session.timeout.ms":     "1000", // a killed member is gone soon
	}})
	makeTopics(t, b.Addr(), 2, "lines", "counts")
	w := writeWords(t, b.Addr(), "lines")
	state := peers.Folder(t)
	running := make([]*program, instances)
	begin := func(i int) {
		running[i] = startProgram(t, counting.Command("WordCount", 256, b.Addr(), "word-count", "lines", "counts", filepath.Join(state, strconv.Itoa(i))), t.Output())
	}
	for i := range running {
		begin(i)
	}
	counts := follow(t, b.Addr(), "counts")
	kills := 0
	for range rounds {
		counts.more(t, 200)
		kill(t, running[0].Kill)
		begin(0)
		counts.more(t, 200)
		kill(t, b.Kill)
		restart(t, b)
		counts.more(t, 200)
		// Both at once: what was open has nobody to end it but the two that come after.
		last := instances - 1
		kill(t, running[last].Kill)
		kill(t, b.Kill)
		restart(t, b)
		begin(last)
		counts.more(t, 200)
		kills += 4
	}
	want := w.finish(t)
	total := 0
	for _, n := range want {
		total += n
	}
	counts.reach(t, total)
	for _, s := range running {
		s.end(t)
	}
	final := readTopic(t, b.Addr(), "counts", kgo.ReadCommitted())
	checkCounts(t, want, final)
	checkCounts(t, want, counts.records)
	all := readTopic(t, b.Addr(), "counts", kgo.ReadUncommitted())
	t.Logf("%d words counted over %d kills; %d more records were aborted", total, kills, len(all)-len(final))
	if total < 800*rounds {
		t.Errorf("%d words are too few to prove anything", total)
	}
	if *acceptance && len(all) == len(final) {
		t.Error("no kill left a transaction open")
	}
}

func kill(t *testing.T, f func() error) {
	t.Helper()
	if err := f(); err != nil {
		t.Fatal(err)
	}
}

// checkCounts holds the output against how often each word was written.
func checkCounts(t *testing.T, want map[string]int, got []*kgo.Record) {
	t.Helper()
	last := map[string]int{}
	for _, r := range got {
		n, err := strconv.Atoi(string(r.Value))
		if err != nil {
			t.Fatal(err)
		}
		word := string(r.Key)
		if n != last[word]+1 {
			t.Errorf("%s: count %d after %d, at %s-%d offset %d", word, n, last[word], r.Topic, r.Partition, r.Offset)
		}
		last[word] = n
	}
	for word, n := range want {
		if last[word] != n {
			t.Errorf("%s: counted to %d, written %d times", word, last[word], n)
		}
	}
	if len(last) != len(want) {
		t.Errorf("%d words counted, %d written", len(last), len(want))
	}
}

// words writes lines until it is told to finish.
type words struct {
	stop    context.CancelFunc
	done    chan struct{}
	client  *kgo.Client
	written map[string]int // after done
	err     error          // after done
}

func writeWords(t *testing.T, addr, topic string) *words {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(addr), kgo.DefaultProduceTopic(topic), kgo.ProducerLinger(0),
		kgo.RecordPartitioner(kgo.RoundRobinPartitioner()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	ctx, stop := context.WithCancel(t.Context())
	w := &words{stop: stop, done: make(chan struct{}), client: client, written: map[string]int{}}
	go func() {
		defer close(w.done)
		w.err = w.run(ctx)
	}()
	return w
}

// run writes a line at a time: each is acknowledged before the next, however long that
// takes.
func (w *words) run(ctx context.Context) error {
	random := rand.New(rand.NewPCG(1, 2))
	for ctx.Err() == nil {
		line := make([]string, 1+random.IntN(8))
		for i := range line {
			line[i] = fmt.Sprintf("word-%d", min(random.IntN(60), random.IntN(60)))
			w.written[line[i]]++
		}
		bound, cancel := context.WithTimeout(context.WithoutCancel(ctx), peers.StartTimeout)
		err := w.client.ProduceSync(bound, kgo.StringRecord(strings.Join(line, " "))).FirstErr()
		cancel()
		if err != nil {
			return err
		}
		time.Sleep(3 * time.Millisecond)
	}
	return nil
}

// finish stops writing and returns how often each word was written.
func (w *words) finish(t *testing.T) map[string]int {
	t.Helper()
	w.stop()
	<-w.done
	if w.err != nil {
		t.Fatal(w.err)
	}
	return w.written
}
