package metadatatest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/streamhouse/streamhouse/metadata"
	"github.com/streamhouse/streamhouse/metadata/mem"
	"github.com/streamhouse/streamhouse/storage/pack"
)

// testRandom does the same random changes to the store and to the one in memory: both
// answer the same and hold the same. Against the latter itself it checks nothing but
// that the changes can be done.
func testRandom(t *testing.T, h *Harness) {
	model := mem.New(nil)
	if _, err := model.Begin(t.Context()); err != nil {
		t.Fatal(err)
	}
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := &changes{t: t, rand: rand.New(rand.NewPCG(seed, 0)), stores: []metadata.Store{h.Store, model}, next: map[pack.PartitionID]int64{}}
	for n := byte(1); n <= 3; n++ {
		for _, s := range r.stores {
			if err := s.CreateTopic(t.Context(), topic(n, fmt.Sprint("t", n))); err != nil {
				t.Fatal(err)
			}
		}
		for p := range int32(3) {
			r.ids = append(r.ids, partition(n, p))
		}
	}
	for i := range 150 {
		r.change(i)
		if i%10 == 0 {
			sameAsModel(t, r.stores[0], model, r.ids)
			checkSealed(t, r.stores[0], r.ids)
		}
		if i == 75 {
			r.stores[0] = h.Reopen(t)
		}
	}
	sameAsModel(t, r.stores[0], model, r.ids)
}

type changes struct {
	t      *testing.T
	rand   *rand.Rand
	stores []metadata.Store
	ids    []pack.PartitionID
	next   map[pack.PartitionID]int64
}

// both does a change to both stores, which must agree on its outcome.
func (c *changes) both(what string, f func(metadata.Store) error) {
	c.t.Helper()
	a, b := f(c.stores[0]), f(c.stores[1])
	for _, kind := range []error{metadata.ErrConflict, metadata.ErrExists, metadata.ErrNotFound} {
		if errors.Is(a, kind) != errors.Is(b, kind) {
			c.t.Fatalf("%s: %v, but the model says %v", what, a, b)
		}
	}
	if (a == nil) != (b == nil) {
		c.t.Fatalf("%s: %v, but the model says %v", what, a, b)
	}
}

func (c *changes) change(i int) {
	ctx := c.t.Context()
	switch id := c.ids[c.rand.IntN(len(c.ids))]; c.rand.IntN(20) {
	case 0, 1:
		starts := []metadata.LogStart{{ID: id, Offset: c.rand.Int64N(c.next[id] + 1)}}
		if other := c.ids[c.rand.IntN(len(c.ids))]; c.rand.IntN(2) == 0 {
			starts = append(starts, metadata.LogStart{ID: other, Offset: c.rand.Int64N(c.next[other] + 1)})
		}
		c.both("log starts", func(s metadata.Store) error { return s.SetLogStarts(ctx, starts...) })
	case 2, 3:
		c.both("forget", func(s metadata.Store) error { return s.Forget(ctx, garbage(c.t, s), nil) })
	case 4:
		if i > 60 {
			c.both("delete", func(s metadata.Store) error { return s.DeleteTopic(ctx, id.Topic) })
		}
	default:
		reg := c.registration(i)
		c.both("register", func(s metadata.Store) error {
			if err := s.Intend(ctx, reg.Segment.Key); err != nil {
				return err
			}
			_, err := s.Register(ctx, reg)
			return err
		})
	}
}

// registration appends to some partitions, and merges or breaks a rule now and then.
func (c *changes) registration(i int) metadata.Registration {
	r := metadata.Registration{Segment: metadata.Segment{Key: fmt.Sprint("k", i)}, Volumes: []metadata.Volume{volume(uint64(i))}}
	for _, id := range c.ids {
		if c.rand.IntN(3) > 0 {
			continue
		}
		base, n := c.next[id], 1+c.rand.Int64N(10)
		switch c.rand.IntN(12) {
		case 0: // overlaps, unless the partition is empty
			base -= 2
		case 1: // a merge of everything so far
			r.Replaces = append(r.Replaces, metadata.Replace{ID: id, To: base - 1})
			n, base = base+n, 0
		}
		if base < 0 {
			base = 0
		}
		x := slice(id, base, base+n-1)
		x.Level = c.rand.Int32N(3)
		r.Segment.Data += x.Bytes + c.rand.Int64N(2)*30
		r.Slices = append(r.Slices, x)
		r.States = append(r.States, metadata.State{ID: id, NextOffset: base + n, LeaderEpoch: int32(i), BlockPos: base, BlockLen: c.rand.Int64N(2)})
		c.next[id] = max(c.next[id], base+n)
	}
	return r
}
