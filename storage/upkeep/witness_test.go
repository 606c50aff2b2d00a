package upkeep

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"flag"
	"hash/crc32"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/streamhouse/streamhouse/metadata"
	metadatamem "github.com/streamhouse/streamhouse/metadata/mem"
	"github.com/streamhouse/streamhouse/storage/bucket"
	"github.com/streamhouse/streamhouse/storage/bucket/mem"
)

var update = flag.Bool("update", false, "write the golden files anew")

var someWitness = witness{"AAAAAAAAAAAAAAAAAAAAAA", 3, 258, processID{1, 2, 15: 16}, 7}

func TestWitnessGolden(t *testing.T) {
	path := filepath.Join("testdata", "witness2")
	if *update {
		if err := os.WriteFile(path, someWitness.encode(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(someWitness.encode(), want) {
		t.Error("the encoder writes other bytes than it did")
	}
	if got, err := decodeWitness(want); err != nil || got != someWitness {
		t.Errorf("decoded %+v, %v", got, err)
	}
	if key := "witness/0000000000000003-0000000000000102"; someWitness.key() != key {
		t.Errorf("key %s, want %s", someWitness.key(), key)
	}
	first, err := os.ReadFile(filepath.Join("testdata", "witness"))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := decodeWitness(first); err != nil || got != (witness{cluster: someWitness.cluster, incarnation: 3, version: 258}) {
		t.Errorf("version 1: decoded %+v, %v", got, err)
	}
}

func FuzzDecodeWitness(f *testing.F) {
	f.Add(someWitness.encode())
	f.Add(witness{process: processID{1}}.encode())
	if first, err := os.ReadFile(filepath.Join("testdata", "witness")); err == nil {
		f.Add(first)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) > 4 {
			binary.BigEndian.PutUint32(b[len(b)-4:], crc32.Checksum(b[:len(b)-4], castagnoli))
		}
		w, err := decodeWitness(b)
		if err == nil && w.process != (processID{}) && !bytes.Equal(w.encode(), b) {
			t.Fatalf("decoded and encoded: %x, was %x", w.encode(), b)
		}
	})
}

// putVersion writes a version into the metadata store as Witness does.
func putVersion(t *testing.T, store Store, name string, incarnation int64, version uint64) {
	t.Helper()
	w := &Witness{store: store}
	if err := w.put(context.Background(), name, witness{incarnation: incarnation, version: version}); err != nil {
		t.Fatal(err)
	}
}

func TestWitnessRules(t *testing.T) {
	ctx := context.Background()
	one := metadata.Start{ClusterID: "a", Incarnation: 1, Epoch: 4}
	at := func(cluster string, incarnation int64, version uint64) *witness {
		return &witness{cluster, incarnation, version, processID{9}, 3}
	}
	for _, c := range []struct {
		name   string
		stored *witness // what the store says; nil: nothing
		shown  *witness // what the store knows the bucket to have seen; nil: nothing
		seen   *witness // what the bucket says; nil: nothing
		start  metadata.Start
		object string // a key in the bucket
		want   error
	}{
		{"first start", nil, nil, nil, one, "", nil},
		{"first start, broken off", at("a", 1, 1), at("a", 1, 0), nil, one, "", nil},
		{"a segment and a new store", nil, nil, nil, one, "segment/x", ErrBehind},
		{"a segment and a first start, broken off", at("a", 1, 1), at("a", 1, 0), nil, one, "segment/x", ErrBehind},
		{"same", at("a", 1, 7), at("a", 1, 7), at("a", 1, 7), one, "segment/x", nil},
		{"a store that never knew what was shown", at("a", 1, 7), nil, at("a", 1, 7), one, "segment/x", nil},
		{"store ahead by a crash", at("a", 1, 8), at("a", 1, 7), at("a", 1, 7), one, "", nil},
		{"store ahead by a crash before it knew", at("a", 1, 8), at("a", 1, 6), at("a", 1, 7), one, "", nil},
		{"store behind", at("a", 1, 6), at("a", 1, 6), at("a", 1, 7), one, "", ErrBehind},
		{"bucket behind what was shown", at("a", 1, 8), at("a", 1, 7), at("a", 1, 6), one, "", ErrOld},
		{"no witness for an old store", at("a", 1, 6), nil, nil, one, "", ErrForeign},
		{"no witness, and one was shown", at("a", 1, 6), at("a", 1, 6), nil, one, "", ErrForeign},
		{"another cluster's bucket", at("a", 1, 6), nil, at("b", 1, 2), one, "", ErrForeign},
		{"a new store for a used bucket", nil, nil, at("b", 1, 2), one, "", ErrBehind},
		{"older incarnation", at("a", 1, 60), nil, at("a", 2, 1), one, "", ErrBehind},
		{"recovered", nil, nil, at("a", 2, 50), metadata.Start{ClusterID: "a", Incarnation: 3}, "segment/x", nil},
	} {
		store, b := metadatamem.New(nil), mem.New()
		if c.stored != nil {
			putVersion(t, store, witnessName, c.stored.incarnation, c.stored.version)
		}
		if c.shown != nil {
			putVersion(t, store, shownName, c.shown.incarnation, c.shown.version)
		}
		if c.seen != nil {
			if err := b.Create(ctx, c.seen.key(), bucket.Bytes(c.seen.encode())); err != nil {
				t.Fatal(err)
			}
		}
		if c.object != "" {
			if err := b.Create(ctx, c.object, bucket.Bytes([]byte("x"))); err != nil {
				t.Fatal(err)
			}
		}
		_, err := CheckStore(ctx, store, b, c.start)
		if !errors.Is(err, c.want) || (c.want == nil) != (err == nil) {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
		if err == nil { // and once more
			if _, err := CheckStore(ctx, store, b, c.start); err != nil {
				t.Errorf("%s: second start: %v", c.name, err)
			}
			if _, keys, _ := newestWitness(ctx, b); len(keys) != 1 {
				t.Errorf("%s: witnesses left: %v", c.name, keys)
			}
		}
	}
}

// lossyBucket creates, and then says that it could not.
type lossyBucket struct {
	bucket.Bucket
	lose bool
}

func (l *lossyBucket) Create(ctx context.Context, key string, body bucket.Body) error {
	err := l.Bucket.Create(ctx, key, body)
	if err == nil && l.lose {
		return errors.New("reply lost")
	}
	return err
}

func TestWitnessSurvivesLostReplies(t *testing.T) {
	ctx := context.Background()
	store, b := metadatamem.New(nil), &lossyBucket{Bucket: mem.New()}
	start := metadata.Start{ClusterID: "a", Incarnation: 1}
	w, err := CheckStore(ctx, store, b, start)
	if err != nil {
		t.Fatal(err)
	}
	b.lose = true
	if err := w.Advance(ctx); err == nil {
		t.Fatal("a lost reply was taken for success")
	}
	b.lose = false
	// An attempt whose outcome was not known is found in the way.
	next := witness{"a", 1, w.version + 1, w.process, start.Epoch}
	if err := b.Create(ctx, next.key(), bucket.Bytes(next.encode())); err != nil {
		t.Fatal(err)
	}
	if err := w.Advance(ctx); err != nil {
		t.Error(err)
	}
	if _, err := CheckStore(ctx, store, b, start); err != nil {
		t.Error(err)
	}
	if _, keys, _ := newestWitness(ctx, b); len(keys) != 1 {
		t.Errorf("witnesses left: %v", keys)
	}
}

// TestWitnessNeverGoesBack: jobs advance it at the same time.
func TestWitnessNeverGoesBack(t *testing.T) {
	ctx := context.Background()
	store, b := metadatamem.New(nil), mem.New()
	start := metadata.Start{ClusterID: "a", Incarnation: 1}
	w, err := CheckStore(ctx, store, b, start)
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			if err := errors.Join(w.Advance(ctx), w.Check(ctx)); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if at, _, _ := w.stored(ctx, witnessName); at.version != 21 {
		t.Errorf("version %s, want 1.21", at)
	}
	if _, err := CheckStore(ctx, store, b, start); err != nil {
		t.Error(err)
	}
}
