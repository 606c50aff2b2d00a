package ecosystem

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/streamhouse/streamhouse/tests/peers"
	"github.com/streamhouse/streamhouse/tests/topics"
)

// A topic as schema registries keep: one compacted partition, a key for each schema, written by
// one leader, and read from its beginning by whoever starts. Twenty readers start at any moment,
// while keys are written anew and deleted, the topic is compacted and the broker is killed: each
// of them, at the end of the topic, has every key at the value that it had when the reader began,
// or a later one.
func TestRegistryTopic(t *testing.T) {
	long(t)
	const name, keys, readers, period = "_schemas", 10_000, 20, 90 * time.Second
	b := start(t, nil)
	settings := map[string]string{"cleanup.policy": "compact", "delete.retention.ms": "20000"} // no reading takes longer
	maps.Copy(settings, compacted)
	makeTopic(t, b, name, 1, settings)
	cl, err := kgo.NewClient(kgo.SeedBrokers(b.Addr()), kgo.DefaultProduceTopic(name))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cl.Close)
	r := &registry{t: t, cl: cl, acked: make([]version, keys), sent: make([]version, keys)}
	for from := 0; from < keys; from += 500 {
		r.write(from, from+500)
	}

	ctx, stop := context.WithTimeout(t.Context(), period)
	defer stop()
	var wg sync.WaitGroup
	wg.Go(func() {
		for ctx.Err() == nil {
			at := rand.IntN(keys - 20)
			r.write(at, at+1+rand.IntN(20))
			time.Sleep(2 * time.Millisecond)
		}
	})
	var checked atomic.Int64
	for range readers {
		wg.Go(func() {
			for ctx.Err() == nil {
				time.Sleep(time.Duration(rand.IntN(5000)) * time.Millisecond)
				if r.check(b, name) {
					checked.Add(1)
				}
			}
		})
	}
	for range 3 {
		time.Sleep(period / 5)
		kill(t, b)
	}
	wg.Wait()
	settled(t, b, 10, func() { r.write(0, 20) }, name)
	r.check(b, name)
	t.Logf("%d records were written to %d keys, %d of them tombstones; %d readings from the beginning", r.written, keys, r.tombstones, checked.Load())
	if checked.Load() < 2*readers || r.written < 3*keys || r.tombstones < 100 {
		t.Error("that proves little")
	}
}

// version counts how often a key was written; deleted says that the last time was a tombstone.
type version struct {
	n       int
	deleted bool
}

// registry writes the topic and knows what was acknowledged.
type registry struct {
	t  *testing.T
	cl *kgo.Client

	mu                  sync.Mutex
	acked, sent         []version // by key; a kill may leave what was sent without an answer for a while
	written, tombstones int
}

// write writes the keys from from on below to anew; one in ten is deleted.
func (r *registry) write(from, to int) {
	next := make([]version, to-from)
	records := make([]*kgo.Record, len(next))
	r.mu.Lock()
	for i := range next {
		next[i] = version{r.acked[from+i].n + 1, r.acked[from+i].n > 0 && rand.IntN(10) == 0}
		records[i] = &kgo.Record{Key: []byte(strconv.Itoa(from + i)), Value: []byte(strconv.Itoa(next[i].n))}
		if next[i].deleted {
			records[i].Value = nil
		}
		r.sent[from+i] = next[i]
	}
	r.mu.Unlock()
	if err := r.cl.ProduceSync(context.WithoutCancel(r.t.Context()), records...).FirstErr(); err != nil {
		r.t.Error(err)
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for i, v := range next {
		r.acked[from+i] = v
		r.written++
		if v.deleted {
			r.tombstones++
		}
	}
}

// check reads the topic from its beginning to its end.
func (r *registry) check(b *peers.Broker, name string) bool {
	r.mu.Lock()
	before := append([]version(nil), r.acked...)
	r.mu.Unlock()
	seen := make(map[string]int)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.t.Context()), patience)
	defer cancel()
	err := topics.Read(ctx, b.Addr(), name, topics.Committed, func(x topics.Record) {
		if x.Value == nil {
			delete(seen, string(x.Key))
			return
		}
		n, err := strconv.Atoi(string(x.Value))
		if err != nil {
			r.t.Error(err)
		}
		seen[string(x.Key)] = n
	})
	if err != nil {
		r.t.Error(err)
		return false
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for key, was := range before {
		n, has := seen[strconv.Itoa(key)]
		now := r.sent[key]
		var wrong string
		switch {
		case has && n < was.n, has && n == was.n && was.deleted:
			wrong = fmt.Sprintf("is at %d", n)
		case !has && !was.deleted && now == was:
			wrong = "is missing"
		default:
			continue
		}
		r.t.Errorf("key %d %s, it was at %+v when the reader began and is at %+v at its end", key, wrong, was, now)
		return false
	}
	return true
}
