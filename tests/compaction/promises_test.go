package compaction

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/streamhouse/streamhouse/tests/peers"
	"github.com/streamhouse/streamhouse/tests/topics"
)

// create makes a compacted topic.
func create(t *testing.T, cl *kgo.Client, name string, partitions int32, more map[string]string) {
	t.Helper()
	config := map[string]*string{"cleanup.policy": kadm.StringPtr("compact")}
	for k, v := range more {
		config[k] = kadm.StringPtr(v)
	}
	if _, err := kadm.NewClient(cl).CreateTopic(t.Context(), partitions, 1, config, name); err != nil {
		t.Fatal(err)
	}
}

// Half a minute after its last record a quiet topic has one record per key, journal and
// bucket together, with the settings that it is born with.
func TestExactWhenQuiet(t *testing.T) {
	const records, keys = 1_000_000, 200_000
	b := peers.Start(t, peers.Options{Kind: peers.StreamHouse})
	cl := client(t, b, kgo.DefaultProduceTopic("quiet"), kgo.ProducerLinger(5*time.Millisecond), kgo.MaxBufferedRecords(100_000))
	create(t, cl, "quiet", 4, nil)
	latest := make(map[uint32]uint32, keys) // key -> number of its last record
	deleted := make(map[uint32]bool)
	var failed error
	var once sync.Mutex
	for i := range uint32(records) {
		key := rand.Uint32N(keys)
		latest[key], deleted[key] = i, i%10 == 0
		r := &kgo.Record{Key: binary.BigEndian.AppendUint32(nil, key)}
		if i%10 != 0 {
			r.Value = binary.BigEndian.AppendUint32(make([]byte, 0, 96), i)[:96]
		}
		cl.Produce(t.Context(), r, func(_ *kgo.Record, err error) {
			once.Lock()
			defer once.Unlock()
			failed = errors.Join(failed, err)
		})
	}
	if err := errors.Join(cl.Flush(t.Context()), failed); err != nil {
		t.Fatal(err)
	}
	time.Sleep(30 * time.Second)
	seen := make(map[uint32]int, keys)
	replay(t, b, "quiet", func(r topics.Record) {
		key := binary.BigEndian.Uint32(r.Key)
		seen[key]++
		switch {
		case deleted[key] != (r.Value == nil):
			t.Errorf("key %d: deleted %v, its record has %d bytes", key, deleted[key], len(r.Value))
		case r.Value != nil && binary.BigEndian.Uint32(r.Value) != latest[key]:
			t.Errorf("key %d is at %d, want %d", key, binary.BigEndian.Uint32(r.Value), latest[key])
		}
	})
	twice := 0
	for _, n := range seen {
		if n > 1 {
			twice++
		}
	}
	if len(seen) != len(latest) || twice > 0 {
		t.Fatalf("%d keys of %d are there, %d of them more than once", len(seen), len(latest), twice)
	}
}

// With max.compaction.lag.ms nobody who begins to read later than that and ten seconds
// after a record was replaced reads it, while the load goes on, on a topic that is idle,
// and over a kill.
func TestLagIsKept(t *testing.T) {
	const (
		partitions = 20
		lag        = 10 * time.Second
	)
	keys, rate := 2_000, 10<<20 // 1 KiB a key: 2 MiB live; bytes a second
	if *acceptance {
		keys, rate = partitions*10*1024, 50<<20
	}
	b := peers.Start(t, peers.Options{Kind: peers.StreamHouse})
	cl := client(t, b, kgo.DefaultProduceTopic("busy"))
	settings := map[string]string{"max.compaction.lag.ms": "10000", "min.cleanable.dirty.ratio": "1"}
	create(t, cl, "busy", partitions, settings)
	create(t, cl, "idle", 1, settings)
	w := &replacements{at: make(map[string][]replaced), last: make(map[string]uint32)}
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	stop := func() { cancel(); wg.Wait() }
	defer stop()
	for i := range 3 {
		w.write(t, cl, "idle", fmt.Sprint("idle-", i%2))
	}
	wg.Go(func() {
		tick := time.NewTicker(50 * time.Millisecond)
		defer tick.Stop()
		for ctx.Err() == nil {
			<-tick.C
			var batch []string
			for range rate / 20 / 1024 {
				batch = append(batch, fmt.Sprint("key-", rand.IntN(keys)))
			}
			w.write(t, cl, "busy", batch...)
		}
	})
	for range 3 {
		time.Sleep(8 * time.Second)
		w.check(t, b, "busy", lag+10*time.Second)
	}
	w.check(t, b, "idle", lag+10*time.Second)
	stop()
	if err := b.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := b.Start(peers.Context(t, peers.StartTimeout)); err != nil {
		t.Fatal(err)
	}
	// The time away and one lag after the start do not count.
	time.Sleep(2*lag + 10*time.Second)
	w.check(t, b, "busy", 0)
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.count < 100_000 || w.stale < 50_000 {
		t.Fatalf("%d records were acknowledged and %d were too old to be read: that proves little", w.count, w.stale)
	}
}

// replacements remembers when the records of each key were replaced.
type replacements struct {
	mu      sync.Mutex
	version uint32
	last    map[string]uint32     // the key's last version that was acknowledged
	at      map[string][]replaced // by key, in order
	count   int
	stale   int // records that a reader was not to see
}

type replaced struct {
	version uint32
	at      time.Time // when its successor was acknowledged
}

// write writes one version of each key and waits.
func (w *replacements) write(t *testing.T, cl *kgo.Client, topic string, keys ...string) {
	var records []*kgo.Record
	w.mu.Lock()
	for _, key := range keys {
		w.version++
		records = append(records, &kgo.Record{Topic: topic, Key: []byte(key), Value: binary.BigEndian.AppendUint32(make([]byte, 0, 1000), w.version)[:1000]})
	}
	w.mu.Unlock()
	if err := cl.ProduceSync(context.WithoutCancel(t.Context()), records...).FirstErr(); err != nil {
		t.Error(err)
		return
	}
	now := time.Now()
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, r := range records {
		key, v := string(r.Key), binary.BigEndian.Uint32(r.Value)
		if old, has := w.last[key]; has {
			w.at[key] = append(w.at[key], replaced{old, now})
		}
		w.last[key] = v
		w.count++
	}
}

// check begins to read now: what was replaced longer ago than limit is not there.
func (w *replacements) check(t *testing.T, b *peers.Broker, topic string, limit time.Duration) {
	t.Helper()
	began := time.Now()
	w.mu.Lock()
	gone := make(map[uint32]struct{})
	for _, list := range w.at {
		for _, r := range list {
			if began.Sub(r.at) > limit {
				gone[r.version] = struct{}{}
			}
		}
	}
	w.stale = max(w.stale, len(gone))
	w.mu.Unlock()
	read, late := 0, 0
	replay(t, b, topic, func(r topics.Record) {
		read++
		if _, is := gone[binary.BigEndian.Uint32(r.Value)]; is {
			late++
		}
	})
	if read == 0 {
		t.Fatal("nothing was read")
	}
	if late > 0 {
		t.Errorf("%s: %d of %d records had been replaced for longer than %v", topic, late, read, limit)
	}
	t.Logf("%s: %d records read, %d had to be gone", topic, read, len(gone))
}
