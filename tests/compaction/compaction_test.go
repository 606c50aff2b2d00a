// Package compaction tests compacted topics from outside: what Kafka's own tools see of
// them, and that no kill takes the latest value of a key.
package compaction

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/streamhouse/streamhouse/tests/peers"
	"github.com/streamhouse/streamhouse/tests/topics"
)

var (
	kills      = flag.Int("kills", 6, "how often TestKeysOverKills kills the broker")
	acceptance = flag.Bool("acceptance", false, "TestLagIsKept at 50 MiB/s instead of 10, over 200 MiB that are live")
)

func TestMain(m *testing.M) {
	flag.Parse()
	os.Exit(peers.Main(m))
}

const tools = "org.apache.kafka.tools."

// tool runs one of Kafka's command line tools.
func tool(t *testing.T, j peers.Java, b *peers.Broker, input, class string, args ...string) string {
	t.Helper()
	args = append(args, "--bootstrap-server", b.Addr())
	out, err := j.Command(class, 256, args...).Run(peers.Context(t, 2*time.Minute), input)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// The first thing that somebody tries: keys and null values by kafka-console-producer, and
// kafka-console-consumer from the beginning, before and after.
func TestConsoleTools(t *testing.T) {
	j, err := peers.KafkaTools(peers.Context(t, 5*time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	b := peers.Start(t, peers.Options{Kind: peers.StreamHouse})
	tool(t, j, b, "", tools+"TopicCommand", "--create", "--topic", "users", "--partitions", "1",
		"--config", "cleanup.policy=compact", "--config", "min.compaction.lag.ms=3600000")
	consume := func(n int) []string {
		out := tool(t, j, b, "", tools+"consumer.ConsoleConsumer", "--topic", "users", "--from-beginning", "--max-messages", strconv.Itoa(n),
			"--formatter-property", "print.key=true", "--timeout-ms", "20000")
		return strings.Fields(strings.ReplaceAll(out, "\t", "="))
	}
	tool(t, j, b, "alice:1\nbob:1\nalice:2\nbob:NULL\ncarol:1\nalice:3\n", tools+"ConsoleProducer", "--topic", "users",
		"--reader-property", "parse.key=true", "--reader-property", "key.separator=:", "--reader-property", "null.marker=NULL")
	if before, want := consume(6), []string{"alice=1", "bob=1", "alice=2", "bob=null", "carol=1", "alice=3"}; !slices.Equal(before, want) {
		t.Fatalf("before: %q, want %q", before, want)
	}
	tool(t, j, b, "", "kafka.admin.ConfigCommand", "--alter", "--entity-type", "topics", "--entity-name", "users",
		"--add-config", "min.compaction.lag.ms=0,max.compaction.lag.ms=1000")
	var after []string
	want := []string{"bob=null", "carol=1", "alice=3"}
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(time.Second) {
		if after = consume(3); slices.Equal(after, want) {
			return
		}
	}
	t.Fatalf("after: %q, want %q", after, want)
}

// Producers write versions of keys, in transactions too, while the broker is killed; after
// each kill each key's value is at least the last one that was acknowledged. In the end
// one record per key is left.
func TestKeysOverKills(t *testing.T) {
	b := peers.Start(t, peers.Options{Kind: peers.StreamHouse, Settings: map[string]string{
		"seal.max.age.ms": "1000", "transaction.abort.timed.out.transaction.cleanup.interval.ms": "500",
	}})
	cl := client(t, b)
	adm := kadm.NewClient(cl)
	config := map[string]*string{
		"cleanup.policy": kadm.StringPtr("compact"), "min.cleanable.dirty.ratio": kadm.StringPtr("0.01"),
		"max.compaction.lag.ms": kadm.StringPtr("1500"), "delete.retention.ms": kadm.StringPtr("86400000"),
	}
	if _, err := adm.CreateTopic(t.Context(), parts, 1, config, topic); err != nil {
		t.Fatal(err)
	}
	w := &writers{acked: make(map[string]int)}
	for range *kills {
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		for n := range 3 {
			wg.Go(func() { w.write(ctx, t, b, n) })
		}
		time.Sleep(time.Duration(3000+rand.IntN(3000)) * time.Millisecond)
		if err := b.Kill(); err != nil {
			t.Fatal(err)
		}
		cancel()
		wg.Wait()
		if err := b.Start(peers.Context(t, peers.StartTimeout)); err != nil {
			t.Fatal(err)
		}
		w.check(t, b)
	}
	if len(w.acked) < keys*9/10 || w.count < 3000**kills {
		t.Fatalf("%d writes of %d keys were acknowledged, which proves little", w.count, len(w.acked))
	}
	for end := time.Now().Add(90 * time.Second); ; time.Sleep(time.Second) {
		records, latest := read(t, b)
		if records == len(latest) {
			t.Logf("%d writes acknowledged, %d records left", w.count, records)
			return
		}
		if time.Now().After(end) {
			t.Fatalf("%d records are left for %d keys", records, len(latest))
		}
	}
}

const (
	topic = "state"
	parts = 4
	keys  = 2000
)

func client(t *testing.T, b *peers.Broker, opts ...kgo.Opt) *kgo.Client {
	t.Helper()
	cl, err := kgo.NewClient(append([]kgo.Opt{kgo.SeedBrokers(b.Addr()), kgo.DefaultProduceTopic(topic)}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cl.Close)
	return cl
}

// writers write versions of keys: each key belongs to one of them, so that its versions
// rise.
type writers struct {
	mu      sync.Mutex
	acked   map[string]int // highest version acknowledged
	version int
	count   int
}

func (w *writers) next() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.version++
	return w.version
}

// write writes keys of writer n until the broker is killed; writer 0 in transactions.
func (w *writers) write(ctx context.Context, t *testing.T, b *peers.Broker, n int) {
	opts := []kgo.Opt{kgo.RecordDeliveryTimeout(5 * time.Second)}
	if n == 0 {
		opts = append(opts, kgo.TransactionalID(fmt.Sprint("writer-", rand.Uint64())), kgo.TransactionTimeout(2*time.Second))
	}
	cl := client(t, b, opts...)
	// A record whose fate is open is tried again whatever its context says.
	defer context.AfterFunc(ctx, cl.Close)()
	for ctx.Err() == nil {
		if n == 0 && cl.BeginTransaction() != nil {
			return
		}
		batch := make(map[string]int)
		var records []*kgo.Record
		for range 50 {
			key := fmt.Sprint("key-", 3*rand.IntN(keys/3)+n)
			v := w.next()
			batch[key] = v
			records = append(records, &kgo.Record{Key: []byte(key), Value: []byte(strconv.Itoa(v))})
		}
		failed := cl.ProduceSync(ctx, records...).FirstErr() != nil
		if n == 0 {
			commit := kgo.TransactionEndTry(!failed && rand.IntN(4) > 0)
			if err := cl.EndTransaction(ctx, commit); err != nil || !bool(commit) {
				failed = true
			}
		}
		if failed {
			continue
		}
		w.mu.Lock()
		for key, v := range batch {
			w.acked[key] = max(w.acked[key], v)
		}
		w.count += len(records)
		w.mu.Unlock()
	}
}

// check reads the topic: each key's last value is one that was acknowledged last, or one
// that was written after it and not answered.
func (w *writers) check(t *testing.T, b *peers.Broker) {
	t.Helper()
	_, latest := read(t, b)
	lost := 0
	for key, v := range w.acked {
		if latest[key] < v {
			lost++
			t.Errorf("%s is at version %d, %d was acknowledged", key, latest[key], v)
		}
		if lost > 10 {
			break
		}
	}
	if lost > 0 {
		t.FailNow()
	}
}

// read reads what is committed from the beginning to the end: how many records there are,
// and each key's last value.
func read(t *testing.T, b *peers.Broker) (records int, latest map[string]int) {
	t.Helper()
	stable(peers.Context(t, 2*time.Minute), t, kadm.NewClient(client(t, b)))
	latest = make(map[string]int)
	replay(t, b, topic, func(r topics.Record) {
		records++
		v, err := strconv.Atoi(string(r.Value))
		if err != nil {
			t.Fatal(err)
		}
		latest[string(r.Key)] = v
	})
	return records, latest
}

// replay reads what is committed of a topic from its beginning to its end.
func replay(t *testing.T, b *peers.Broker, name string, see func(topics.Record)) {
	t.Helper()
	if err := topics.Read(peers.Context(t, 2*time.Minute), b.Addr(), name, topics.Committed, see); err != nil {
		t.Fatal(err)
	}
}

// stable waits until no transaction is open: those of killed writers time out.
func stable(ctx context.Context, t *testing.T, adm *kadm.Client) {
	t.Helper()
	for ; ; time.Sleep(100 * time.Millisecond) {
		ends, err := adm.ListEndOffsets(ctx, topic)
		if err != nil {
			t.Fatal(err)
		}
		committed, err := adm.ListCommittedOffsets(ctx, topic)
		if err != nil {
			t.Fatal(err)
		}
		all := true
		for p := range int32(parts) {
			end, _ := ends.Lookup(topic, p)
			is, _ := committed.Lookup(topic, p)
			all = all && end.Err == nil && is.Err == nil && is.Offset == end.Offset
		}
		if all {
			return
		}
	}
}
