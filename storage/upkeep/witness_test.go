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

func TestWitnessGolden(t *testing.T) {
	w := witness{"AAAAAAAAAAAAAAAAAAAAAA", 3, 258}
	path := filepath.Join("testdata", "witness")
	if *update {
		if err := os.WriteFile(path, w.encode(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(w.encode(), want) {
		t.Error("the encoder writes other bytes than it did")
	}
	if got, err := decodeWitness(want); err != nil || got != w {
		t.Errorf("decoded %+v, %v", got, err)
	}
	if key := "witness/0000000000000003-0000000000000102"; w.key() != key {
		t.Errorf("key %s, want %s", w.key(), key)
	}
}

func FuzzDecodeWitness(f *testing.F) {
	f.Add(witness{"AAAAAAAAAAAAAAAAAAAAAA", 3, 258}.encode())
	f.Add(witness{}.encode())
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) > 4 {
			binary.BigEndian.PutUint32(b[len(b)-4:], crc32.Checksum(b[:len(b)-4], castagnoli))
		}
		w, err := decodeWitness(b)
		if err == nil && !bytes.Equal(w.encode(), b) {
			t.Fatalf("decoded and encoded: %x, was %x", w.encode(), b)
		}
	})
}

func TestWitnessRules(t *testing.T) {
	ctx := context.Background()
	for _, c := range []struct {
		name   string
		stored *witness // what the store says; nil: nothing
		seen   *witness // what the bucket says; nil: nothing
		start  metadata.Start
		object string // a key in the bucket
		want   error
	}{
		{"first start", nil, nil, metadata.Start{ClusterID: "a", Incarnation: 1}, "", nil},
		{"a segment and a new store", nil, nil, metadata.Start{ClusterID: "a", Incarnation: 1}, "segment/x", ErrBehind},
		{"same", &witness{"a", 1, 7}, &witness{"a", 1, 7}, metadata.Start{ClusterID: "a", Incarnation: 1}, "segment/x", nil},
		{"store ahead by a crash", &witness{"a", 1, 8}, &witness{"a", 1, 7}, metadata.Start{ClusterID: "a", Incarnation: 1}, "", nil},
		{"store behind", &witness{"a", 1, 6}, &witness{"a", 1, 7}, metadata.Start{ClusterID: "a", Incarnation: 1}, "", ErrBehind},
		{"no witness for an old store", &witness{"a", 1, 6}, nil, metadata.Start{ClusterID: "a", Incarnation: 1}, "", ErrForeign},
		{"another cluster's bucket", &witness{"a", 1, 6}, &witness{"b", 1, 2}, metadata.Start{ClusterID: "a", Incarnation: 1}, "", ErrForeign},
		{"a new store for a used bucket", nil, &witness{"b", 1, 2}, metadata.Start{ClusterID: "a", Incarnation: 1}, "", ErrBehind},
		{"older incarnation", &witness{"a", 1, 60}, &witness{"a", 2, 1}, metadata.Start{ClusterID: "a", Incarnation: 1}, "", ErrBehind},
		{"recovered", nil, &witness{"a", 2, 50}, metadata.Start{ClusterID: "a", Incarnation: 3}, "segment/x", nil},
	} {
		store, b := metadatamem.New(nil), mem.New()
		if c.stored != nil {
			value := binary.BigEndian.AppendUint64(nil, uint64(c.stored.incarnation))
			if err := store.Put(ctx, witnessName, binary.BigEndian.AppendUint64(value, c.stored.version)); err != nil {
				t.Fatal(err)
			}
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
	// Another start of the same store finds its own witness in the way.
	next := witness{"a", 1, w.version + 1}
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
	if _, version, _ := w.stored(ctx); version != 21 {
		t.Errorf("version %d, want 21", version)
	}
	if _, err := CheckStore(ctx, store, b, start); err != nil {
		t.Error(err)
	}
}
