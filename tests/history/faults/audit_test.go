package faults

import (
	"context"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/streamhouse/streamhouse/metadata"
	"github.com/streamhouse/streamhouse/metadata/sqlite"
	"github.com/streamhouse/streamhouse/storage/bucket"
	bucketfile "github.com/streamhouse/streamhouse/storage/bucket/file"
	"github.com/streamhouse/streamhouse/storage/bucket/s3"
	"github.com/streamhouse/streamhouse/storage/pack"
	"github.com/streamhouse/streamhouse/tests/peers"
	"github.com/streamhouse/streamhouse/tests/s3gateway"
)

// room is where a broker keeps what it has: looked at once it has stopped.
type room struct {
	data    string             // folder
	gateway *s3gateway.Gateway // nil: the bucket is a folder in data
}

func (r room) bucket(t *testing.T) bucket.Bucket {
	t.Helper()
	if r.gateway == nil {
		b, err := bucketfile.Open(filepath.Join(r.data, "bucket"))
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	b, err := s3.New(s3.Options{Location: r.gateway.Location("faults", "run"), AccessKey: s3gateway.AccessKey, SecretKey: s3gateway.SecretKey})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// audit holds the bucket against the metadata store: what the store refers to is there, in its
// length, and what is there is referred to, or is something that the store knows to be on its way in
// or out, which the sweep takes after its grace.
func (r room) audit(t *testing.T) {
	t.Helper()
	ctx := peers.Context(t, time.Minute)
	store, err := sqlite.Open(ctx, sqlite.Options{Path: filepath.Join(r.data, "metadata.db")})
	if err != nil {
		t.Error(err)
		return
	}
	defer store.Close()
	wanted := referenced(ctx, t, store)
	segments, intents, err := store.Garbage(ctx, 0)
	if err != nil {
		t.Fatal(err)
	}
	known := make(map[string]bool)
	for _, s := range segments {
		known[s.Key] = true
	}
	for _, key := range intents {
		known[strings.TrimPrefix(key, "condemned:")] = true
	}
	list := make(map[string]int64)
	b := r.bucket(t)
	for _, prefix := range []string{"segment/", "merged/", "compacted/", "lifted/", "states/"} {
		if err := b.List(ctx, prefix, "", func(i bucket.Info) error { list[i.Key] = i.Size; return nil }); err != nil {
			t.Fatal(err)
		}
	}
	for key, bytes := range wanted {
		if size, there := list[key]; !there || size != bytes {
			t.Errorf("%s is referred to, with %d bytes: in the bucket it has %d (%v)", key, bytes, size, there)
		}
	}
	dying := 0
	for key := range list {
		if _, live := wanted[key]; live {
			continue
		}
		if dying++; !known[key] {
			t.Errorf("%s is known to nobody", key)
		}
	}
	t.Logf("the bucket: %d objects are referred to, %d wait for the sweep", len(wanted), dying)
	if len(wanted) == 0 {
		t.Error("the store refers to nothing")
	}
}

// referenced is the length of each object that the store refers to, by key.
func referenced(ctx context.Context, t *testing.T, store metadata.Store) map[string]int64 {
	t.Helper()
	out := make(map[string]int64)
	add := func(id metadata.SegmentID) {
		s, err := store.Segment(ctx, id)
		if err != nil {
			t.Errorf("segment %d: %v", id, err)
			return
		}
		out[s.Key] = s.Bytes
	}
	list, err := store.LoadTopics(ctx)
	if err != nil {
		t.Fatal(err)
	}
	for _, topic := range list {
		for p := range topic.Partitions {
			slices, state, err := store.Partition(ctx, pack.PartitionID{Topic: topic.ID, Partition: p})
			if err != nil {
				t.Fatal(err)
			}
			for _, s := range slices {
				add(s.Segment)
			}
			if state.BlockLen > 0 {
				add(state.Block)
			}
		}
	}
	return out
}
