package cli

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

const (
	copied     = 100_000
	partitions = 3
	seed       = 20261201
)

// random makes a record of every kind that there is: null, empty and binary keys and values,
// headers that repeat, whose values are null, old timestamps and ones ahead.
func random(rng *rand.Rand, i int) *kgo.Record {
	blob := func(most int) []byte {
		switch rng.IntN(8) {
		case 0:
			return nil
		case 1:
			return []byte{}
		}
		b := make([]byte, rng.IntN(most))
		for j := range b {
			b[j] = byte(rng.IntN(256))
			if i%2 == 0 {
				b[j] = " \"\\\n\r\tabcäöü<>&"[rng.IntN(13)]
			}
		}
		return b
	}
	r := &kgo.Record{Topic: "from", Partition: int32(rng.IntN(partitions)), Key: blob(20), Value: blob(60)}
	r.Timestamp = time.UnixMilli([]int64{0, 1, rng.Int64N(1 << 40), time.Now().Add(30 * time.Minute).UnixMilli()}[rng.IntN(4)])
	for range rng.IntN(4) {
		r.Headers = append(r.Headers, kgo.RecordHeader{Key: []string{"", "h", "h", "\xff\xfe"}[rng.IntN(4)], Value: blob(10)})
	}
	if i == copied/2 {
		r.Value = bytes.Repeat([]byte{0xff}, 1_000_000-200) // about what the topic takes
	}
	return r
}

func same(a, b *kgo.Record) bool {
	null := func(x, y []byte) bool { return (x == nil) == (y == nil) && bytes.Equal(x, y) }
	if a.Partition != b.Partition || !a.Timestamp.Equal(b.Timestamp) || !null(a.Key, b.Key) || !null(a.Value, b.Value) || len(a.Headers) != len(b.Headers) {
		return false
	}
	for i := range a.Headers {
		if a.Headers[i].Key != b.Headers[i].Key || !null(a.Headers[i].Value, b.Headers[i].Value) {
			return false
		}
	}
	return true
}

// read reads a topic by partition.
func read(ctx context.Context, t *testing.T, addr, topic string) (out [partitions][]*kgo.Record) {
	t.Helper()
	cl, err := kgo.NewClient(kgo.SeedBrokers(addr), kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	for n := 0; n < copied; {
		fetched := cl.PollFetches(ctx)
		if err := fetched.Err(); err != nil {
			t.Fatalf("after %d records of %s: %v", n, topic, err)
		}
		fetched.EachRecord(func(r *kgo.Record) { out[r.Partition] = append(out[r.Partition], r); n++ })
	}
	return out
}

// TestCopy: what consume prints produce takes, and nothing is lost on the way.
func TestCopy(t *testing.T) {
	b, sh := start(t)
	ctx, cancel := context.WithTimeout(t.Context(), 3*patience)
	defer cancel()
	sh.must(fmt.Sprintf("streamhouse topics create from to --partitions %d", partitions))
	cl, err := kgo.NewClient(kgo.SeedBrokers(b.Addr()), kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.MaxBufferedRecords(copied))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	rng := rand.New(rand.NewPCG(seed, 0))
	var failed error
	for i := range copied {
		cl.Produce(ctx, random(rng, i), func(_ *kgo.Record, err error) {
			if err != nil {
				failed = err
			}
		})
	}
	if err := cl.Flush(ctx); err != nil || failed != nil {
		t.Fatal(err, failed)
	}
	r := sh.run("streamhouse consume from -e -o ndjson | streamhouse produce to --input ndjson", "")
	if r.code != 0 || !strings.Contains(r.err, "100000 records written") || !strings.Contains(r.err, "100000 records read") {
		t.Fatalf("exit code %d: %s", r.code, r.err)
	}
	was, is := read(ctx, t, b.Addr(), "from"), read(ctx, t, b.Addr(), "to")
	for p := range was {
		if len(was[p]) != len(is[p]) || len(was[p]) < copied/partitions/2 {
			t.Fatalf("partition %d: %d records became %d", p, len(was[p]), len(is[p]))
		}
		for i := range was[p] {
			if !same(was[p][i], is[p][i]) {
				t.Fatalf("partition %d, record %d: %+v became %+v", p, i, was[p][i], is[p][i])
			}
		}
	}
}

// TestConsumeEndsInHoles: an end is reached where there are no records left before it: the
// markers of transactions, and what they have aborted.
func TestConsumeEndsInHoles(t *testing.T) {
	b, sh := start(t)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	sh.must("streamhouse topics create holes --partitions 1")
	cl, err := kgo.NewClient(kgo.SeedBrokers(b.Addr()), kgo.DefaultProduceTopic("holes"), kgo.TransactionalID("t"))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	for i := range 4 {
		if err := cl.BeginTransaction(); err != nil {
			t.Fatal(err)
		}
		if err := cl.ProduceSync(ctx, kgo.StringRecord(fmt.Sprint("in ", i))).FirstErr(); err != nil {
			t.Fatal(err)
		}
		if err := cl.EndTransaction(ctx, kgo.TransactionEndTry(i == 1)); err != nil {
			t.Fatal(err)
		}
	}
	for line, want := range map[string]string{
		"streamhouse consume holes -e --committed": "in 1\n",
		"streamhouse consume holes -e":             "in 0\nin 1\nin 2\nin 3\n",
	} {
		if r := sh.run(line, ""); r.code != 0 || r.out != want {
			t.Errorf("%s: exit code %d, %q: %s", line, r.code, r.out, r.err)
		}
	}
}

// must runs a line that has to do.
func (s *shell) must(line string) {
	s.t.Helper()
	if r := s.run(line, ""); r.code != 0 {
		s.t.Fatalf("%s: exit code %d: %s", line, r.code, r.err)
	}
}
